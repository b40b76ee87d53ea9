"""OpenAPI documents as versions are compared: from a file or a git revision, validated, with ``$ref`` followed."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kkiai_sdk import ConfigurationError
from kkiai_sdk.contract._spec import Spec, pointer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jsonschema import Draft202012Validator

SPEC_NAME = "openapi.yaml"
EVERY_TYPE = ["array", "boolean", "integer", "null", "number", "object", "string"]
# Keywords that do not constrain a value: a schema with these and `type: "null"` still allows null alone.
ANNOTATIONS = frozenset({"description", "title", "example", "examples", "deprecated", "$comment", "externalDocs"})
# Adding null to the type of a branch with one of these keywords would not make it nullable.
_NOT_WIDENED_BY_TYPE = frozenset({"$ref", "const", "allOf", "anyOf", "oneOf", "not", "if"})


#: Stands for the value of a member that does not exist.
ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Place:
    """A value in a document and its JSON pointer (RFC 6901)."""

    value: Any
    pointer: str

    def at(self, key: str | int) -> Place:
        """Return the place of a member or item."""
        return Place(self.value[key], self.pointer + pointer(key))


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

    def where(self, pointer: str) -> str:
        """Return a pointer with the file and the line, for messages."""
        return f"{pointer or '/'} ({self.label}:{self.line_of(pointer)})"

    def open(self, place: Place, via: tuple[str, ...] = ()) -> Members:
        """Return the members of the object at a place.

        Members next to ``$ref`` override those of its target. The schema ``true`` has no members; ``false`` is read as
        ``{"not": {}}``. Raises ``ConfigurationError`` for a ``$ref`` without a target.
        """
        if isinstance(place.value, bool):
            return Members((place.pointer,), {} if place.value else {"not": Place({}, place.pointer)})
        beside = {key: place.at(key) for key in place.value}
        if "$ref" not in beside:
            return Members((place.pointer,), beside)
        if place.pointer in via:
            raise ConfigurationError(f"{self.label}: the $ref at {place.pointer} refers to itself")
        target = self.open(self._find(beside.pop("$ref")), (*via, place.pointer))
        sources = (place.pointer, *target.sources) if beside else target.sources
        return Members(sources, {**target.of, **beside})

    def without_null_branch(self, members: Members, keyword: str) -> Members:
        """Rewrite a schema whose ``keyword`` (anyOf, oneOf) has two branches, one of them null, to one with null in its
        type. Any other schema is returned unchanged.
        """
        branches = [self.open(place) for place in items(members.get(keyword))]
        others = [each for each in branches if not _is_null(each)]
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
        branches = [self.without_all_of(self.open(place)) for place in items(members.get("allOf"))]
        own = Members(members.sources, {key: place for key, place in members.of.items() if key != "allOf"})
        parts = [*branches, own]
        fields = [name for part in parts for name in part.value("properties", {})]
        are_objects = len(set(fields)) == len(fields) and all(_is_open_object(part) for part in parts)
        is_one = len(branches) == 1 and not own.of.keys() - ANNOTATIONS
        if not (is_one or are_objects):
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
        try:
            for step in reference.value.removeprefix("#/").split("/"):
                key = step.replace("~1", "/").replace("~0", "~")
                found = found.at(int(key) if isinstance(found.value, list) else key)
            if isinstance(found.value, dict | bool):
                return found
        except (LookupError, TypeError, ValueError):
            pass
        raise ConfigurationError(f"{self.label}: {reference.pointer} refers to missing {reference.value}")


def text_of(value: object) -> str:
    """Return a value as canonical ASCII JSON, or ``absent`` for ``ABSENT``. Equal values give equal texts."""
    return "absent" if value is ABSENT else json.dumps(value, sort_keys=True)


def items(place: Place | None) -> list[Place]:
    """Return the places of the items of a list; empty if there is none."""
    return [] if place is None else [place.at(index) for index in range(len(place.value))]


def read(argument: str, root: Path) -> Document:
    """Read a document from a file or, if there is none, from a git revision of the repository at ``root``.

    Raises ``ConfigurationError`` if neither exists, or if it is not a valid document.
    """
    try:
        if Path(argument).is_file():
            return parse(Path(argument).read_text("utf-8"), argument)
        return parse(_read_revision(argument, root).decode("utf-8"), f"{argument}:{SPEC_NAME}")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{argument} cannot be read: {error}") from error


def _read_revision(revision: str, root: Path) -> bytes:
    neither = f"{revision!r} is neither a file nor a git revision that contains {SPEC_NAME}."
    if not revision or revision.startswith("-"):  # git would take it for an option
        raise ConfigurationError(neither)
    command = ["git", "-C", str(root), "cat-file", "blob", f"{revision}:./{SPEC_NAME}"]
    run = subprocess.run(command, capture_output=True, check=False)
    if run.returncode != 0:
        raise ConfigurationError(f"{neither} {run.stderr.decode('utf-8', 'replace').strip()}")
    return run.stdout


def parse(text: str, label: str) -> Document:
    """Parse a document from YAML or JSON; 3.0 is read as 3.1. Raises ``ConfigurationError`` if it is not valid."""
    spec = Spec(text, label)
    return validated(Document(label, Place(spec.document, ""), spec.lines))


def validated(document: Document) -> Document:
    """Return a valid document. Raises ``ConfigurationError`` for any other."""
    from jsonschema.exceptions import best_match  # noqa: PLC0415 - it takes two seconds

    try:
        found = next(_validator().iter_errors(document.root.value), None)
    except RecursionError:
        raise ConfigurationError(f"{document.label} is nested too deeply") from None
    if found is None:
        return document
    found = best_match(found.context or []) or found
    reason, place = found.message.splitlines()[0], document.where(pointer(*found.absolute_path))
    raise ConfigurationError(f"{document.label} is not a valid OpenAPI document: {reason:.200} at {place}")


@cache
def _validator() -> Draft202012Validator:
    """Return a validator for the schema of OpenAPI 3.1, with that of JSON Schema for the schemas inside."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - as above
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped] # noqa: PLC0415
    from openapi_spec_validator import OpenAPIV31SpecValidator  # noqa: PLC0415
    from referencing import Resource  # noqa: PLC0415

    openapi = {**OpenAPIV31SpecValidator.schema_validator.schema}
    draft = Draft202012Validator.META_SCHEMA["$id"]
    schema = {"$dynamicAnchor": "meta", "$ref": draft}
    whole = {"$schema": draft, "$id": "urn:openapi", "$ref": openapi["$id"], "$defs": {"schema": schema}}
    both = [(each["$id"], Resource.from_contents(each)) for each in (openapi, whole)]
    return Draft202012Validator({"$ref": "urn:openapi"}, registry=REGISTRY.with_resources(both))


def _is_open_object(schema: Members) -> bool:
    keys = schema.of.keys() - ANNOTATIONS
    return keys <= {"type", "properties", "required"} and schema.value("type", "object") == "object"


def _is_null(branch: Members) -> bool:
    return branch.value("type") in ("null", ["null"]) and branch.of.keys() - ANNOTATIONS == {"type"}


def _with_null(branch: Members) -> dict[str, Place]:
    """Return the members of a branch that differ once null is allowed."""
    changed: dict[str, Place] = {}
    types = branch.get("type")
    if types is not None:
        listed = types.value if isinstance(types.value, list) else [types.value]
        changed["type"] = Place(sorted({*listed, "null"}), types.pointer)
    enum = branch.get("enum")
    if enum is not None:
        changed["enum"] = Place([*enum.value, None], enum.pointer)
    return changed
