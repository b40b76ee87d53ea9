"""``kkiai contract``: exit codes, what goes to which stream, and the files it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from contract_tests.faulty_gateway import gateway
from contract_tests.mutants.gateways import IDS, serve
from kkiai_sdk.mock import MockGateway
from tests.contract.conftest import GATEWAY_KEY, Ended
from tests.sources import ROOT
from tests.support.canary import KEY, files_with

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def drifting() -> Iterator[str]:
    """The address of a gateway with one undocumented field."""
    with gateway(serve(lambda _, r: r.but(value={**r.value, "a%,:b": 1}) if r.status == 200 else r)) as base_url:
        yield base_url


@pytest.fixture(scope="module")
def breaking() -> Iterator[str]:
    """The address of a gateway whose tasks have no id."""
    with gateway(serve(lambda _, r: r.but(value={**r.value, "id": None}) if r.status == 200 else r)) as base_url:
        yield base_url


GENTLE = ("--no-fuzz", "--task-id", IDS[0], "--task-id", IDS[2])


@pytest.mark.deep
def test_command_without_an_address_checks_the_mock(kkiai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address the mock gateway is checked, whatever KKIAI_BASE_URL names and without any key."""
    monkeypatch.setenv("KKIAI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("KKIAI_API_KEY")
    ended = kkiai()
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("The gateway conforms to the contract.\n")
    assert "Exercised: parameter 2/2" in ended.out


def test_exit_code_follows_the_severity_that_fails(kkiai: Run, drifting: str, breaking: str) -> None:
    """0 for a kept contract, 1 for a broken one, by the severity that was asked for."""
    assert kkiai("--base-url", drifting, *GENTLE).code == 0
    assert kkiai("--base-url", drifting, *GENTLE, "--fail-on", "drift").code == 1
    assert kkiai("--base-url", breaking, *GENTLE).code == 1


@pytest.mark.parametrize(
    "words",
    [
        ["--fail-on", "advice"],
        ["--rate", "fast"],
        ["--time-limit", "soon"],
        ["--time-limit", "0s"],
        ["--base-url", "gateway.example.com"],
        ["--base-url", "http://gateway.example.com"],
        ["--base-url", "http://127.0.0.1:9", "--task-id", "a b"],
        ["--spec", "/nowhere/openapi.yaml"],
        ["--baseline", "/nowhere/known.json"],
        ["--junit", "/nowhere/report.xml"],
        ["--html", "/"],
        ["--nonsense"],
    ],
)
def test_wrong_usage_exits_with_two(kkiai: Run, words: list[str]) -> None:
    """2 for wrong usage, one line on stderr that names what was wrong, and nothing on stdout."""
    ended = kkiai(*words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err


def test_impossible_check_exits_with_three(kkiai: Run, drifting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """3 when nothing listens, and when there is no key."""
    assert kkiai("--base-url", "http://127.0.0.1:9").code == 3
    monkeypatch.delenv("KKIAI_API_KEY")
    ended = kkiai("--base-url", drifting)
    assert ended.code == 3
    assert "KKIAI_API_KEY" in ended.out


def test_key_is_read_from_a_file(kkiai: Run, drifting: str, tmp_path: Path) -> None:
    """--api-key-file is used in place of the environment."""
    file = tmp_path / "key"
    file.write_text("sk-expired\n", "utf-8")
    assert kkiai("--base-url", drifting, *GENTLE, "--api-key-file", str(file)).code == 3
    file.write_text(f"{GATEWAY_KEY}\n", "utf-8")
    assert kkiai("--base-url", drifting, *GENTLE, "--api-key-file", str(file)).code == 0


def test_finding_is_printed_with_place_and_command(kkiai: Run, breaking: str) -> None:
    """A finding is printed with severity, rule, place, diff, the result of the SDK, and a command."""
    out = kkiai("--base-url", breaking, *GENTLE).out
    assert "breaking response-schema  openapi.yaml:" in out
    assert '  - id: null\n  + id: type "string"\n  The SDK parses it as a task with the state ' in out
    assert "\ncurl -si " in out


def test_json_option_prints_objects_alone(kkiai: Run, breaking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json stdout holds objects alone, the last a summary; annotations go to stderr."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    ended = kkiai("--base-url", breaking, *GENTLE, "--json")
    assert ended.objects[-1]["type"] == "summary"
    assert ended.objects[-1]["exit_code"] == ended.code == 1
    assert ended.err.startswith("::error file=openapi.yaml,line=")


def test_annotations_are_printed_under_github_alone(kkiai: Run, drifting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Annotations are printed under GitHub Actions only, escaped."""
    assert "::" not in kkiai("--base-url", drifting, *GENTLE).out
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    out = kkiai("--base-url", drifting, *GENTLE).out
    (line,) = [line for line in out.splitlines() if line.startswith("::")]
    assert line.startswith("::warning file=openapi.yaml,line=")
    assert "a%25,:b" in line


def test_reports_are_written_without_the_key(kkiai: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every report is written whatever the result, and the key is in none of them nor in the output."""
    monkeypatch.setenv("KKIAI_API_KEY", KEY)
    with MockGateway(api_key=KEY) as mock:
        files = [f"--{name}={tmp_path / name}" for name in ("junit", "sarif", "html", "write-baseline")]
        ended = kkiai("--base-url", mock.base_url, "--no-fuzz", "--task-id", "grok:scenario-seconds", *files)
    assert ended.code == 1
    assert ET.fromstring((tmp_path / "junit").read_text("utf-8")).tag == "testsuites"
    assert json.loads((tmp_path / "sarif").read_text("utf-8"))["version"] == "2.1.0"
    assert (tmp_path / "html").read_text("utf-8").startswith("<!doctype html>")
    assert json.loads((tmp_path / "write-baseline").read_text("utf-8"))["findings"]
    assert files_with(KEY.encode(), tmp_path) == []


def test_baseline_that_was_written_is_accepted(kkiai: Run, breaking: str, tmp_path: Path) -> None:
    """A baseline written by --write-baseline is accepted by --baseline."""
    file = str(tmp_path / "known.json")
    assert kkiai("--base-url", breaking, *GENTLE, "--write-baseline", file).code == 1
    ended = kkiai("--base-url", breaking, *GENTLE, "--baseline", file)
    assert ended.code == 0
    assert "known" in ended.out


def test_findings_point_into_the_spec_that_is_given(kkiai: Run, breaking: str, tmp_path: Path) -> None:
    """Findings point into the file that --spec names."""
    from kkiai_sdk.contract import _spec  # noqa: PLC0415

    file = tmp_path / "mine.yaml"
    file.write_text(f"# mine\n{_spec.load().text}", "utf-8")
    first = kkiai("--base-url", breaking, *GENTLE, "--json").objects[0]
    mine = kkiai("--base-url", breaking, *GENTLE, "--json", "--spec", str(file)).objects[0]
    assert (mine["file"], mine["line"]) == (file.as_posix(), first["line"] + 1)


@pytest.mark.parametrize("code", ["import kkiai_sdk.cli.contract", "import kkiai_sdk.contract"])
def test_importing_loads_nothing_of_the_extra(code: str) -> None:
    """Neither the command line nor the library loads a part of the extra before it is used."""
    heavy = {"schemathesis", "yaml", "ruamel.yaml", "requests", "jsonschema_rs"}
    script = f"{code}; import sys; print(*{heavy} & set(sys.modules))"
    environ = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'generated'}"}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.deep
def test_full_check_leaves_no_file_behind(tmp_path: Path) -> None:
    """A full check writes no file where it is run."""
    command = [sys.executable, "-m", "kkiai_sdk", "contract"]
    environ = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'generated'}"}
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", ["schemathesis", "ruamel.yaml"])
def test_extra_that_is_missing_is_named(kkiai: Run, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Without the extra the command says what to install."""
    from kkiai_sdk.contract import _spec  # noqa: PLC0415

    monkeypatch.setitem(sys.modules, module, None)
    # As in a separate process, which has read no spec yet.
    monkeypatch.setattr(_spec, "_parsed", _spec.Spec)
    ended = kkiai()
    assert ended.code == 2
    assert 'pip install "kkiai-sdk[contract]"' in ended.err
