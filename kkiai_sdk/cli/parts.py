"""What commands are made of, loaded by the first one that runs: `--help` needs none of it."""

from __future__ import annotations

from kkiai_sdk.cli import mock, work
from kkiai_sdk.cli.input import byte_count, connection, destination, duration, key_in, task_ids
from kkiai_sdk.cli.report import Report
from kkiai_sdk.cli.routes import Manner
from kkiai_sdk.cli.run import execute, refuse

__all__ = [
    "Manner",
    "Report",
    "byte_count",
    "connection",
    "destination",
    "duration",
    "execute",
    "key_in",
    "mock",
    "refuse",
    "task_ids",
    "work",
]
