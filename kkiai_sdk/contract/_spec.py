"""The OpenAPI document: YAML 1.2 read with limits, JSON pointers, line numbers, and the parts of an operation."""

from __future__ import annotations

import copy
import json
import math
import re
from functools import cached_property, lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from kkiai_sdk import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERY_PATH = "/v1/video/query"
#: Methods that change nothing (RFC 9110 section 9.2.1), and all that a document may describe.
SAFE = frozenset({"GET", "HEAD"})
METHODS = ("GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE")
#: Parameters that OpenAPI 3.1 section 4.8.12.1 ignores in headers.
IGNORED = frozenset({"accept", "content-type", "authorization"})
#: Bytes read from a file: openapi.yaml has 15,000, and a device file may be endless.
MAX_BYTES = 2_000_000
#: Maximum values in a document with its aliases expanded: nested aliases can turn a few lines into billions.
MAX_VALUES = 200_000
#: Next to the package in a wheel, next to the package's folder in a checkout.
PLACES = (Path(__file__).parents[1] / "openapi.yaml", Path(__file__).parents[2] / "openapi.yaml")
_NOTHING = object()
#: Members that contain values, not schemas.
_JSON_VALUES = frozenset({"example", "examples", "default", "enum", "const"})


def need(module: str) -> Any:
    """Import a module of the extra ``contract``. Raises ConfigurationError, which says what to install."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'the contract check needs {error.name}, which is not installed: pip install "kkiai-sdk[contract]"'
        ) from error


def pointer(*steps: str | int) -> str:
    """The JSON pointer (RFC 6901) that takes these steps from the root."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


@frozen
class Node:
    """A part of the document. References are followed: the address points to where the value is defined."""

    address: str
    value: Any = field(repr=False)


@frozen
class Operation(Node):
    """An operation; its path may hold parameters in braces."""

    method: str
    path: str

    @property
    def label(self) -> str:
        """Its name in reports, such as ``GET /v1/models``."""
        return f"{self.method} {self.path}"

    @property
    def is_query(self) -> bool:
        """Whether it is the query of a video task, which has additional rules."""
        return self.label == f"GET {QUERY_PATH}"

    @property
    def is_safe(self) -> bool:
        """Whether it only reads."""
        return self.method in SAFE


#: Media types whose content is neither text nor in a form that schemathesis generates.
_BINARY = re.compile(r"(?:video|audio|font|model)/|application/(?!.*(?:json|xml|yaml|form|octet|graphql))")


@frozen(eq=False)
class Spec:
    """An OpenAPI document in YAML. Its properties raise ConfigurationError for text that cannot be used."""

    text: str = field(repr=False)
    #: The name of the document in messages.
    name: str = "openapi.yaml"
    _found: dict[str, Node] = field(factory=dict, init=False, repr=False)

    @cached_property
    def document(self) -> dict[str, Any]:
        """The document as JSON values; names and dates are strings."""
        return _upgraded(_read_yaml(self.text, self.name))

    @cached_property
    def lines(self) -> dict[str, int]:
        """The line, from 1, at which each part begins, by pointer."""
        return dict(_lines(_yaml().compose(self.text), "", None))

    def line_of(self, address: str) -> int:
        """The line, from 1, at which the part at a pointer begins; else that of the nearest part around it."""
        address = self.exact(address)
        while address not in self.lines:
            address = address.rpartition("/")[0]
        return self.lines[address]

    def has(self, address: str) -> bool:
        """Whether the document has a part at a pointer."""
        return self._written(self.exact(address)) is not _NOTHING

    def exact(self, address: str) -> str:
        """The pointer with a list item that is addressed by name (``/parameters/name=id``) addressed by index."""
        owner, is_named, rest = address.partition("/name=")
        if not is_named:
            return address
        name, slash, tail = rest.partition("/")
        items = self._written(owner)
        nodes = [self.at(owner + pointer(index)) for index in range(len(items) if isinstance(items, list) else 0)]
        names = [node.value.get("name") if isinstance(node.value, dict) else None for node in nodes]
        return f"{owner}/{names.index(name) if name in names else 0}{slash}{tail}"

    def at(self, address: str) -> Node:
        """The part at a JSON pointer, with references followed. Raises ConfigurationError when there is none."""
        if address not in self._found:
            self._found[address] = self._followed(address)
        return self._found[address]

    def _followed(self, address: str) -> Node:
        seen: set[str] = set()
        while True:
            value = self._written(address)
            if value is _NOTHING:
                raise ConfigurationError(f"{self.name} has nothing at {address}")
            if not isinstance(value, dict) or "$ref" not in value:
                return Node(address, value)
            target = str(value["$ref"])
            if not target.startswith("#/"):
                raise ConfigurationError(
                    f"{self.name} refers to {target}: only references within the document are supported"
                )
            if target in seen:
                raise ConfigurationError(f"{self.name} has a circular reference at {target}")
            seen.add(target)
            address = target[1:]

    def _written(self, address: str) -> Any:
        value: Any = self.document
        for step in (step.replace("~1", "/").replace("~0", "~") for step in address.split("/")[1:]):
            if isinstance(value, list):
                value = value[int(step)] if step.isdecimal() and int(step) < len(value) else _NOTHING
            else:
                value = value.get(step, _NOTHING) if isinstance(value, dict) else _NOTHING
        return value

    def child(self, node: Node, *steps: str | int) -> Node:
        """A part of a part, with references followed."""
        return self.at(node.address + pointer(*steps))

    def children(self, node: Node | None, name: str) -> dict[str, Node]:
        """The members of the mapping ``name`` inside a part, with references followed; empty if there is none."""
        found = node.value.get(name) if node is not None and isinstance(node.value, dict) else None
        return {key: self.child(node, name, key) for key in found} if node and isinstance(found, dict) else {}

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation. Raises ConfigurationError when there is none, or one without responses."""
        found = []
        for path in self.children(self.at(""), "paths"):
            item = self.at(pointer("paths", path))
            for method in METHODS if isinstance(item.value, dict) else ():
                if method.lower() in item.value:
                    node = self.child(item, method.lower())
                    found.append(Operation(node.address, node.value, method, path))
        for each in found:
            if not self.children(each, "responses"):
                raise ConfigurationError(f"{self.name} does not describe the responses of {each.label}")
        if not found:
            raise ConfigurationError(f"{self.name} does not describe GET {QUERY_PATH} or any other operation")
        return tuple(found)

    def operation(self, method: str, path: str) -> Operation | None:
        """The operation that a request is for, or None. A literal path comes before one with parameters."""
        alike = [each for each in self.operations if each.method == method]
        literal = next((each for each in alike if each.path == path), None)
        return literal or next((each for each in alike if "{" in each.path and _fits(each.path, path)), None)

    @property
    def query(self) -> Operation | None:
        """The query of a video task, or None."""
        return next((each for each in self.operations if each.is_query), None)

    def parameters(self, operation: Node) -> dict[tuple[str, str], Node]:
        """The parameters by location and name, those of the path included; header names in lower case."""
        found = {}
        for owner in (self.at(operation.address.rpartition("/")[0]), operation):
            for index in range(len(owner.value.get("parameters", ()))):
                node = self.child(owner, "parameters", index)
                location, name = node.value["in"], node.value["name"]
                name = name.lower() if location == "header" else name
                if location != "header" or name not in IGNORED:
                    found[location, name] = node
        return found

    def media(self, declared: Node | None, sent: str) -> Node | None:
        """The content declared for a media type: by its name, else by a range. Parameters in the keys do not count."""
        found = {key.partition(";")[0].strip().lower(): key for key in self.children(declared, "content")}
        key = next((found[each] for each in (sent, f"{sent.partition('/')[0]}/*", "*/*") if each in found), None)
        return self.children(declared, "content")[key] if key and sent else None

    def response(self, operation: Node, status: int) -> Node | None:
        """The response declared for a status: by number, else by range such as 5XX, else ``default``."""
        declared = self.children(operation, "responses")
        return declared.get(str(status)) or declared.get(f"{status // 100}XX") or declared.get("default")

    @cached_property
    def api(self) -> Any:
        """The document loaded by schemathesis, with the checks of single responses enabled."""
        names = ("status_code", "content_type", "response_schema", "response_headers")
        checks = {"enabled": False, **{f"{name}_conformance": {"enabled": True} for name in names}}
        return self.schemathesis({"checks": checks, "output": {"truncation": {"enabled": False}}})

    def schemathesis(self, config: dict[str, Any], *, examples: bool = True) -> Any:
        """The document loaded by schemathesis, which never reads a ``schemathesis.toml`` when it has a configuration.

        :param examples: whether parameters keep their examples.
        """
        document = copy.deepcopy(self.document)
        for each in () if examples else self.operations:
            for parameter in document["paths"][each.path].get(each.method.lower(), {}).get("parameters", ()):
                parameter.pop("example", None)
                parameter.pop("examples", None)
        library = need("schemathesis")
        bodies = [self.child(each, "requestBody") for each in self.operations if "requestBody" in each.value]
        if binary := {name for body in bodies for name in self.children(body, "content") if _BINARY.match(name)}:
            # Bodies of other types than those that it knows are bytes.
            library.serializer.alias(sorted(binary), "application/octet-stream")
        return library.openapi.from_dict(document, config=library.Config.from_dict(config))


def fits_schema(document: Any, schema: Any, value: Any) -> bool:
    """Whether a value fits a schema whose references are to the components of a document."""
    whole = {"components": document.get("components", {}), **schema}
    return bool(need("jsonschema_rs").Draft202012Validator(whole).is_valid(value))


def _fits(template: str, path: str) -> bool:
    parts = re.split(r"\{[^{}]*\}", template)
    return re.fullmatch("[^/]+".join(map(re.escape, parts)), path) is not None


def _yaml() -> Any:
    return need("ruamel.yaml").YAML(typ="safe", pure=True)


def _read_yaml(text: str, name: str) -> dict[str, Any]:
    yaml, errors = _yaml(), need("ruamel.yaml.error")
    try:
        found = _plain(yaml.load(text), [MAX_VALUES])
    except (errors.YAMLError, ValueError, OverflowError, RecursionError, TypeError) as error:
        place = getattr(error, "problem_mark", None)
        where = f", line {place.line + 1}" if place else ""
        reason = getattr(error, "problem", None) or f"{error!s:.100}"
        raise ConfigurationError(f"{name}{where} is not valid YAML: {reason}") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{name} is not an OpenAPI document: its root is not a mapping")
    return found


def _plain(value: Any, left: list[int]) -> Any:
    """A copy as JSON values; other types become text. ``left``: the number of values that may still follow."""
    left[0] -= 1
    if left[0] < 0:
        raise ValueError(f"it has more than {MAX_VALUES:,} values, aliases expanded")
    if isinstance(value, dict):
        names = (key if isinstance(key, str) else json.dumps(key, default=str) for key in value)
        return {name: _plain(part, left) for name, part in zip(names, value.values(), strict=True)}
    if isinstance(value, list | tuple | set):
        return [_plain(part, left) for part in value]
    if isinstance(value, float):
        return str(value) if not math.isfinite(value) else int(value) if value.is_integer() else value
    return value if isinstance(value, str | int | None) else str(value)


def _upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """The document as OpenAPI 3.1, if it is 3.0; places stay where they are as far as possible."""
    is_old = str(document.get("openapi", "")).startswith("3.0")
    return {**_as_31(document), "openapi": "3.1.0"} if is_old else document


def _as_31(value: Any, *, are_names: bool = False) -> Any:
    """A part of a document. ``are_names``: its members are named by the document, not by OpenAPI."""
    if isinstance(value, list):
        return [_as_31(each) for each in value]
    if not isinstance(value, dict) or are_names:
        return {key: _as_31(part) for key, part in value.items()} if isinstance(value, dict) else value
    found = {
        key: part if key in _JSON_VALUES else _as_31(part, are_names=key == "properties") for key, part in value.items()
    }
    for limit, name in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(found.get(name), bool) and found.pop(name) and limit in found:
            found[name] = found.pop(limit)
    # OpenAPI 3.0 ignores it next to a reference.
    return _with_null(found) if found.pop("nullable", None) is True and "$ref" not in found else found


def _with_null(schema: dict[str, Any]) -> dict[str, Any]:
    null = {"type": "null"}
    if isinstance(schema.get("enum"), list):
        schema["enum"] = [*schema["enum"], *([] if None in schema["enum"] else [None])]
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    for keyword in {"anyOf", "oneOf"} & schema.keys():
        schema[keyword] = [*schema[keyword], null]
    if "allOf" in schema:
        # As ``anyOf``, a single part keeps its index; several must still apply together.
        parts = schema.pop("allOf")
        alternatives = [*parts, null] if len(parts) == 1 else [{"allOf": parts}, null]
        schema |= {"allOf": [{"anyOf": alternatives}]} if "anyOf" in schema else {"anyOf": alternatives}
    return schema


def _lines(node: Any, address: str, line: int | None) -> Iterator[tuple[str, int]]:
    """The line of each pointer: a member begins at its name, a list item at its value."""
    yield address, line or node.start_mark.line + 1
    if node.id == "mapping":
        for key, part in node.value:
            yield from _lines(part, address + pointer(str(key.value)), key.start_mark.line + 1)
    if node.id == "sequence":
        for index, part in enumerate(node.value):
            yield from _lines(part, address + pointer(index), None)


def load(path: Path | None = None) -> Spec:
    """The document in a file; by default the one that came with the package. Raises ConfigurationError."""
    found = path or next((place for place in PLACES if place.is_file()), None)
    if found is None:
        raise ConfigurationError("openapi.yaml is missing from this installation; reinstall the package")
    try:
        with found.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise ConfigurationError(f"the spec {str(found)!a} cannot be read: {reason}") from None
    if len(text.encode()) > MAX_BYTES:
        raise ConfigurationError(f"the spec {str(found)!a} is too large: the limit is {MAX_BYTES:,} bytes")
    return _parsed(text, name_of(path) if path else found.name)


#: One Spec per text: a program that checks many gateways parses and validates it once.
_parsed = lru_cache(maxsize=4)(Spec)


def name_of(path: Path) -> str:
    """The name of a file in reports: relative to the working directory if inside it, as code scanning needs it."""
    try:
        return path.resolve().relative_to(Path.cwd().resolve()).as_posix()
    except (ValueError, OSError):
        return path.absolute().as_posix()
