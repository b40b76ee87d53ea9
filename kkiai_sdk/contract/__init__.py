"""The contract check as a library: hold requests, answers and gateways to ``openapi.yaml``.

Needs the extra ``contract`` (PyYAML and schemathesis, which brings jsonschema-rs). Nothing of it is loaded before it is
used; what is missing then is named by a ``ConfigurationError``.
"""
