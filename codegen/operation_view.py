"""The operations of an OpenAPI document as the generator can take them, and findings where it cannot.

The generator is silent about much that it does not do, and some of its code is wrong. Here a document is changed so
that the generated code is right, or a finding says at which place it is not: an error where nothing usable would be
generated, a warning where the rest is of use.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codegen.spec_document import text_of
from kkiai_sdk.contract._spec import pointer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# Members of a path item that have a meaning here.
_ITEM = {*METHODS, "$ref", "summary", "description", "parameters", "servers"}
_IGNORED_HEADERS = {"accept", "content-type", "authorization"}
_SEPARATORS = {"spaceDelimited": " ", "pipeDelimited": "|"}
# Variables of generated functions, which a parameter of the same name would replace.
_VARIABLES = {"headers", "params", "cookies", "kwargs", "response", "quote", "errors", "cast"}
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_BYTES = {"type": "string", "format": "binary"}
_DATES = {"date", "date-time"}
BEARER = "the client sends its key as Authorization: Bearer"


@dataclass(frozen=True, slots=True)
class Finding:
    """A place of the document that is not generated as it is written. ``is_error``: nothing is generated at all."""

    pointer: str
    text: str
    is_error: bool = False


def operations(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the path, the method and the object of each operation, in place."""
    for path, item in spec.get("paths", {}).items():
        yield from ((path, method, item[method]) for method in METHODS if method in item)


def media_types(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each media type object of each response, in place."""
    for response in _responses(spec):
        yield from response.get("content", {}).values()


def prepare_operations(view: dict[str, Any]) -> list[Finding]:
    """Change the operations of a document in place, and return the findings."""
    shared = view.get("components", {})
    for section in ("parameters", "requestBodies", "responses"):
        for name, component in shared.get(section, {}).items():
            shared[section][name] = resolved(view, component)
    findings = [*_path_items(view), *_servers(view), *_security(view)]
    _write_out(view, view, ())
    for place, owner in _owners(view):
        if "parameters" in owner:
            owner["parameters"] = [each for each in owner["parameters"] if not _is_ignored(view, each)]
            findings += [found for each in owner["parameters"] for found in _parameter(view, each, place, owner)]
    for name, parameter in shared.get("parameters", {}).items():
        findings += _parameter(view, parameter, pointer("components", "parameters", name), {})
    for place, body in _bodies(view):
        findings += _request_body(view, body, place)
    for response in _responses(view):
        _response(response)
    return findings


def opaque_types(view: Mapping[str, Any]) -> list[str]:
    """Return the media types, of a prepared document, that are sent and given as bytes."""
    sent = {name for _, body in _bodies(view) for name in body.get("content", {}) if not _is_structured(name)}
    read = {name for response in _responses(view) for name in response.get("content", {}) if _kind(name) == "bytes"}
    return sorted(sent | read)


def _kind(media_type: str) -> str:
    essence = media_type.partition(";")[0].strip().lower()
    if essence == "application/json" or essence.endswith("+json"):
        return "json"
    return "form" if essence in _FORMS else "text" if essence.startswith("text/") else "bytes"


def resolved(spec: Mapping[str, Any], node: Any) -> Any:
    """Return the object that a local ``$ref`` leads to, in place, or an empty one if there is none."""
    for _ in range(100):  # references in a circle lead nowhere
        if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
            return node
        reference, node = node["$ref"], spec
        for step in reference.split("/")[1:] if reference.startswith("#/") else [""]:
            node = node.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(node, dict) else {}
    return {}


def entries(node: Any) -> list[tuple[Any, Any]]:
    """Return the keys and members of an object, or the indices and items of a list; else nothing."""
    return [*node.items()] if isinstance(node, dict) else [*enumerate(node)] if isinstance(node, list) else []


def _path_items(view: dict[str, Any]) -> Iterator[Finding]:
    """Write path items that are references in full."""
    paths = view.get("paths", {})
    for path in [path for path in paths if path.startswith("x-")]:
        del paths[path]
    for path, item in paths.items():
        if "$ref" in item:
            target = resolved(view, item)
            paths[path] = {**target, **{key: part for key, part in item.items() if key != "$ref"}}
            if not target:
                yield Finding(pointer("paths", path), f"{item['$ref']} does not refer to a path item", is_error=True)
        unknown = [key for key in paths[path] if key not in _ITEM and not key.startswith("x-")]
        yield from (Finding(pointer("paths", path, key), f"{key} is not generated") for key in unknown)


def _write_out(view: Mapping[str, Any], node: Any, via: tuple[str, ...]) -> None:
    """Write references that lead elsewhere than to components in full, in place: the generator knows no others."""
    for key, part in entries(node):
        reference = part.get("$ref") if isinstance(part, dict) else None
        if not isinstance(reference, str) or reference in via or not reference.startswith("#/"):
            _write_out(view, part, via)
        elif not reference.startswith("#/components/"):
            node[key] = deepcopy(resolved(view, part))
            _write_out(view, node[key], (*via, reference))


def _servers(view: Mapping[str, Any]) -> Iterator[Finding]:
    text = "servers of one path are not used: requests go to the base URL of the client"
    yield from (Finding(f"{place}/servers", text) for place, owner in _owners(view) if "servers" in owner)


def _security(view: Mapping[str, Any]) -> Iterator[Finding]:
    """Find the schemes without which an operation cannot be called, and which the client does not send."""
    schemes = view.get("components", {}).get("securitySchemes", {})
    foreign = {name: scheme for name, each in schemes.items() if _is_foreign(scheme := resolved(view, each))}
    needed: Counter[str] = Counter()
    for _, _, operation in operations(view):
        wanting = [foreign.keys() & each.keys() for each in operation.get("security", view.get("security", []))]
        needed.update(set().union(*wanting) if all(wanting) else ())
    for name, count in needed.items():
        scheme = foreign[name]
        shown = " ".join(str(scheme[key]) for key in ("type", "scheme", "in", "name") if key in scheme)
        uses = "1 operation" if count == 1 else f"{count} operations"
        yield Finding(pointer("components", "securitySchemes", name), f"{BEARER}, but {uses} want {shown}")


def _is_foreign(scheme: Mapping[str, Any]) -> bool:
    kind, scheme_name = scheme.get("type"), str(scheme.get("scheme", "")).lower()
    return kind in {"apiKey", "mutualTLS"} or (kind == "http" and scheme_name != "bearer")


def _owners(view: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each path item and each operation, with its pointer."""
    yield from ((pointer("paths", path), item) for path, item in view.get("paths", {}).items())
    yield from ((pointer("paths", path, method), operation) for path, method, operation in operations(view))


def _is_ignored(view: Mapping[str, Any], parameter: Mapping[str, Any]) -> bool:
    """Return whether OpenAPI says to ignore a parameter; the generator does not ignore it."""
    found = resolved(view, parameter)
    return found.get("in") == "header" and found["name"].lower() in _IGNORED_HEADERS


def _parameter(
    view: Mapping[str, Any], parameter: dict[str, Any], place: str, owner: Mapping[str, Any]
) -> Iterator[Finding]:
    name, place = str(resolved(view, parameter).get("name")), f"{place}/parameters" if owner else place
    taken = _VARIABLES | ({"body"} if "requestBody" in owner else set())
    if name.lower().replace("-", "_") in taken:
        yield Finding(place, f"the generated function has its own variable named {name}", is_error=True)
    if "$ref" in parameter:
        return
    location, schema = parameter.get("in"), resolved(view, parameter.get("schema", {}))
    style = parameter.get("style", "form" if location in {"query", "cookie"} else "simple")
    exploded = parameter.get("explode", style == "form") and location != "cookie"
    types = set[str]() if "content" in parameter else _types(view, schema)
    is_plain = location == "query" and style == "form" and exploded
    if style in {"label", "matrix"}:
        yield Finding(place, f"parameter {name} is not supported by the client in the style {style}", is_error=True)
    elif "object" in types and not is_plain:
        text = f"an object in the style of parameter {name} is not supported by the client"
        yield Finding(place, text, is_error=True)
    elif "content" in parameter:
        kinds = " or ".join(parameter.pop("content"))
        _make_text(parameter, f"Its value as {kinds}.")
    elif "array" in types and not is_plain:
        _make_text(parameter, f"Values separated by {_SEPARATORS.get(style, ',')!r}.")
    elif location in {"header", "cookie"} and types == {"string"} and schema.get("format") in _DATES:
        # The generator leaves out operations with a date in a header.
        parameter["schema"] = {key: value for key, value in schema.items() if key != "format"}
    _describe_value(parameter)


def _describe_value(parameter: dict[str, Any]) -> None:
    """Repeat the description and the example of a parameter in its schema, where the generator looks for them."""
    schema = parameter.get("schema")
    notes = {key: parameter[key] for key in ("description", "example") if key in parameter}
    if isinstance(schema, dict) and notes.keys() - schema.keys():
        parameter["schema"] = {"allOf": [schema], **notes} if "$ref" in schema else {**notes, **schema}


def _types(view: Mapping[str, Any], schema: Any, depth: int = 0) -> set[str]:
    """Return the types that a schema and its branches name; one with fields is an object."""
    found = resolved(view, schema)
    if not isinstance(found, dict) or depth > 9:
        return set()
    named = found.get("type", "object" if "properties" in found else [])
    branches = [each for key in ("allOf", "anyOf", "oneOf") for each in found.get(key, [])]
    return {*([named] if isinstance(named, str) else named)}.union(
        *(_types(view, each, depth + 1) for each in branches)
    )


def _make_text(parameter: dict[str, Any], note: str) -> None:
    """Make a parameter text that the caller writes: the generator writes lists in one style, and JSON in none."""
    schema = {"type": "string", "description": f"{parameter.get('description', '')} {note}".strip()}
    parameter.update(schema=schema)
    for key in ("style", "explode", "example"):
        parameter.pop(key, None)


def _bodies(view: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, method, operation in operations(view):
        if "requestBody" in operation:
            yield pointer("paths", path, method, "requestBody"), operation["requestBody"]
    for name, body in view.get("components", {}).get("requestBodies", {}).items():
        yield pointer("components", "requestBodies", name), body


def _request_body(view: Mapping[str, Any], body: dict[str, Any], place: str) -> Iterator[Finding]:
    """Leave the media types of which the generated function can choose one by the class of the body."""
    content: dict[str, dict[str, Any]] = body.get("content", {})
    kept: dict[str, dict[str, Any]] = {}
    seen: set[str] = set()
    for name in sorted(content, key=lambda name: ("json", "form").index(_kind(name)) if _is_structured(name) else 2):
        schema = content[name].get("schema", {}) if _is_structured(name) else _BYTES
        if kept and (not _is_structured(name) or text_of(schema) in seen or not _is_object(view, kept)):
            yield Finding(place + pointer("content", name), f"a body is sent as {next(iter(kept))}, never as {name}")
            continue
        seen.add(text_of(schema))
        # By its charset the generator knows text that is sent, as bytes, from text that is read.
        is_bare_text = _kind(name) == "text" and ";" not in name
        kept[f"{name}; charset=utf-8" if is_bare_text else name] = {**content[name], "schema": schema}
    if content:
        body["content"] = kept


def _is_structured(media_type: str) -> bool:
    return _kind(media_type) in {"json", "form"}


def _is_object(view: Mapping[str, Any], content: Mapping[str, Any]) -> bool:
    """Return whether the first body has a class of its own."""
    schema = resolved(view, next(iter(content.values()))["schema"])
    return schema.get("type") == "object" or "properties" in schema or "allOf" in schema


def _responses(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for owner in [*(each for _, _, each in operations(spec)), spec.get("components", {})]:
        yield from owner.get("responses", {}).values()


def _response(response: dict[str, Any]) -> None:
    """Leave the media types that the generated function reads: the generator takes the first that it knows."""
    content: dict[str, dict[str, Any]] = response.get("content", {})
    if any(_kind(name) in {"json", "text"} for name in content):
        names = {name: name.partition(";")[0].strip() if _kind(name) == "text" else name for name in content}
        content = {names[name]: each for name, each in content.items() if _kind(name) in {"json", "text"}}
    for name, media_type in content.items():
        if _kind(name) != "json":
            media_type["schema"] = {"type": "string"} if _kind(name) == "text" else dict(_BYTES)
    if content:
        response["content"] = content
