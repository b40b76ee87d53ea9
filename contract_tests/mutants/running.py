"""Runs against seeded defects: gateways in this process, mistakes of the SDK in copies of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from contract_tests.faulty_gateway import KEY, gateway
from contract_tests.mutants.gateways import DEFECTS, IDS, Defect, serve
from contract_tests.mutants.sdk import MISTAKES, Mistake
from kkiai_sdk.contract import check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kkiai_sdk.contract import Finding, Report

ROOT = Path(__file__).parents[2]
#: The gateways play the query alone, however far the document has grown.
SCOPE = ("queryVideoTask",)
#: What the suite needs of the project.
COPIED = ("kkiai_sdk", "generated", "contract_tests", "tests", "pyproject.toml", "openapi.yaml")
#: The suites that hold the SDK to the spec; those about gateways do not need it.
SUITES = ("contract_tests/test_sdk.py", "contract_tests/test_refusals.py", "contract_tests/test_generated.py")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?)(?: - .*)?$", re.MULTILINE)


@frozen
class Tried:
    """A defect and what caught it."""

    group: str
    name: str
    #: Rules, or the first test that failed; empty if nothing did.
    caught_by: tuple[str, ...]
    #: Lines of the spec, or the file that was changed.
    where: tuple[str, ...]
    #: What a reader should know besides.
    note: str = ""


def correct_gateway(seed: int) -> Report:
    """The check of a gateway without a defect, every second one below a path."""
    with gateway(serve(lambda _, reply: reply), "" if seed % 2 else "/proxy/video") as base_url:
        return check(base_url, KEY, task_ids=IDS, seed=seed, only=SCOPE)


def gateways(defects: tuple[Defect, ...] = DEFECTS) -> Iterator[Tried]:
    """Every defect of a gateway, tried: with a dozen requests and, if they do not show it, in full and with writes."""
    for defect in defects:
        for note in ("", "full check", "full check with --allow-writes"):
            options: dict[str, Any] = {"fuzz": bool(note), "allow_writes": note.endswith("writes")}
            with gateway(serve(defect.mutation), defect.prefix) as base_url:
                findings = check(base_url, KEY, task_ids=IDS, only=SCOPE, **options).findings
            if findings:
                break
        rules = dict.fromkeys(f"{each.rule} ({each.severity})" for each in findings)
        yield Tried(defect.group, defect.name, tuple(rules), tuple(dict.fromkeys(map(_place, findings))), note)


def _place(finding: Finding) -> str:
    return finding.place


def mistakes(wanted: tuple[Mistake, ...] = MISTAKES) -> Iterator[Tried]:
    """Every mistake of the SDK, tried; as many at a time as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(_try_mistake, wanted)


def _try_mistake(mistake: Mistake) -> Tried:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            _copy(ROOT / name, copy / name)
        _change(copy / mistake.file, mistake)
        # Only the copy is to be imported, not what is installed in editable mode.
        command = [sys.executable, "-m", "pytest", *SUITES, "-x", "-q", "-p", "no:cacheprovider", "--tb=no"]
        environ = os.environ | {"PYTHONPATH": f"{copy}{os.pathsep}{copy / 'generated'}", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=copy, env=environ, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"{mistake.name}: the suite could not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    failed = _FAILED.search(done.stdout)
    caught = (failed[1].rpartition("/")[2],) if failed else ()
    return Tried("SDK", mistake.name, caught, (mistake.file,))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.mp4"))
    else:
        shutil.copy(source, target)


def _change(path: Path, mistake: Mistake) -> None:
    text = path.read_text("utf-8")
    if text.count(mistake.old) != 1:
        raise RuntimeError(f"{mistake.name}: {mistake.file} holds {text.count(mistake.old)} times: {mistake.old}")
    path.write_text(text.replace(mistake.old, mistake.new), "utf-8")
