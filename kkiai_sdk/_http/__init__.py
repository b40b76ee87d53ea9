"""The HTTP layer: gets any endpoint of the gateway answered."""
