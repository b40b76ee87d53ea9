"""How ``generated/`` is made from ``openapi.yaml``."""
