"""The spec as a document with addresses: what stands at a JSON pointer, and in which line."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from attrs import field, frozen

from kkiai_sdk import ConfigurationError
from kkiai_sdk.contract._yaml import lines_of, need, pointer, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_NOTHING = object()
#: Bytes that are read of a file: ours has 15,000, and a device may have no end.
MOST_BYTES = 2_000_000
#: Beside the package in a wheel, beside the folder of the package in a checkout.
PLACES = (Path(__file__).parents[1] / "openapi.yaml", Path(__file__).parents[2] / "openapi.yaml")


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
    _found: dict[str, Node] = field(factory=dict, init=False, repr=False)

    @cached_property
    def document(self) -> dict[str, Any]:
        """The document as plain values; keys are text, as in JSON."""
        return read_yaml(self.text, self.name)

    @cached_property
    def _lines(self) -> dict[str, int]:
        return lines_of(self.text)

    def line_of(self, address: str) -> int:
        """The line, from 1, in which the part at a pointer begins; else the nearest part around it."""
        address = self.exact(address)
        while address not in self._lines:
            address = address.rpartition("/")[0]
        return self._lines[address]

    def exact(self, address: str) -> str:
        """An address in which items of a list may be called by their name (``/parameters/name=id``), by number."""
        found = ""
        value: Any = self.document
        for step in steps_of(address):
            number = step
            if isinstance(value, list) and step.startswith("name="):
                number = str(_number_of(map(self._shallow, value), step.removeprefix("name=")))
            value = self._shallow(_part(value, number))
            found += pointer(number)
        return found

    def _shallow(self, value: Any) -> Any:
        """A value, or what it refers to within the document; None when that is nothing."""
        target = str(value.get("$ref", "")) if isinstance(value, dict) else ""
        if not target.startswith("#/"):
            return value
        try:
            return self.at(target[1:]).value
        except ConfigurationError:
            return None

    def at(self, address: str) -> Node:
        """What stands at a JSON pointer, after references. Raises ConfigurationError when there is nothing."""
        if address not in self._found:
            self._found[address] = self._followed(address)
        return self._found[address]

    def _followed(self, address: str) -> Node:
        found = self._written(address)
        seen = {address}
        while isinstance(found.value, dict) and "$ref" in found.value:
            target = str(found.value["$ref"])
            if not target.startswith("#/"):
                raise ConfigurationError(f"{self.name} refers to {target}: only references within it are read")
            if target[1:] in seen:
                raise ConfigurationError(f"{self.name} refers in a circle at {target}")
            seen.add(target[1:])
            found = self._written(target[1:])
        return found

    def _written(self, address: str) -> Node:
        """What is written at a JSON pointer, be it a reference."""
        value: Any = self.document
        for step in steps_of(address):
            value = _part(value, step, _NOTHING)
        if value is _NOTHING:
            raise ConfigurationError(f"{self.name} has nothing at {address}")
        return Node(address, value)

    def child(self, node: Node, *steps: str | int) -> Node:
        """A part of a part, after references."""
        return self.at(node.address + pointer(*steps))

    def children(self, node: Node, name: str) -> Iterator[tuple[str, Node]]:
        """The parts of the mapping ``name`` inside a part, with their keys; nothing if there is no such mapping."""
        found = node.value.get(name) if isinstance(node.value, dict) else None
        for key in found if isinstance(found, dict) else ():
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
            self._validators[address] = need("jsonschema_rs").Draft202012Validator(
                rooted, validate_formats=True, retriever=self._retrieve
            )
        return self._validators[address]

    def _retrieve(self, address: str) -> Any:
        raise ConfigurationError(f"{self.name} refers to {address}: only references within it are read")


def _part(value: Any, step: str, default: Any = None) -> Any:
    """A member of a mapping or an item of a list."""
    if isinstance(value, list):
        return value[int(step)] if step.isdecimal() and int(step) < len(value) else default
    return value.get(step, default) if isinstance(value, dict) else default


def _number_of(items: Iterator[Any], name: str) -> int:
    """The number of the item with this name; 0 when there is none."""
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    return names.index(name) if name in names else 0


def load(path: Path | None = None) -> Spec:
    """The spec in a file; without one the spec that came with the package. Raises ConfigurationError."""
    found = path or next((place for place in PLACES if place.is_file()), None)
    if found is None:
        raise ConfigurationError("openapi.yaml is missing from this installation; install the package again")
    try:
        with found.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ConfigurationError(f"the spec {str(found)!a} is too large: it may have {MOST_BYTES} bytes")
        return _parsed(content.decode("utf-8-sig"), name_of(path) if path else found.name)
    except UnicodeDecodeError:
        raise ConfigurationError(f"the spec {str(found)!a} cannot be read: it is not text in UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(f"the spec {str(found)!a} cannot be read: {reason}") from None


@lru_cache(maxsize=4)
def _parsed(text: str, name: str) -> Spec:
    """The same spec for the same text: who checks many gateways reads it, and tries it, once."""
    return Spec(text, name)


def name_of(path: Path) -> str:
    """What a file is called in reports: relative to the working directory if inside, as code scanning needs it."""
    try:
        return path.resolve().relative_to(Path.cwd().resolve()).as_posix()
    except (ValueError, OSError):
        return path.absolute().as_posix()
