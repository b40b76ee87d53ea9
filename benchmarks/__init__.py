"""Benchmarks of the SDK alongside raw httpx and comparable libraries."""
