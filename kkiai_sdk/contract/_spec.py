"""The spec as a document with addresses: what stands at a JSON pointer, and in which line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from attrs import field, frozen

from kkiai_sdk import ConfigurationError

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
#: Beside the package in a wheel, beside the folder of the package in a checkout.
PLACES = (Path(__file__).parents[1] / "openapi.yaml", Path(__file__).parents[2] / "openapi.yaml")


def need(module: str) -> Any:
    """A module of the extra ``contract``. Raises ConfigurationError, which says what to install, when it is missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'the contract check needs {error.name}, which is not installed: pip install "kkiai-sdk[contract]"'
        ) from error


def pointer(*steps: str | int) -> str:
    """The JSON pointer (RFC 6901) that takes these steps from the root."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def steps_of(address: str) -> list[str]:
    """The steps that a JSON pointer takes."""
    return [step.replace("~1", "/").replace("~0", "~") for step in address.split("/")[1:]]


@frozen
class Node:
    """A part of the spec, and the JSON pointer to it. References are followed: the pointer is where it is written."""

    address: str
    value: Any = field(repr=False)


@frozen
class Operation:
    """One method of one path."""

    method: str
    path: str
    node: Node

    def matches(self, method: str, path: str) -> bool:
        """Whether a request with this method and this escaped path is meant for it."""
        pattern = re.sub(r"\\\{[^/}]+\\\}", "[^/]+", re.escape(self.path))
        return method == self.method and re.fullmatch(pattern, path) is not None


@frozen(eq=False)
class Spec:
    """An OpenAPI 3.1 document in YAML.

    :param text: the document.
    :param name: what it is called in messages.
    :raises ConfigurationError: it is not a mapping in YAML.
    """

    text: str = field(repr=False)
    name: str = "openapi.yaml"
    _validators: dict[str, Any] = field(factory=dict, init=False, repr=False)

    @cached_property
    def document(self) -> dict[str, Any]:
        """The document as plain values; keys are text, as in JSON."""
        yaml = need("yaml")
        try:
            found = _with_text_keys(yaml.safe_load(self.text))
        except yaml.YAMLError as error:
            raise ConfigurationError(f"{self.name} is not YAML: {error}") from None
        if not isinstance(found, dict):
            raise ConfigurationError(f"{self.name} is not an OpenAPI document: its root is not a mapping")
        return found

    @cached_property
    def _lines(self) -> dict[str, int]:
        return dict(_lines_of(need("yaml").compose(self.text), ""))

    def line_of(self, address: str) -> int:
        """The line, from 1, in which the part at a JSON pointer begins; else the nearest part around it."""
        while address not in self._lines:
            address = address.rpartition("/")[0]
        return self._lines[address]

    def at(self, address: str) -> Node:
        """What stands at a JSON pointer, after references. Raises ConfigurationError when there is nothing."""
        value: Any = self.document
        try:
            for step in steps_of(address):
                value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise ConfigurationError(f"{self.name} has nothing at {address}") from None
        return self.follow(Node(address, value))

    def follow(self, node: Node) -> Node:
        """The part itself, or the one that it refers to."""
        if not isinstance(node.value, dict) or "$ref" not in node.value:
            return node
        target = str(node.value["$ref"])
        if not target.startswith("#/"):
            raise ConfigurationError(f"{self.name} refers to {target}: only references within the document are read")
        return self.at(target[1:])

    def child(self, node: Node, *steps: str | int) -> Node:
        """A part of a part, after references."""
        return self.at(node.address + pointer(*steps))

    def children(self, node: Node, name: str) -> Iterator[tuple[str, Node]]:
        """The parts of the mapping ``name`` inside a part, with their keys; nothing if there is no such mapping."""
        for key in node.value.get(name) or ():
            yield key, self.child(node, name, key)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation of the document."""
        paths = self.document.get("paths") or {}
        return tuple(
            Operation(method.upper(), path, self.at(pointer("paths", path, method)))
            for path in paths
            for method in self.at(pointer("paths", path)).value
            if method in METHODS
        )

    def operation(self, method: str, path: str) -> Operation | None:
        """The operation that a request is meant for, or None."""
        return next((each for each in self.operations if each.matches(method, path)), None)

    def validator(self, address: str) -> Any:
        """A jsonschema-rs validator for the schema at a JSON pointer. Formats count."""
        if address not in self._validators:
            rooted = {**self.document, "$ref": f"#{quote(address, safe='/~')}"}
            self._validators[address] = need("jsonschema_rs").Draft202012Validator(rooted, validate_formats=True)
        return self._validators[address]


def load(path: Path | None = None) -> Spec:
    """The spec in a file; without one the spec that came with the package. Raises ConfigurationError."""
    found = path or next((place for place in PLACES if place.is_file()), None)
    if found is None:
        raise ConfigurationError("openapi.yaml is missing from this installation; install the package again")
    try:
        return Spec(found.read_text("utf-8"), path.as_posix() if path else found.name)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the spec {found} cannot be read: {error}") from None


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(part) for key, part in value.items()}
    return [_with_text_keys(part) for part in value] if isinstance(value, list) else value


def _lines_of(node: Any, address: str, line: int | None = None) -> Iterator[tuple[str, int]]:
    """Every pointer with its line. A member begins where its name stands, an item where it stands itself."""
    yield address, line or node.start_mark.line + 1
    if node.id == "mapping":
        for key, part in node.value:
            yield from _lines_of(part, address + pointer(key.value), key.start_mark.line + 1)
    if node.id == "sequence":
        for index, part in enumerate(node.value):
            yield from _lines_of(part, address + pointer(index))
