"""Benchmarks of the SDK beside raw httpx and comparable libraries."""
