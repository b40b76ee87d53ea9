"""The HTTP layer: sends requests to any endpoint of the gateway."""
