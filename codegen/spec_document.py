"""An OpenAPI document as data: read from a file or a git revision, with its ``$ref`` followed and its lines known."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

SPEC_NAME = "openapi.yaml"
EVERY_TYPE = ["array", "boolean", "integer", "null", "number", "object", "string"]
# Words that say nothing about a value: beside them a lone `type: "null"` is still nothing but null.
ANNOTATIONS = frozenset({"description", "title", "example", "examples", "deprecated", "$comment", "externalDocs"})
# A branch that holds one of these would not mean the same with null added to its type.
_NOT_WIDENED_BY_TYPE = frozenset({"$ref", "const", "allOf", "anyOf", "oneOf", "not", "if"})


class SpecError(Exception):
    """What was given cannot be compared; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A value and the JSON pointer (RFC 6901) where it is written."""

    value: Any
    pointer: str

    def at(self, key: str | int) -> Place:
        """The place one step further in."""
        step = str(key).replace("~", "~0").replace("/", "~1")
        return Place(self.value[key], f"{self.pointer}/{step}")


@dataclass(frozen=True, slots=True)
class Members:
    """An object with its ``$ref`` followed: its members by name, and the pointers of the objects it was made of."""

    sources: tuple[str, ...]
    of: dict[str, Place]

    def get(self, key: str) -> Place | None:
        """The member of this name, or None."""
        return self.of.get(key)

    def value(self, key: str, default: object = None) -> Any:
        """The value of the member of this name, or the default."""
        place = self.of.get(key)
        return default if place is None else place.value


@dataclass(frozen=True, slots=True)
class Document:
    """An OpenAPI document. ``label`` is how messages call it; ``lines`` gives the line (from 1) of a JSON pointer."""

    label: str
    root: Place
    lines: Mapping[str, int]

    def line_of(self, pointer: str) -> int:
        """The line where a pointer lies, or where the nearest thing around it does."""
        while pointer and pointer not in self.lines:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer, 1)

    def open(self, place: Place, via: tuple[str, ...] = ()) -> Members | None:
        """The members at a place, or None if nothing that has members lies there.

        What stands beside a ``$ref`` overrides what it refers to. A schema that is true says nothing, so it has no
        members; one that is false is one that nothing fits. Raises ``SpecError`` for a ``$ref`` that leads nowhere.
        """
        if isinstance(place.value, bool):
            return Members((place.pointer,), {} if place.value else {"not": Place({}, place.pointer)})
        if not isinstance(place.value, dict):
            return None
        beside = {key: place.at(key) for key in place.value}
        if not _is_local(place.value.get("$ref")):
            return Members((place.pointer,), beside)
        if place.pointer in via:
            raise SpecError(f"{self.label}: the $ref at {place.pointer} leads back to itself")
        target = self.open(self._find(beside.pop("$ref")), (*via, place.pointer))
        if target is None:
            return None
        sources = (place.pointer, *target.sources) if beside else target.sources
        return Members(sources, {**target.of, **beside})

    def without_null(self, members: Members, word: str) -> Members:
        """A schema whose ``word`` (anyOf, oneOf) has two branches, one of them null, as one with null in its type.

        Any other schema is given back as it is.
        """
        branches = [self.open(place) for place in items(members.get(word))]
        others = [each for each in branches if each is not None and not _is_null(each)]
        if len(branches) != 2 or len(others) != 1:
            return members
        beside = {key: place for key, place in members.of.items() if key != word}
        branch = others[0]
        if (branch.of.keys() & beside.keys()) - ANNOTATIONS or branch.of.keys() & _NOT_WIDENED_BY_TYPE:
            return members
        return Members((*members.sources, *branch.sources), {**branch.of, **_with_null(branch), **beside})

    def _find(self, reference: Place) -> Place:
        found = self.root
        for step in reference.value[1:].split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            try:
                found = found.at(int(key) if isinstance(found.value, list) else key)
            except (KeyError, IndexError, TypeError, ValueError):
                message = f"{self.label}: {reference.pointer} refers to {reference.value}, which is not there"
                raise SpecError(message) from None
        return found


def text_of(value: object) -> str:
    """A value as canonical ASCII JSON: equal for equal values, whatever the order of keys."""
    return json.dumps(value, sort_keys=True)


def items(place: Place | None) -> list[Place]:
    """The places of a list's items; none if there is no list."""
    if place is None or not isinstance(place.value, list):
        return []
    return [place.at(index) for index in range(len(place.value))]


def read(argument: str, root: Path) -> Document:
    """Read a document from a file, or else from the git revision of that name in the repository at ``root``.

    Raises ``SpecError`` if neither holds an OpenAPI 3 document.
    """
    try:
        if Path(argument).is_file():
            return parse(Path(argument).read_text("utf-8"), argument)
        return parse(_blob(argument, root).decode("utf-8"), f"{argument}:{SPEC_NAME}")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{argument} cannot be read: {error}") from error


def _blob(revision: str, root: Path) -> bytes:
    # A revision may not begin with a hyphen, so nothing that is given here can be taken for an option of git.
    command = ["git", "-C", str(root), "cat-file", "blob", f"{revision}:./{SPEC_NAME}"]
    run = (
        None if revision.startswith("-") or not revision else subprocess.run(command, capture_output=True, check=False)
    )
    if run is None or run.returncode != 0:
        said = "" if run is None else run.stderr.decode("utf-8", "replace").strip()
        raise SpecError(f"{revision!r} is neither a file nor a git revision that holds {SPEC_NAME}. {said}".rstrip())
    return run.stdout


def parse(text: str, label: str) -> Document:
    """Read a document from YAML or JSON text. Raises ``SpecError`` if it is not an OpenAPI 3 document."""
    try:
        loaded = YAML(typ="safe").load(text)
        tree = YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise SpecError(f"{label} is not YAML: {error}") from error
    lines: dict[str, int] = {}
    if tree is not None:
        _note_lines(tree, "", lines, ())
    return from_data(loaded, label, lines)


def from_data(loaded: object, label: str, lines: Mapping[str, int] | None = None) -> Document:
    """A document of data that was read already. Raises ``SpecError`` if it is not an OpenAPI 3 document."""
    try:
        data = _plain(loaded, label, ())
    except RecursionError:
        raise SpecError(f"{label} is nested too deeply") from None
    is_spec = isinstance(data, dict) and str(data.get("openapi", "")).startswith("3.")
    if not is_spec or not isinstance(data.get("paths"), dict) or not isinstance(data.get("info"), dict):
        raise SpecError(f"{label} is not an OpenAPI 3 document: it needs openapi: 3.x, info and paths")
    if not isinstance(data["info"].get("version"), str):
        raise SpecError(f"{label} has no version: info.version must be text such as 1.2.0, in quotes if need be")
    return Document(label, Place(data, ""), lines or {})


def _plain(value: object, label: str, around: tuple[int, ...]) -> Any:
    """The value in JSON's own types: keys are text, whole numbers integers, dates text."""
    if id(value) in around:
        raise SpecError(f"{label} has an alias that contains itself")
    if isinstance(value, Mapping):
        return {_key(key): _plain(each, label, (*around, id(value))) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, label, (*around, id(value))) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | None) else str(value)


def _key(key: object) -> str:
    return key if isinstance(key, str) else json.dumps(key, default=str)


def _note_lines(node: Node, pointer: str, lines: dict[str, int], around: tuple[int, ...]) -> None:
    lines.setdefault(pointer, node.start_mark.line + 1)
    if id(node) in around:  # an alias that contains itself: refused when the data is looked at
        return
    for step, start, child in _children(node):
        below = f"{pointer}/{step}"
        lines.setdefault(below, start.start_mark.line + 1)
        _note_lines(child, below, lines, (*around, id(node)))


def _children(node: Node) -> Iterable[tuple[str, Node, Node]]:
    """Each child with its step of the pointer and the node where it starts, which for a member is its key."""
    if isinstance(node, MappingNode):
        for key, child in node.value:
            yield str(key.value).replace("~", "~0").replace("/", "~1"), key, child
    elif isinstance(node, SequenceNode):
        for index, child in enumerate(node.value):
            yield str(index), child, child


def _is_local(reference: object) -> bool:
    return isinstance(reference, str) and (reference == "#" or reference.startswith("#/"))


def _is_null(branch: Members) -> bool:
    return branch.value("type") in ("null", ["null"]) and branch.of.keys() - ANNOTATIONS == {"type"}


def _with_null(branch: Members) -> dict[str, Place]:
    """The members of a branch that change when null is allowed too."""
    changed: dict[str, Place] = {}
    types = branch.get("type")
    if types is not None:
        listed = types.value if isinstance(types.value, list) else [types.value]
        changed["type"] = Place(sorted({*map(str, listed), "null"}), types.pointer)
    words = branch.get("enum")
    if words is not None and isinstance(words.value, list):
        changed["enum"] = Place([*words.value, None], words.pointer)
    return changed
