"""Looks the packages of locks up in a list of known vulnerabilities, by pip-audit, and says so when it could not.

`python tools/audit.py requirements/*.txt`. Exit codes: 0 nothing is known against any package, 1 something is,
3 not all packages could be looked up. pip-audit itself ends with 0 when it looked nothing up.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CLEAN, VULNERABLE, NOT_AUDITED = 0, 1, 3


def judge(report: dict[str, Any]) -> tuple[int, list[str]]:
    """The exit code and what to say about pip-audit's report in JSON."""
    packages = report["dependencies"]
    found = [
        f"{package['name']} {package['version']}: {hole['id']}, "
        f"mended in {', '.join(hole['fix_versions']) or 'no release'}"
        for package in packages
        for hole in package.get("vulns", [])
    ]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if skipped:
        missed = f"NOT AUDITED: {len(skipped)} of {len(packages)} packages could not be looked up: {', '.join(skipped)}"
        return (VULNERABLE if found else NOT_AUDITED), [*found, missed]
    if not packages:
        return NOT_AUDITED, ["NOT AUDITED: there is no package in the locks"]
    return (VULNERABLE if found else CLEAN), found or [f"nothing is known against any of {len(packages)} packages"]


def audit(lock: str) -> tuple[int, list[str]]:
    """Look one lock up."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    done = subprocess.run([*command, "--format", "json", "-r", lock], capture_output=True, text=True, check=False)
    try:
        return judge(json.loads(done.stdout))
    except ValueError:  # no report: the service was not reached, or the lock could not be read
        why = (done.stderr.strip() or "pip-audit said nothing").splitlines()[-1]
        return NOT_AUDITED, [f"NOT AUDITED: {why}"]


def main() -> int:
    """Look all locks up; the worst counts."""
    codes = []
    for lock in sys.argv[1:]:
        code, lines = audit(lock)
        codes.append(code)
        print("\n".join(f"{Path(lock).name}: {line}" for line in lines))
    return VULNERABLE if VULNERABLE in codes else max(codes, default=NOT_AUDITED)


if __name__ == "__main__":
    sys.exit(main())
