"""Waiting for tasks: one, or many at once."""
