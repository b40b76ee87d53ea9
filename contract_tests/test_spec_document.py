"""The spec as a document: found, read, and every part of it with its line."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import ConfigurationError
from kkiai_sdk.contract import _spec
from kkiai_sdk.contract._spec import Spec, steps_of
from kkiai_sdk.contract._yaml import pointer

if TYPE_CHECKING:
    from pathlib import Path

QUERY = "/paths/~1v1~1video~1query/get"


@pytest.mark.parametrize(
    ("address", "line"),
    [
        (f"{QUERY}/responses/401", '"401":'),
        (f"{QUERY}/parameters/0", "- name: id"),
        (f"{QUERY}/parameters/1/schema/type", "type: string"),
        ("/components/schemas/VideoTask/properties/status", "status:"),
        ("/components/schemas/VideoTask/required", "required: [id,"),
        ("/components/headers/Challenge", "Challenge:"),
    ],
)
def test_a_pointer_leads_to_its_line(spec: Spec, address: str, line: str) -> None:
    """The line of a part is the one in which its name or its list item stands."""
    assert spec.text.splitlines()[spec.line_of(address) - 1].strip().startswith(line)


def test_a_pointer_to_nothing_leads_to_what_is_around_it(spec: Spec) -> None:
    """A part that is not there has the line of the nearest part around it."""
    assert spec.line_of(f"{QUERY}/responses/418/content") == spec.line_of(f"{QUERY}/responses")


@pytest.mark.parametrize("steps", [("paths", "/v1/a~b", 0), (), ("",)])
def test_pointers_are_taken_apart_as_they_were_made(steps: tuple[str | int, ...]) -> None:
    """Slashes and tildes in names survive in a pointer."""
    assert steps_of(pointer(*steps)) == [str(step) for step in steps]


def test_references_are_followed_to_where_they_lead(spec: Spec) -> None:
    """A part behind references has the address at which it is written."""
    schema = spec.at(f"{QUERY}/responses/200/content/application~1json/schema")
    assert schema.address == "/components/schemas/VideoTask"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [", "is not YAML"),
        ("- a", "is not an OpenAPI document"),
        ("paths: {/a: {get: {$ref: other.yaml#/a}}}", "only references within it"),
        ("paths: {/a: {get: {$ref: '#/nowhere'}}}", "has nothing at /nowhere"),
    ],
)
def test_a_spec_that_cannot_be_used_is_named(text: str, complaint: str) -> None:
    """What is wrong with a document is a ConfigurationError that names it."""
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        _ = Spec(text, "mine.yaml").operations
    assert "mine.yaml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A spec that cannot be opened is a ConfigurationError that names the file."""
    with pytest.raises(ConfigurationError, match=r"nosuch\.yaml' cannot be read"):
        _spec.load(tmp_path / "nosuch.yaml")


def test_status_keys_are_text() -> None:
    """Statuses that are numbers in YAML are found like those that are text."""
    spec = Spec("paths: {/a: {get: {responses: {200: {description: x}}}}}")
    assert dict(spec.children(spec.operations[0].node, "responses")).keys() == {"200"}


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, the check says what to install."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigurationError, match=r'pip install "kkiai-sdk\[contract\]"'):
        _ = Spec("a: 1").document


def test_importing_loads_nothing_of_the_extra() -> None:
    """The modules of the check load neither PyYAML nor schemathesis nor jsonschema-rs before they are used."""
    program = (
        "import sys, kkiai_sdk.contract, kkiai_sdk.contract._fuzz as fuzz\n"
        "print(sorted({'yaml', 'schemathesis', 'jsonschema_rs', 'httpx', 'requests', 'hypothesis'} & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
    )
    assert told.stdout.strip() == "[]"
