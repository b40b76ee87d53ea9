"""The contract check as a library: hold requests, answers and gateways to ``openapi.yaml``.

::

    from kkiai_sdk.contract import check

    report = check("https://gateway.example.com", task_ids=["grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"])
    for finding in report.findings:
        print(finding.severity, finding.rule, finding.place, finding.diff, finding.sdk)

Needs the extra ``contract`` (PyYAML and schemathesis, which brings jsonschema-rs). Nothing of it is loaded before it is
used; what is missing then is named by a ``ConfigurationError``.
"""

from __future__ import annotations

from kkiai_sdk.contract._baseline import dump as baseline_text
from kkiai_sdk.contract._check import check
from kkiai_sdk.contract._coverage import Covered
from kkiai_sdk.contract._findings import Finding
from kkiai_sdk.contract._formats import junit, sarif, workflow_commands
from kkiai_sdk.contract._html import html
from kkiai_sdk.contract._report import Report
from kkiai_sdk.contract._rule import Severity

__all__ = [
    "Covered",
    "Finding",
    "Report",
    "Severity",
    "baseline_text",
    "check",
    "html",
    "junit",
    "sarif",
    "workflow_commands",
]
