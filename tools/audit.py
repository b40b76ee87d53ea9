"""Look up the packages of locks in a list of known vulnerabilities, by pip-audit, which ends with 0 if it cannot.

`python tools/audit.py requirements/*.txt`. Exit codes: 0 no vulnerability is known, 1 one is, 3 not all packages could
be looked up.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CLEAN, VULNERABLE, NOT_AUDITED = 0, 1, 3


def judge(report: dict[str, Any]) -> tuple[int, list[str]]:
    """The exit code and the lines to print for a report of pip-audit."""
    packages = report["dependencies"]
    found = [
        f"{package['name']} {package['version']}: {hole['id']}, "
        f"fixed in {', '.join(hole['fix_versions']) or 'no release'}"
        for package in packages
        for hole in package.get("vulns", [])
    ]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if skipped or not packages:
        missed = f"NOT AUDITED: {len(skipped)} of {len(packages)} packages could not be looked up: {', '.join(skipped)}"
        return (VULNERABLE if found else NOT_AUDITED), [*found, missed]
    return (VULNERABLE, found) if found else (CLEAN, [f"no vulnerability is known of any of {len(packages)} packages"])


def audit(lock: str) -> tuple[int, list[str]]:
    """Look up one lock."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    done = subprocess.run([*command, "--format", "json", "-r", lock], capture_output=True, text=True, check=False)
    try:
        return judge(json.loads(done.stdout))
    except ValueError:  # the service was not reached, or the lock could not be read
        return NOT_AUDITED, [f"NOT AUDITED: {(done.stderr.strip() or 'no report of pip-audit').splitlines()[-1]}"]


def main() -> int:
    """Look up all locks; the worst result counts."""
    results = {Path(lock).name: audit(lock) for lock in sys.argv[1:]}
    print("\n".join(f"{name}: {line}" for name, (_, lines) in results.items() for line in lines))
    codes = {code for code, _ in results.values()}
    return VULNERABLE if VULNERABLE in codes else max(codes, default=NOT_AUDITED)


if __name__ == "__main__":
    sys.exit(main())
