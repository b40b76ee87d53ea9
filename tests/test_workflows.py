"""The workflows and the action: pinned, without rights they do not need, and safe whatever their inputs hold."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
ACTION_FILE = ROOT / "action.yml"
FILES = [ACTION_FILE, *sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))]
WORKFLOWS = FILES[1:]
# Every version of an action that may be used, by the commit that was seen under this tag in other public projects.
PINS = {
    "actions/attest-build-provenance": ("a2bbfa25375fe432b6a289bc6b6cd05ecd0c4c32", "v4.1.0"),
    "actions/checkout": ("de0fac2e4500dabe0009e67214ff5f5447ce83dd", "v6.0.2"),
    "actions/download-artifact": ("37930b1c2abaa49bbe596cd826c3c89aef350131", "v7.0.0"),
    "actions/setup-python": ("a309ff8b426b58ec0e2a45f0f869d46889d02405", "v6.2.0"),
    "actions/upload-artifact": ("b7c566a772e6b6bfb58ed0dc250532a479d7789f", "v6.0.0"),
    "github/codeql-action/upload-sarif": ("89a39a4e59826350b863aa6b6252a07ad50cf83e", "v4.32.4"),
    "pypa/gh-action-pypi-publish": ("ed0c53931b1dc9bd32cbe73a98c7f6766f8a527e", "v1.13.0"),
}
#: The rights to write that a job has, and no other.
WRITES = {
    ("contract.yml", "live"): {"security-events"},
    ("release.yml", "publish"): {"id-token", "attestations"},
    ("release.yml", "announce"): {"contents"},
}
TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "object", "additionalProperties": {"type": ["string", "boolean", "integer"]}}
STEP = {
    "type": "object",
    "properties": {"name": TEXT, "id": TEXT, "if": TEXT, "uses": TEXT, "run": TEXT, "shell": {"const": "bash"}}
    | {"env": TEXTS, "with": TEXTS},
    "additionalProperties": False,
    "oneOf": [{"required": ["uses"]}, {"required": ["run"]}],
}
RIGHTS = {"type": "object", "additionalProperties": {"enum": ["read", "write"]}}
WORKFLOW = {
    "type": "object",
    "required": ["name", "on", "permissions", "concurrency", "jobs"],
    "properties": {
        "name": TEXT,
        "on": {"type": "object"},
        "permissions": {"const": {}},
        "concurrency": {"required": ["group", "cancel-in-progress"]},
        "jobs": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {
                "type": "object",
                "required": ["name", "runs-on", "timeout-minutes", "permissions", "steps"],
                "properties": {
                    "name": TEXT,
                    "if": TEXT,
                    "environment": TEXT,
                    "needs": {"type": "array", "items": TEXT},
                    "runs-on": {"type": "string", "pattern": r"^[a-z]+-\d"},
                    "timeout-minutes": {"type": "integer", "minimum": 1, "maximum": 60},
                    "permissions": RIGHTS,
                    "strategy": {"type": "object"},
                    "steps": {"type": "array", "items": STEP, "minItems": 1},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
ACTION = {
    "type": "object",
    "required": ["name", "description", "inputs", "outputs", "runs"],
    "properties": {
        "inputs": {
            "additionalProperties": {
                "required": ["description", "default"],
                "properties": {"default": {"type": "string"}},
            }
        },
        "outputs": {"additionalProperties": {"required": ["description", "value"]}},
        "runs": {
            "required": ["using", "steps"],
            "properties": {"using": {"const": "composite"}, "steps": {"type": "array", "items": STEP}},
        },
    },
}


def load(file: Path) -> dict[str, Any]:
    """The file's content."""
    data: dict[str, Any] = YAML(typ="safe").load(file)
    return data


def steps(file: Path) -> list[dict[str, Any]]:
    """Every step of a workflow or of the action."""
    data = load(file)
    jobs = data["jobs"].values() if "jobs" in data else [data["runs"]]
    return [step for job in jobs for step in job["steps"]]


def step_of_action(name: str) -> dict[str, Any]:
    """The action's step of this name."""
    return next(step for step in steps(ACTION_FILE) if step["name"] == name)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_structure_is_what_github_expects(file: Path) -> None:
    """Every file has the members it needs, of the right types, and no misspelt one."""
    errors = Draft202012Validator(ACTION if file == ACTION_FILE else WORKFLOW).iter_errors(load(file))
    assert [f"{error.instance_path}: {error.message}" for error in errors] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
@pytest.mark.fault("P-03")
def test_actions_are_pinned(file: Path) -> None:
    """Every action of others is named by a full commit hash, with the version beside it; our own by its path."""
    used = re.findall(r"^ *-? *uses: (\S+)(?: # (\S+))?", file.read_text("utf-8"), re.MULTILINE)
    assert len(used) == sum("uses" in step for step in steps(file))
    for reference, version in used:
        name, _, commit = reference.partition("@")
        assert reference == "./" or (commit, version) == PINS[name]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_expression_stands_in_a_script(file: Path) -> None:
    """Values reach scripts through the environment alone, so none of them can become a command."""
    assert [step["run"] for step in steps(file) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
@pytest.mark.fault("P-03")
def test_no_credentials_are_left_behind(file: Path) -> None:
    """A checkout does not leave the job's token in the folder."""
    checkouts = [step for step in steps(file) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.fault("P-03")
def test_jobs_may_write_nothing_but_what_they_are_for() -> None:
    """No job has more rights than reading the code, but for reporting findings, publishing and announcing."""
    writes = {
        (file.name, name): {right for right, may in job["permissions"].items() if may == "write"}
        for file in WORKFLOWS
        for name, job in load(file)["jobs"].items()
    }
    assert {job: rights for job, rights in writes.items() if rights} == WRITES


@pytest.mark.fault("P-04")
def test_publishing_needs_no_token_and_one_protected_job() -> None:
    """Only a tag publishes, after the build was repeated, in an environment of its own, attested, without a secret."""
    release = load(ROOT / ".github/workflows/release.yml")
    publish = release["jobs"]["publish"]
    assert release["on"] == {"push": {"tags": ["v*"]}}
    assert (publish["environment"], set(publish["needs"])) == ("release", {"build", "reproduce"})
    assert not any("run" in step for step in publish["steps"])
    assert publish["steps"][-1]["with"] == {"packages-dir": "packages/", "attestations": True}
    assert "secrets." not in str(release)
    assert not any("id-token" in job["permissions"] for name, job in release["jobs"].items() if name != "publish")


@pytest.mark.fault("P-06")
def test_the_parts_are_listed_and_looked_up() -> None:
    """A release carries the list of its parts, and the locked packages are audited by the week."""
    assert "make build" in [step.get("run") for step in steps(ROOT / ".github/workflows/release.yml")]
    assert "sbom/*" in str(load(ROOT / ".github/workflows/release.yml")["jobs"]["announce"]["steps"][-1]["run"])
    audit = load(ROOT / ".github/workflows/audit.yml")
    assert "schedule" in audit["on"]
    assert audit["jobs"]["vulnerabilities"]["steps"][-1] == {"run": "make check AUDIT=1"}


@pytest.mark.fault("P-01")
def test_lowest_and_newest_versions_are_tried() -> None:
    """Every change is tested with the lowest versions allowed, and by the week the newest are resolved and tested."""
    assert load(ROOT / ".github/workflows/ci.yml")["jobs"]["lowest"]["steps"][-1] == {"run": "make test LOWEST=1"}
    newest = load(ROOT / ".github/workflows/audit.yml")["jobs"]["newest"]["steps"]
    assert newest[-2:] == [{"run": "make check\nrequirements/lock.sh\n"}, {"run": "make test"}]


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda lock: lock.name)
@pytest.mark.fault("P-02")
def test_everything_locked_has_a_version_and_hashes(lock: Path) -> None:
    """Every package of every lock is pinned to one version and to the hashes of its files, and installed by them."""
    entries = re.split(r"\n(?=\S)", lock.read_text("utf-8").strip())
    assert len(entries) > 5
    assert [
        entry
        for entry in entries
        if not re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", entry, re.DOTALL)
    ] == []
    installs = re.findall(r"-m pip .*install.*-r .*", (ROOT / "Makefile").read_text("utf-8"))
    assert all("--require-hashes" in line for line in installs)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_secrets_stay_away_from_other_peoples_code(file: Path) -> None:
    """Only jobs that never run for a pull request see a secret, and no workflow runs with the target's rights."""
    assert "pull_request_target" not in load(file)["on"]
    for job in load(file)["jobs"].values():
        if "secrets." in str(job):
            assert job["if"] == "github.event_name == 'schedule' || github.event_name == 'workflow_dispatch'"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_the_targets_of_make_exist(file: Path) -> None:
    """What a workflow asks make for, the Makefile has."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    asked = [target for step in steps(file) for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))]
    assert asked
    assert set(asked) <= set(targets)


def test_the_supported_pythons_are_tested() -> None:
    """CI tests every version of Python that the package says it supports."""
    supported = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert load(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"] == supported


def test_every_input_is_used_and_every_output_comes_from_the_check() -> None:
    """No input of the action is forgotten, none is used that it does not have, and outputs are those of the check."""
    action = load(ACTION_FILE)
    assert set(re.findall(r"inputs\.([a-z-]+)", str(action["runs"]))) == set(action["inputs"])
    for name, output in action["outputs"].items():
        assert output["value"] == f"${{{{ steps.check.outputs.{name} }}}}"
        assert f"{name}=" in step_of_action("Check the contract")["run"]


def test_the_key_is_in_the_environment_of_one_step() -> None:
    """The key is given to the check alone, under the name that the command reads."""
    holders = [
        (step["name"], name)
        for step in steps(ACTION_FILE)
        for name, value in step.get("env", {}).items()
        if "api-key" in value
    ]
    assert holders == [("Check the contract", "KKIAI_API_KEY")]


def test_the_workflows_give_the_action_inputs_that_it_has() -> None:
    """Where our workflows use the action, they use its inputs' names."""
    given = [set(step.get("with", {})) for file in WORKFLOWS for step in steps(file) if step.get("uses") == "./"]
    assert given
    assert set().union(*given) <= set(load(ACTION_FILE)["inputs"])


def test_the_documentation_names_every_input() -> None:
    """docs/ci.md lists the action's inputs and outputs, and its example uses inputs that exist."""
    action, text = load(ACTION_FILE), (ROOT / "docs" / "ci.md").read_text("utf-8")
    listed = {
        name for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`([a-z-]+)`", row)
    }
    assert listed == set(action["inputs"])
    assert all(f"`{name}`" in text for name in action["outputs"])
    example = YAML(typ="safe").load(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])
    assert set(example["jobs"]["contract"]["steps"][0]["with"]) <= set(action["inputs"])


def run(tmp_path: Path, step: str, program: str, **inputs: str) -> tuple[int, list[str], dict[str, str]]:
    """Run a step's script as the runner does, with a program that notes its arguments instead of the real one.

    Gives the exit code, the arguments, and the step's outputs.
    """
    script = step_of_action(step)
    folder = tmp_path / "kkiai-contract" / "bin"
    folder.mkdir(parents=True)
    noting = folder / program
    noting.write_text('#!/bin/sh\nprintf "%s\\0" "${KKIAI_API_KEY-unset}" "$@" >> "$NOTES"\nexit "${EXIT:-0}"\n')
    noting.chmod(0o755)
    notes, outputs = tmp_path / "notes", tmp_path / "outputs"
    outputs.touch()
    places = {"RUNNER_TEMP": tmp_path, "NOTES": notes, "GITHUB_OUTPUT": outputs, "GITHUB_ACTION_PATH": "/action"}
    environment = {"PATH": os.environ["PATH"], **{name: str(place) for name, place in places.items()}}
    environment |= {name: inputs.pop(name, "") for name in script["env"]} | inputs
    bash = shutil.which("bash")
    assert bash
    command = [bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", script["run"]]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    noted = notes.read_text().split("\0")[:-1] if notes.exists() else []
    return done.returncode, noted, dict(line.split("=", 1) for line in outputs.read_text().splitlines())


def check(tmp_path: Path, **inputs: str) -> tuple[int, list[str], dict[str, str]]:
    """Run the checking step with the defaults of the action's inputs."""
    return run(tmp_path, "Check the contract", "kkiai", **{"FAIL_ON": "breaking", "FUZZ": "false", **inputs})


def test_without_inputs_the_mock_is_checked(tmp_path: Path) -> None:
    """By default there is no URL, no key and no report."""
    assert check(tmp_path) == (0, ["unset", "contract", "--fail-on=breaking"], {"exit-code": "0"})


def test_inputs_become_arguments_as_they_are(tmp_path: Path) -> None:
    """Each input is one argument, whatever it contains, the key is none, and ids are split at white space."""
    nasty = 'x\'; $(touch hacked) `touch hacked` "$HOME" && touch hacked'
    code, noted, _ = check(
        tmp_path, BASE_URL=nasty, KKIAI_API_KEY="k e y", TASK_IDS=" a:1\n *\t--help ", FUZZ="true", HTML="-r p.html"
    )
    ids = ["--task-id=a:1", "--task-id=*", "--task-id=--help"]
    expected = ["contract", "--fail-on=breaking", f"--base-url={nasty}", *ids, "--fuzz", "--html=-r p.html"]
    assert (code, noted) == (0, ["k e y", *expected])
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_the_exit_code_and_the_reports_are_outputs(tmp_path: Path, code: int) -> None:
    """The step ends as the command did; reports that were written are named, others are not."""
    (tmp_path / "r.xml").touch()
    outputs = {"exit-code": str(code), "junit": "r.xml"}
    assert check(tmp_path, EXIT=str(code), JUNIT="r.xml", SARIF="none.sarif")[::2] == (code, outputs)


def test_a_wrong_fuzz_is_refused(tmp_path: Path) -> None:
    """An input that is neither true nor false is wrong usage, and nothing is run."""
    assert check(tmp_path, FUZZ="maybe") == (2, [], {})


@pytest.mark.parametrize(
    ("version", "source"),
    [
        ("", "/action[cli,mock,contract]"),
        ("1.2.0", "kkiai-sdk[cli,mock,contract]==1.2.0"),
        ("1; x", "kkiai-sdk[cli,mock,contract]==1; x"),
    ],
)
def test_the_asked_version_is_installed(tmp_path: Path, version: str, source: str) -> None:
    """A version names a release; none means the action's own commit. Either is one argument of pip."""
    python = tmp_path / "kkiai-contract" / "bin" / "python"
    code, noted, _ = run(tmp_path, "Install kkiai-sdk", "python", PYTHON=str(python), VERSION=version)
    pip = ["unset", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", source]
    assert (code, noted) == (0, ["unset", "-m", "venv", str(tmp_path / "kkiai-contract"), *pip])
