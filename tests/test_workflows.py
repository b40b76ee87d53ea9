"""The workflows and the action, beyond what zizmor checks in `make check`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
WORKFLOWS = {file.name: YAML(typ="safe").load(file) for file in sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))}
ACTION = YAML(typ="safe").load(ROOT / "action.yml")
#: The rights to write that a job has, and no other.
WRITES = {
    ("contract.yml", "live"): {"security-events"},
    ("release.yml", "publish"): {"id-token", "attestations"},
    ("release.yml", "announce"): {"contents"},
}


def steps(name: str) -> list[dict[str, Any]]:
    """Every step of a workflow."""
    return [step for job in WORKFLOWS[name]["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("file", [ROOT / "action.yml", *(ROOT / ".github" / "workflows" / name for name in WORKFLOWS)])
@pytest.mark.fault("P-03")
def test_actions_of_others_are_pinned_by_commit(file: Path) -> None:
    """Every action of others is named by a full commit hash, with the version alongside it; our own by its path."""
    used = re.findall(r"^ *-? *uses: (.*)$", file.read_text("utf-8"), re.MULTILINE)
    assert used
    assert [one for one in used if not re.match(r"\./|[\w/-]+@[0-9a-f]{40} # v[\d.]+$", one)] == []


@pytest.mark.fault("P-03")
def test_jobs_have_no_rights_beyond_their_purpose() -> None:
    """Only the jobs that report findings, publish and announce may write, each what it needs."""
    writes = {
        (name, job): {right for right, access in content["permissions"].items() if access == "write"}
        for name, workflow in WORKFLOWS.items()
        for job, content in workflow["jobs"].items()
    }
    assert {job: rights for job, rights in writes.items() if rights} == WRITES


@pytest.mark.fault("P-04")
def test_release_is_published_without_a_token() -> None:
    """Only a tag publishes, after the build was repeated, in a protected environment, attested, without a secret."""
    release = WORKFLOWS["release.yml"]
    publish = release["jobs"]["publish"]
    assert release["on"] == {"push": {"tags": ["v*"]}}
    assert (publish["environment"], set(publish["needs"])) == ("release", {"build", "reproduce"})
    assert not any("run" in step for step in publish["steps"])
    assert publish["steps"][-1]["with"] == {"packages-dir": "packages/", "attestations": True}
    assert "secrets." not in str(release)


@pytest.mark.fault("P-06")
def test_locked_packages_are_audited_on_schedule_and_none_is_skipped() -> None:
    """A workflow audits the locks by the week, and a package that cannot be looked up fails the audit."""
    assert "schedule" in WORKFLOWS["audit.yml"]["on"]
    assert {"run": "make check AUDIT=1"} in steps("audit.yml")
    audit = re.findall(r"-m pip_audit (.*)", (ROOT / "Makefile").read_text("utf-8"))
    assert [("--strict" in options, "-r requirements/run.txt" in options) for options in audit] == [(True, True)]


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda lock: lock.name)
@pytest.mark.fault("P-02")
def test_locked_packages_have_versions_and_hashes(lock: Path) -> None:
    """Every package of a lock is pinned to one version and to the hashes of its files, and installed by them."""
    entries = re.split(r"\n(?=\S)", lock.read_text("utf-8").strip())
    pinned = re.compile(r"[\w.-]+(\[[\w,-]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", re.DOTALL)
    assert len(entries) > 5
    assert [entry for entry in entries if not pinned.match(entry)] == []
    installs = re.findall(r"-m pip .*install.*-r .*", (ROOT / "Makefile").read_text("utf-8"))
    assert all("--require-hashes" in line for line in installs)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_make_targets_of_workflows_exist(name: str) -> None:
    """Every target that a workflow makes is in the Makefile."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    asked = [target for step in steps(name) for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))]
    assert asked
    assert set(asked) <= set(targets)


def test_supported_pythons_are_tested_in_ci() -> None:
    """CI tests every version of Python that the package says it supports."""
    supported = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert WORKFLOWS["ci.yml"]["jobs"]["test"]["strategy"]["matrix"]["python"] == supported


def test_inputs_of_the_action_are_used_and_documented() -> None:
    """Every input of the action is used by a step and listed in docs/ci.md, and no other is."""
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs" / "ci.md").read_text("utf-8"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)} == set(ACTION["inputs"])
    assert set(re.findall(r"inputs\.([a-z-]+)", str(ACTION["runs"]))) == set(ACTION["inputs"])


def check(folder: Path, **inputs: str) -> tuple[int, list[str], dict[str, str]]:
    """Run the action's check with a `kkiai` that records its key and arguments; returns also exit code and outputs."""
    step = next(step for step in ACTION["runs"]["steps"] if step["name"] == "Check the contract")
    program = folder / "kkiai-contract" / "bin" / "kkiai"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nprintf "%s\\0" "${KKIAI_API_KEY-unset}" "$@" > "$RECORD"\nexit "${EXIT:-0}"\n')
    program.chmod(0o755)
    record, outputs = folder / "record", folder / "outputs"
    environment = {"PATH": os.environ["PATH"], "RUNNER_TEMP": str(folder), "RECORD": str(record)}
    defaults = dict.fromkeys(step["env"], "") | {"FAIL_ON": "breaking", "FUZZ": "false", "GITHUB_OUTPUT": str(outputs)}
    command = [str(shutil.which("bash")), "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(command, cwd=folder, env=environment | defaults | inputs, capture_output=True, check=False)
    recorded = record.read_text().split("\0")[:-1] if record.exists() else []
    lines = outputs.read_text().splitlines() if outputs.exists() else []
    return done.returncode, recorded, dict(line.split("=", 1) for line in lines)


def test_inputs_of_the_action_become_arguments_as_they_are(tmp_path: Path) -> None:
    """Each input is one argument, whatever it contains; the key is none, and ids are split at white space."""
    nasty = 'x\'; $(touch hacked) `touch hacked` "$HOME" && touch hacked'
    code, recorded, _ = check(
        tmp_path, BASE_URL=nasty, KKIAI_API_KEY="k e y", TASK_IDS=" a:1\n *\t--help ", FUZZ="true", ONLY="a /b"
    )
    names = ["--task-id=a:1", "--task-id=*", "--task-id=--help", "--only=a", "--only=/b"]
    assert (code, recorded[0]) == (0, "k e y")
    assert recorded[1:] == ["contract", "--fail-on=breaking", f"--base-url={nasty}", *names, "--fuzz"]
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("code", ["0", "1", "3"])
def test_exit_code_and_reports_are_outputs_of_the_action(tmp_path: Path, code: str) -> None:
    """The step ends as the command did; reports that were written are named, others are not."""
    (tmp_path / "r.xml").touch()
    result = check(tmp_path, EXIT=code, JUNIT="r.xml", SARIF="none.sarif")
    assert result[::2] == (int(code), {"exit-code": code, "junit": "r.xml"})


def test_fuzz_that_is_no_boolean_is_refused_by_the_action(tmp_path: Path) -> None:
    """An input that is neither true nor false is wrong usage, and nothing is run."""
    assert check(tmp_path, FUZZ="maybe") == (2, [], {})
