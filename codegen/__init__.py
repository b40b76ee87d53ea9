"""Generation of ``generated/`` from ``openapi.yaml``, and comparison of versions of the spec."""
