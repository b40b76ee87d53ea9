"""Seeded defects: gateways that stray in one way each, and copies of the SDK with one mistake each."""
