"""Programs in processes of their own that use the SDK."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support.canary import KEY

#: How every program begins.
START = """
import asyncio, os, sys
from kkiai_sdk import *
"""


def environment(base_url: str) -> dict[str, str]:
    """Return the environment of a program: key, gateway, and import path."""
    return os.environ | {
        "KKIAI_API_KEY": KEY,
        "KKIAI_BASE_URL": base_url,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


def start(program: str, base_url: str) -> subprocess.Popen[str]:
    """Start a program; the caller ends it."""
    command = [sys.executable, "-c", START + program]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment(base_url), stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def run(program: str, base_url: str, *, timeout: float = 20) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    with start(program, base_url) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
