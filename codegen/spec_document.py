"""OpenAPI documents: reading from a file or a git revision, following ``$ref``, and line numbers of JSON pointers."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

SPEC_NAME = "openapi.yaml"
EVERY_TYPE = ["array", "boolean", "integer", "null", "number", "object", "string"]
# Keywords that do not constrain a value: a schema with these and `type: "null"` still allows null alone.
ANNOTATIONS = frozenset({"description", "title", "example", "examples", "deprecated", "$comment", "externalDocs"})
# Adding null to the type of a branch with one of these keywords would not make it nullable.
_NOT_WIDENED_BY_TYPE = frozenset({"$ref", "const", "allOf", "anyOf", "oneOf", "not", "if"})


class Absent(Enum):
    """The type of ``ABSENT``, for type checkers."""

    ABSENT = "absent"


#: Stands for the value of a member that does not exist.
ABSENT: Final = Absent.ABSENT


class SpecError(Exception):
    """An argument is not an OpenAPI document that can be compared. The message names the reason."""


@dataclass(frozen=True, slots=True)
class Place:
    """A value in a document and its JSON pointer (RFC 6901)."""

    value: Any
    pointer: str

    def at(self, key: str | int) -> Place:
        """Return the place of a member or item."""
        return Place(self.value[key], f"{self.pointer}/{escape(key)}")


@dataclass(frozen=True, slots=True)
class Joined(Place):
    """An object made of the members of several, each of which stays at its own place."""

    parts: tuple[Place, ...]

    def at(self, key: str | int) -> Place:
        """Return the place of a member in the first part that has it."""
        return next(part for part in self.parts if key in part.value).at(key)


@dataclass(frozen=True, slots=True)
class Members:
    """An object with its ``$ref`` resolved: members by name, and pointers of the objects that they come from."""

    sources: tuple[str, ...]
    of: dict[str, Place]

    def get(self, key: str) -> Place | None:
        """Return the place of a member, or None."""
        return self.of.get(key)

    def value(self, key: str, default: object = None) -> Any:
        """Return the value of a member, or the default."""
        place = self.of.get(key)
        return default if place is None else place.value


@dataclass(frozen=True, slots=True)
class Document:
    """An OpenAPI document. ``label`` names it in messages; ``lines`` maps JSON pointers to lines, counted from 1."""

    label: str
    root: Place
    lines: Mapping[str, int]

    def line_of(self, pointer: str) -> int:
        """Return the line of a pointer, or of its nearest ancestor with a known line."""
        while pointer and pointer not in self.lines:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer, 1)

    def open(self, place: Place, via: tuple[str, ...] = ()) -> Members | None:
        """Return the members of the object at a place, or None if the value is not an object.

        Members next to ``$ref`` override those of its target. The schema ``true`` has no members; ``false`` is read as
        ``{"not": {}}``. Raises ``SpecError`` for a ``$ref`` without a target.
        """
        if isinstance(place.value, bool):
            return Members((place.pointer,), {} if place.value else {"not": Place({}, place.pointer)})
        if not isinstance(place.value, dict):
            return None
        beside = {key: place.at(key) for key in place.value}
        if not _is_local(place.value.get("$ref")):
            return Members((place.pointer,), beside)
        if place.pointer in via:
            raise SpecError(f"{self.label}: the $ref at {place.pointer} refers to itself")
        target = self.open(self._find(beside.pop("$ref")), (*via, place.pointer))
        if target is None:
            return None
        sources = (place.pointer, *target.sources) if beside else target.sources
        return Members(sources, {**target.of, **beside})

    def without_null_branch(self, members: Members, keyword: str) -> Members:
        """Rewrite a schema whose ``keyword`` (anyOf, oneOf) has two branches, one of them null, to one with null in its
        type. Any other schema is returned unchanged.
        """
        branches = [self.open(place) for place in items(members.get(keyword))]
        others = [each for each in branches if each is not None and not _is_null(each)]
        if len(branches) != 2 or len(others) != 1:
            return members
        beside = {key: place for key, place in members.of.items() if key != keyword}
        branch = others[0]
        if (branch.of.keys() & beside.keys()) - ANNOTATIONS or branch.of.keys() & _NOT_WIDENED_BY_TYPE:
            return members
        return Members((*members.sources, *branch.sources), {**branch.of, **_with_null(branch), **beside})

    def without_all_of(self, members: Members) -> Members:
        """Rewrite a schema with the members of the branches of its ``allOf``, if that says the same: it has one
        branch and nothing besides, or all are open objects without a field in common. Else it is returned unchanged.
        """
        opened = [self.open(place) for place in items(members.get("allOf"))]
        branches = [self.without_all_of(each) for each in opened if each is not None]
        own = Members(members.sources, {key: place for key, place in members.of.items() if key != "allOf"})
        parts = [*branches, own]
        fields = [name for part in parts for name in part.value("properties", {})]
        are_objects = len(set(fields)) == len(fields) and all(_is_open_object(part) for part in parts)
        is_one = len(branches) == 1 and not own.of.keys() - ANNOTATIONS
        if len(branches) != len(opened) or not (is_one or are_objects):
            return members
        of = {key: place for part in parts for key, place in part.of.items()}
        if are_objects and fields:
            places = tuple(part.of["properties"] for part in parts if "properties" in part.of)
            of["properties"] = Joined(dict.fromkeys(fields), places[0].pointer, places)
        required = [name for part in parts for name in part.value("required", [])]
        if "required" in of:
            of["required"] = Place(required, of["required"].pointer)
        return Members(tuple(source for part in parts for source in part.sources), of)

    def _find(self, reference: Place) -> Place:
        found = self.root
        for step in reference.value[1:].split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            try:
                found = found.at(int(key) if isinstance(found.value, list) else key)
            except (KeyError, IndexError, TypeError, ValueError):
                raise SpecError(f"{self.label}: {reference.pointer} refers to missing {reference.value}") from None
        return found


def text_of(value: object) -> str:
    """Return a value as canonical ASCII JSON, or ``absent`` for ``ABSENT``. Equal values give equal texts."""
    return ABSENT.value if value is ABSENT else json.dumps(value, sort_keys=True)


def items(place: Place | None) -> list[Place]:
    """Return the places of the items of a list; empty if the value is not a list."""
    if place is None or not isinstance(place.value, list):
        return []
    return [place.at(index) for index in range(len(place.value))]


def read(argument: str, root: Path) -> Document:
    """Read a document from a file or, if there is none, from a git revision of the repository at ``root``.

    Raises ``SpecError`` if neither exists, or if it is not an OpenAPI 3 document.
    """
    try:
        if Path(argument).is_file():
            return parse(Path(argument).read_text("utf-8"), argument)
        return parse(_read_revision(argument, root).decode("utf-8"), f"{argument}:{SPEC_NAME}")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{argument} cannot be read: {error}") from error


def _read_revision(revision: str, root: Path) -> bytes:
    neither = f"{revision!r} is neither a file nor a git revision that contains {SPEC_NAME}."
    if not revision or revision.startswith("-"):  # git would take it for an option
        raise SpecError(neither)
    command = ["git", "-C", str(root), "cat-file", "blob", f"{revision}:./{SPEC_NAME}"]
    run = subprocess.run(command, capture_output=True, check=False)
    if run.returncode != 0:
        raise SpecError(f"{neither} {run.stderr.decode('utf-8', 'replace').strip()}")
    return run.stdout


def parse(text: str, label: str) -> Document:
    """Parse a document from YAML or JSON. Raises ``SpecError`` if it is not an OpenAPI 3 document."""
    try:
        loaded = YAML(typ="safe").load(text)
        tree = YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise SpecError(f"{label} is not YAML: {error}") from error
    lines: dict[str, int] = {}
    if tree is not None:
        _record_lines(tree, "", lines, ())
    return from_data(loaded, label, lines)


def from_data(loaded: object, label: str, lines: Mapping[str, int] | None = None) -> Document:
    """Make a document from parsed data. Raises ``SpecError`` if it is not an OpenAPI 3 document."""
    try:
        data = _to_json(loaded, label, ())
    except RecursionError:
        raise SpecError(f"{label} is nested too deeply") from None
    is_spec = isinstance(data, dict) and str(data.get("openapi", "")).startswith("3.")
    if not is_spec or not isinstance(data.get("paths"), dict) or not isinstance(data.get("info"), dict):
        raise SpecError(f"{label} is not an OpenAPI 3 document: it needs openapi: 3.x, info and paths")
    if not isinstance(data["info"].get("version"), str):
        raise SpecError(f"{label} has no version: info.version must be a string such as 1.2.0, in quotes if necessary")
    return Document(label, Place(data, ""), lines or {})


def _to_json(value: object, label: str, parents: tuple[int, ...]) -> Any:
    """Convert a YAML value to JSON types: keys and dates become strings, whole numbers integers."""
    if id(value) in parents:
        raise SpecError(f"{label} has an alias that contains itself")
    if isinstance(value, Mapping):
        return {_key(key): _to_json(each, label, (*parents, id(value))) for key, each in value.items()}
    if isinstance(value, list):
        return [_to_json(each, label, (*parents, id(value))) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | None) else str(value)


def _key(key: object) -> str:
    return key if isinstance(key, str) else json.dumps(key, default=str)


def _record_lines(node: Node, pointer: str, lines: dict[str, int], parents: tuple[int, ...]) -> None:
    """Record the line of a node, where its key starts if it has one, and those of its descendants."""
    lines.setdefault(pointer, node.start_mark.line + 1)
    if id(node) in parents:  # an alias that contains itself; from_data() refuses it
        return
    if isinstance(node, MappingNode):
        for key, child in node.value:
            lines.setdefault(f"{pointer}/{escape(key.value)}", key.start_mark.line + 1)
            _record_lines(child, f"{pointer}/{escape(key.value)}", lines, (*parents, id(node)))
    elif isinstance(node, SequenceNode):
        for index, child in enumerate(node.value):
            _record_lines(child, f"{pointer}/{index}", lines, (*parents, id(node)))


def escape(key: object) -> str:
    """Return a key as a step of a JSON pointer."""
    return str(key).replace("~", "~0").replace("/", "~1")


def _is_open_object(schema: Members) -> bool:
    keys = schema.of.keys() - ANNOTATIONS
    return keys <= {"type", "properties", "required"} and schema.value("type", "object") == "object"


def _is_local(reference: object) -> bool:
    return isinstance(reference, str) and (reference == "#" or reference.startswith("#/"))


def _is_null(branch: Members) -> bool:
    return branch.value("type") in ("null", ["null"]) and branch.of.keys() - ANNOTATIONS == {"type"}


def _with_null(branch: Members) -> dict[str, Place]:
    """Return the members of a branch that differ once null is allowed."""
    changed: dict[str, Place] = {}
    types = branch.get("type")
    if types is not None:
        listed = types.value if isinstance(types.value, list) else [types.value]
        changed["type"] = Place(sorted({*map(str, listed), "null"}), types.pointer)
    enum = branch.get("enum")
    if enum is not None and isinstance(enum.value, list):
        changed["enum"] = Place([*enum.value, None], enum.pointer)
    return changed
