"""The spec as a document: found, read, and each part of it with its line."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk import ConfigurationError
from kkiai_sdk.contract import _spec
from kkiai_sdk.contract._spec import Spec, pointer

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
def test_pointer_leads_to_the_line_of_its_part(spec: Spec, address: str, line: str) -> None:
    """The line of a part is the one in which its name or its list item stands."""
    assert spec.text.splitlines()[spec.line_of(address) - 1].strip().startswith(line)


def test_pointer_to_nothing_leads_to_the_part_around_it(spec: Spec) -> None:
    """A part that is not there has the line of the nearest part around it."""
    assert spec.line_of(f"{QUERY}/responses/418/content") == spec.line_of(f"{QUERY}/responses")


@pytest.mark.parametrize(("steps", "value"), [(("paths", "/v1/a~b", 1), 7), ((), None), (("",), 8)])
def test_pointer_with_escapes_leads_to_its_value(steps: tuple[str | int, ...], value: int | None) -> None:
    """Slashes, tildes and empty names are kept in a pointer."""
    spec = Spec('{paths: {"/v1/a~b": [6, 7]}, "": 8}')
    assert spec.at(pointer(*steps)).value == (spec.document if value is None else value)


def test_reference_leads_to_the_address_of_its_target(spec: Spec) -> None:
    """A part behind references has the address at which it is written."""
    schema = spec.at(f"{QUERY}/responses/200/content/application~1json/schema")
    assert schema.address == "/components/schemas/VideoTask"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [", "is not valid YAML"),
        ("a: 1\na: 2", "duplicate key"),
        ("- a", "is not an OpenAPI document"),
        ("paths: {/a: {get: {$ref: other.yaml#/a}}}", "only references within the document"),
        ("paths: {/a: {get: {$ref: '#/nowhere'}}}", "has nothing at /nowhere"),
    ],
)
def test_spec_that_cannot_be_used_is_named(text: str, complaint: str) -> None:
    """A fault of a document is a ConfigurationError that names it."""
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        Spec(text, "mine.yaml").operation("GET", "/a")
    assert "mine.yaml" in str(caught.value)


def test_spec_file_that_is_missing_is_named(tmp_path: Path) -> None:
    """A spec that cannot be opened is a ConfigurationError that names the file."""
    with pytest.raises(ConfigurationError, match=r"nosuch\.yaml' cannot be read"):
        _spec.load(tmp_path / "nosuch.yaml")


def test_status_that_is_a_number_is_read_as_text() -> None:
    """Statuses that are numbers in YAML are found like those that are text."""
    spec = Spec("paths: {/a: {get: {responses: {200: {description: x}}}}}")
    assert spec.children(spec.operation("GET", "/a"), "responses").keys() == {"200"}


def test_words_of_old_yaml_are_read_as_text() -> None:
    """The document is YAML 1.2: ``NO`` is a country and ``on`` a name, not a boolean."""
    assert Spec("{on: [NO, yes, 010]}").document == {"on": ["NO", "yes", 10]}


def test_part_of_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, the check says what to install."""
    monkeypatch.setitem(sys.modules, "ruamel.yaml", None)
    with pytest.raises(ConfigurationError, match=r'pip install "kkiai-sdk\[contract\]"'):
        _ = Spec("a: 1").document


def test_importing_the_check_loads_nothing_of_the_extra() -> None:
    """The modules of the check load nothing of the extra before it is used."""
    program = (
        "import sys, kkiai_sdk.contract, kkiai_sdk.contract._fuzz as fuzz\n"
        "heavy = {'ruamel.yaml', 'yaml', 'schemathesis', 'jsonschema_rs', 'httpx', 'requests', 'hypothesis'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
    )
    assert done.stdout.strip() == "[]"
