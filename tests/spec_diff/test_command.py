"""The spec_diff command: its output and its exit codes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

import pytest

from codegen.spec_diff import main, next_version, version_allows_breaking
from codegen.spec_rules import Level
from tests.spec_diff.cases import ROOT

if TYPE_CHECKING:
    from pathlib import Path


class Write(Protocol):
    """Writes a spec with some words replaced and gives the file's name."""

    def __call__(self, *replacements: tuple[str, str], name: str = ...) -> str:
        """Do it."""


SPEC = (ROOT / "openapi.yaml").read_text("utf-8")
BREAKING = ("maxLength: 256", "maxLength: 200")
ADDITIVE = ("maxLength: 256", "maxLength: 300")
HARMLESS = ("summary: Query Task", "summary: Ask for a task")
RAISED = ("version: 0.1.0", "version: 0.2.0")
PATCHED = ("version: 0.1.0", "version: 0.1.1")


@pytest.fixture
def spec(tmp_path: Path) -> Write:
    """Writes the project's spec, with some words replaced, and gives the file's name."""

    def write(*replacements: tuple[str, str], name: str = "head.yaml") -> str:
        text = SPEC
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / name).write_text(text, "utf-8")
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize(
    ("replacements", "code", "summary"),
    [
        ([HARMLESS], 0, "1 change: 0 breaking, 0 additive, 1 harmless"),
        ([ADDITIVE], 0, "1 change: 0 breaking, 1 additive, 0 harmless"),
        ([BREAKING], 1, "1 change: 1 breaking, 0 additive, 0 harmless; undo it, or raise info.version"),
        ([BREAKING, PATCHED], 1, "2 changes: 1 breaking, 0 additive, 1 harmless; undo it, or raise info.version"),
        ([BREAKING, RAISED], 0, "2 changes: 1 breaking, 0 additive, 1 harmless; version 0.1.0 -> 0.2.0 allows it"),
    ],
)
def test_a_breaking_change_needs_a_raised_version(
    spec: Write,
    capsys: pytest.CaptureFixture[str],
    replacements: list[tuple[str, str]],
    code: int,
    summary: str,
) -> None:
    """The exit code is 1 if a change breaks and the version does not say so; the last line sums up."""
    assert main([spec(name="base.yaml"), spec(*replacements)]) == code
    assert capsys.readouterr().out.splitlines()[-1].startswith(summary)


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ("0.1.0", "0.2.0", True),
        ("0.9.0", "0.10.0", True),
        ("0.9.3", "1.0.0", True),
        ("1.9.0", "2.0.0", True),
        ("0.1.0", "0.1.9", False),
        ("1.1.0", "1.2.0", False),
        ("0.2.0", "0.1.0", False),
        ("2.0.0", "1.9.0", False),
        ("1.0.0", "0.9.0", False),
        ("0.1.0", "next", False),
        ("one", "2.0.0", False),
    ],
)
def test_higher_major_version_allows_breaking_changes(before: str, after: str, allowed: bool) -> None:  # noqa: FBT001 - a table's column
    """A higher major version allows breaking changes, below 1.0 a higher minor one; nothing else does."""
    assert version_allows_breaking(before, after) is allowed


@pytest.mark.parametrize(
    ("before", "worst", "after"),
    [
        ("1.2.3", Level.BREAKING, "2.0.0"),
        ("1.2.3", Level.ADDITIVE, "1.3.0"),
        ("1.2.3", Level.HARMLESS, "1.2.4"),
        ("0.2.3", Level.BREAKING, "0.3.0"),
        ("0.2.3", Level.ADDITIVE, "0.2.4"),
        ("0.2.3", Level.HARMLESS, "0.2.4"),
        ("next", Level.BREAKING, None),
    ],
)
def test_next_version_follows_from_the_worst_change(before: str, worst: Level, after: str | None) -> None:
    """A breaking change asks for a higher major number, an additive one for a minor, as SemVer has it below 1.0 too."""
    assert next_version(before, worst) == after


def test_grown_spec_is_compatible_and_named_by_its_next_version(capsys: pytest.CaptureFixture[str]) -> None:
    """A spec that grew in all the ways that break nobody is compatible, and its version is the next; not so back."""
    grown = ROOT / "contract_tests" / "grown"
    assert main([str(grown / "videos.yaml"), str(grown / "videos.next.yaml")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert (
        said[-1] == "19 changes: 0 breaking, 8 additive, 11 harmless; according to SemVer, 1.0.0 is followed by 1.1.0"
    )
    assert main([str(grown / "videos.next.yaml"), str(grown / "videos.yaml")]) == 1
    assert capsys.readouterr().out.splitlines()[-1].endswith("; according to SemVer, 1.1.0 is followed by 2.0.0")


def test_output_line_has_all_parts_in_ascii(spec: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """A line holds level, change, pointer, file, line, both values and the rule, in ASCII without colors."""
    base, head = spec(name="base.yaml"), spec(BREAKING)
    main([base, head])
    line = next(number for number, text in enumerate(SPEC.splitlines(), 1) if "maxLength: 256" in text)
    assert capsys.readouterr().out.splitlines()[0] == (
        "breaking: maxLength narrowed in what callers send"
        f" at /paths/~1v1~1video~1query/get/parameters/0/schema/maxLength ({head}:{line})"
        ": 256 -> 200 [request-max-length-narrowed]"
    )


def test_removal_is_shown_at_its_old_line(spec: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """A removal has no line in the new file, so the old one's is given."""
    base, head = spec(name="base.yaml"), spec(("            maxLength: 256\n", ""))
    assert main([base, head]) == 0
    line = next(number for number, text in enumerate(SPEC.splitlines(), 1) if "maxLength: 256" in text)
    assert f"({base}:{line}): 256 -> absent" in capsys.readouterr().out


def test_an_unclassified_change_is_named_so(spec: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """A change that no rule knows is breaking, with its pointer."""
    assert main([spec(name="base.yaml"), spec(("minLength: 1\n", "minLength: 1\n            moon: full\n"))]) == 1
    pointer = "/paths/~1v1~1video~1query/get/parameters/0/schema/moon"
    assert capsys.readouterr().out.startswith(f"breaking: unclassified change at {pointer} (")


def test_json_output_is_one_object_per_line(spec: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json every line is an object with all that is known, worst first, and there is no summary."""
    main(["--json", spec(name="base.yaml"), spec(BREAKING, HARMLESS)])
    changes = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [change["rule"] for change in changes] == ["request-max-length-narrowed", "note-changed"]
    assert set(changes[0]) == {"level", "rule", "why", "pointer", "file", "line", "from", "to"}
    assert (changes[0]["level"], changes[0]["from"], changes[0]["to"]) == ("breaking", 256, 200)


def test_text_of_a_spec_cannot_control_the_terminal(spec: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a spec contains, output is printable ASCII, one line per change."""
    hostile = ("summary: Query Task", 'summary: "\\e[31m\\r\\u202e\\nok"\n      "x-\\e\\u202e\\n": 1')
    main([spec(name="base.yaml"), spec(hostile)])
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert out.isascii()
    assert len(out.splitlines()) == 3


def script(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script of a copy of the project."""
    command = [sys.executable, "codegen/spec_diff.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with the script and the spec in a folder, and the spec committed as `v1`."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "codegen", folder / "codegen", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "openapi.yaml").write_text(SPEC, "utf-8")
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    for command in (["init", "-q"], ["add", "project/openapi.yaml"], ["commit", "-q", "-m", "spec"], ["tag", "v1"]):
        subprocess.run(["git", *who, *command], cwd=tmp_path, env=environment, check=True)
    return folder


def test_the_working_tree_is_compared_with_a_revision(repository: Path) -> None:
    """With one argument, the spec as it is now is compared with a git revision; equal ones print nothing."""
    same = script(repository, "v1")
    assert (same.returncode, same.stdout, same.stderr) == (0, "", "")
    (repository / "openapi.yaml").write_text(SPEC.replace(*BREAKING), "utf-8")
    broken = script(repository, "v1")
    assert (broken.returncode, broken.stderr) == (1, "")
    assert "(openapi.yaml:" in broken.stdout
    back = script(repository, "openapi.yaml", "HEAD")
    assert (back.returncode, "(HEAD:openapi.yaml:" in back.stdout) == (0, True)


@pytest.mark.parametrize(
    "arguments", [["v2"], ["--output=x"], [""], ["v1", "nowhere"], ["v1:../codegen"], [], ["codegen"]]
)
def test_missing_revision_or_file_exits_with_2(repository: Path, arguments: list[str]) -> None:
    """A revision or file that is not there, and a wrong usage, are said on stderr, without a traceback."""
    run = script(repository, *arguments)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr
    assert "Traceback" not in run.stderr


def test_file_that_is_no_spec_exits_with_2(repository: Path) -> None:
    """A file that is no spec is named, with what it lacks."""
    (repository / "other.yaml").write_text("a: 1\n")
    (repository / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name, says in {"other.yaml": "'openapi' is a required property", "binary.yaml": "cannot be read"}.items():
        run = script(repository, "v1", name)
        assert run.returncode == 2
        assert name in run.stderr
        assert says in run.stderr
