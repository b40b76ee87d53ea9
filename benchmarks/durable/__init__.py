"""Durable waiting while workers are killed: nothing lost, nothing twice, one limit for all."""
