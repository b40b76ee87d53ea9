"""The contract check as a library: checks requests, responses and gateways against ``openapi.yaml``.

::

    ids = ["grok:eee6faa8-9dee-455c-aa82-02ac623adf3a"]
    report = check("https://gateway.example.com", task_ids=ids)
    for finding in report.findings:
        print(finding.severity, finding.rule, finding.place, finding.diff, finding.sdk)

Needs the extra ``contract``, which is imported on first use; raises ``ConfigurationError`` if it is not installed.
"""

from __future__ import annotations

from kkiai_sdk.contract._check import check
from kkiai_sdk.contract._findings import Finding
from kkiai_sdk.contract._formats import html, junit, sarif, workflow_commands
from kkiai_sdk.contract._report import CheckedOperation, Covered, Report, baseline_text
from kkiai_sdk.contract._violations import Severity

__all__ = [
    "CheckedOperation",
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
