"""Waits for one task or for many."""
