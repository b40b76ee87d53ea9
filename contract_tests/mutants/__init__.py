"""Seeded defects: gateways with one defect each, and copies of the SDK with one mistake each."""
