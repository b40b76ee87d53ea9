"""Comparison of two OpenAPI documents: the handlers of each member of each kind of object.

A member without a handler is reported as unclassified, which is breaking: a false alarm is better than silence. So are
changes inside callbacks, webhooks, links and discriminators, and members of later versions of OpenAPI.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codegen.spec_document import Document, Members, Place, items
from codegen.spec_rules import ANY, REQUEST, RESPONSE, REWRITTEN, UNCLASSIFIED
from codegen.spec_schemas import NOTES, SCHEMA, subschema
from codegen.spec_walk import (
    EVERY_OTHER,
    Change,
    Grammar,
    Handler,
    Places,
    Walk,
    flag,
    leaf,
    member,
    named,
    on,
    opaque,
    paired,
)
from kkiai_sdk import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PARAMETER = re.compile(r"\{([^}]*)\}")
# Location and name of a parameter.
Key = tuple[str, str]
# Security schemes that one alternative requires together. The empty set requires none.
_NO_SCHEMES: frozenset[str] = frozenset()
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def compare(base: Document, head: Document) -> list[Change]:
    """Return the changes between two documents: worst first, then by pointer; empty for equal documents.

    Schemas are compared on the sides where they are used; unused schemas on both. Raises ``ConfigurationError`` for a
    ``$ref`` without a target, and for documents that are nested too deeply.
    """
    walk = Walk(base, head, _GRAMMAR)
    try:
        walk.compare("document", ANY, base.root, head.root)
        components = (Place(each.root.value.get("components", {}), "/components") for each in (base, head))
        walk.compare("components", ANY, *components)
        return walk.changes()
    except RecursionError:
        raise ConfigurationError("the documents are nested too deeply to be compared") from None


def _elsewhere(_walk: Walk, _side: str, _key: str, _old: Members, _new: Members) -> None:
    """Skip a member that another handler compares."""


def _openapi(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
    before, after = (str(each.value(key)).split(".")[:2] for each in (old, new))
    walk.report_if_different(REWRITTEN if before == after else "openapi-changed", old.get(key), new.get(key))


def _servers(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
    listed = items(old.get(key)), items(new.get(key))
    before, after = ({place.value["url"].rstrip("/"): place for place in each} for each in listed)
    if [*before, *after] == [""]:  # without servers, the URL is /
        walk.report(REWRITTEN, old.get(key), new.get(key))
        return
    for url in sorted(before.keys() | after.keys()):
        places = before.get(url), after.get(url)
        walk.compare_if_both("server", ANY, ("server-added", "server-removed"), places)
    if next(iter(before), None) != next(iter(after), None):
        walk.report("default-server-changed", old.get(key), new.get(key))
    elif before.keys() == after.keys():
        urls = [[place.value["url"] for place in each] for each in listed]
        if urls[0] != urls[1]:
            walk.report(REWRITTEN, old.get(key), new.get(key))


def _paths(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    same = _same_paths(old.value(key, ()), new.value(key, ()))
    for before, after in same.items():
        walk.report("path-parameter-renamed", old.of[key].at(before), new.of[key].at(after))
        names = [_PARAMETER.findall(path) for path in (after, before)]
        walk.renamed = dict(zip(*names, strict=True))
        walk.compare("path-item", side, old.of[key].at(before), new.of[key].at(after))
        walk.renamed = {}
    for name, places in paired(key, old, new):
        if name.startswith("x-"):
            walk.report_if_different("extension-changed", *places)
        elif name not in {*same, *same.values()}:
            walk.compare_if_both("path-item", side, ("path-added", "path-removed"), places)


def _same_paths(before: Iterable[str], after: Iterable[str]) -> dict[str, str]:
    """Map old paths to new ones in which only parameters have other names."""
    added = {_PARAMETER.sub("{}", path): path for path in after if path not in before}
    shapes = {path: _PARAMETER.sub("{}", path) for path in before if path not in after}
    return {path: added[shape] for path, shape in shapes.items() if shape in added}


def _operation(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    before, after = old.get(key), new.get(key)
    walk.compare_if_both("operation", side, ("method-added", "method-removed"), (before, after))
    if before is not None and after is not None:
        _compare_parameters(walk, (old, new), (walk.base.open(before), walk.head.open(after)))


def _compare_parameters(walk: Walk, paths: tuple[Members, Members], operations: tuple[Members, Members]) -> None:
    """Compare the parameters of an operation, with those of its path."""
    lists = [
        (path.get("parameters"), operation.get("parameters")) for path, operation in zip(paths, operations, strict=True)
    ]
    before, after = _by_key(walk.base, lists[0], {}), _by_key(walk.head, lists[1], walk.renamed)
    for key in sorted(before.keys() | after.keys()):
        place = after.get(key)
        required = place is not None and walk.head.open(place).value("required") is True
        added = "required-parameter-added" if required else "parameter-added"
        walk.compare_if_both("parameter", REQUEST, (added, "parameter-removed"), (before.get(key), place))
    if list(before) != list(after) and before.keys() == after.keys():
        walk.report(REWRITTEN, lists[0][1] or lists[0][0], lists[1][1] or lists[1][0])


def _by_key(document: Document, lists: Places, renamed: Mapping[str, str]) -> dict[Key, Place]:
    """Map keys to parameters of a path and its operation, which overrides."""
    found: dict[Key, Place] = {}
    for listed in lists:
        own: dict[Key, Place] = {}
        for place in items(listed):
            location, name = (document.open(place).value(key) for key in ("in", "name"))
            key = location, renamed.get(name, name) if location == "path" else name
            if key in own:
                raise ConfigurationError(f"{document.label}: {place.pointer} is a second {location} parameter {name}")
            own[key] = place
        found |= own
    return found


def _operation_security(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
    """Compare the security of an operation; where it has none, that of its document applies."""
    before, after = old.get(key), new.get(key)
    if before is None or after is None:
        walk.report(REWRITTEN if before is None else "security-not-repeated", before, after)
    _compare_security(walk, before or _default(walk.base), after or _default(walk.head))


def _default(document: Document) -> Place | None:
    return document.root.at("security") if "security" in document.root.value else None


def _compare_security(walk: Walk, before: Place | None, after: Place | None) -> None:
    old, new = ({frozenset(each.value): each for each in items(place)} for place in (before, after))
    if len(old) < len(items(before)) or len(new) < len(items(after)):
        walk.report_if_different(UNCLASSIFIED, before, after)
        return
    was_public, is_public = (not each or _NO_SCHEMES in each for each in (old, new))
    removed, added = old.keys() - new.keys() - {_NO_SCHEMES}, new.keys() - old.keys() - {_NO_SCHEMES}
    if was_public != is_public:
        walk.report("security-removed" if is_public else "security-added", before, after)
    # The report above covers a change from some alternatives to none, or back.
    if was_public == is_public or new.keys() - {_NO_SCHEMES}:
        for schemes in sorted(removed, key=sorted):
            walk.report("security-alternative-removed", old[schemes], None)
    if was_public == is_public or old.keys() - {_NO_SCHEMES}:
        for schemes in sorted(added, key=sorted):
            walk.report("security-alternative-added", None, new[schemes])
    for schemes in old.keys() & new.keys():
        _compare_scopes(walk, old[schemes], new[schemes])
    if list(old) != list(new) and not removed and not added and was_public == is_public:
        walk.report(REWRITTEN, before, after)


def _compare_scopes(walk: Walk, before: Place, after: Place) -> None:
    for scheme in before.value:
        old, new = before.at(scheme), after.at(scheme)
        for scope in sorted(set(new.value) - set(old.value)):
            walk.report("security-scope-added", old, Place(scope, new.pointer))
        for scope in sorted(set(old.value) - set(new.value)):
            walk.report("security-scope-removed", Place(scope, old.pointer), new)


def _statuses(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    """Compare a response with that of its status or, if there is none, of the statuses with the same first digit."""
    before, after = old.get(key), new.get(key)
    wider = new.get(f"{key[0]}XX") if key[0] in "45" else None
    if before is not None and after is None and wider is not None:
        walk.report("status-widened", before, wider)
        walk.compare("response", side, before, wider)
    else:
        walk.compare_if_both("response", side, ("status-added", "status-removed"), (before, after))


def _style(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
    """Compare how a value is written; what is missing has its default."""
    before, after = (_styles(each) for each in (old, new))
    rule = REWRITTEN if before[key] == after[key] else "serialisation-changed"
    walk.report_if_different(rule, old.get(key), new.get(key))


def _styles(members: Members) -> dict[str, object]:
    style = members.value("style", "form" if members.value("in") in {"query", "cookie"} else "simple")
    return {"style": style, "explode": members.value("explode", style == "form")}


def _tags(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
    first = [each.value(key, [])[:1] for each in (old, new)]
    rule = "further-tags-changed" if first[0] == first[1] else "operation-tag-changed"
    walk.report_if_different(rule, old.get(key), new.get(key))


def _request_body(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
    after = new.get(key)
    required = after is not None and walk.head.open(after).value("required") is True
    added = "required-request-body-added" if required else "request-body-added"
    walk.compare_if_both("request-body", REQUEST, (added, "request-body-removed"), (old.get(key), after))


def _schemas(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
    for _, places in paired(key, old, new):
        used = walk.sides_of(place.pointer for place in places if place is not None)
        for side in sorted(used or {REQUEST, RESPONSE}):
            walk.compare_if_both("schema", side, ("schema-added", "schema-removed"), places)


_NOTES: dict[str, Handler] = dict.fromkeys(NOTES, leaf("note-changed"))
_VALUE: dict[str, Handler] = {
    **_NOTES,
    **dict.fromkeys(("style", "explode"), _style),
    **dict.fromkeys(("allowReserved", "allowEmptyValue"), flag("serialisation-changed", "serialisation-changed")),
    "schema": subschema,
    "content": named("media-type", "{side}-media-type-added", "{side}-media-type-removed"),
    "deprecated": leaf("deprecation-changed"),
}
_GRAMMAR: Grammar = {
    "document": {
        "openapi": _openapi,
        "info": member("info", UNCLASSIFIED, UNCLASSIFIED),
        "servers": _servers,
        "paths": _paths,
        "components": _elsewhere,
        "security": lambda walk, _side, key, old, new: _compare_security(walk, old.get(key), new.get(key)),
        "webhooks": opaque("webhooks-added", "webhooks-removed"),
        **dict.fromkeys(("tags", "externalDocs"), leaf("note-changed")),
    },
    "info": {
        **dict.fromkeys(
            ("title", "summary", "description", "contact", "license", "termsOfService"), leaf("note-changed")
        ),
        "version": leaf("version-changed"),
    },
    "server": {
        "url": _elsewhere,
        "description": leaf("note-changed"),
        "variables": named("server-variable", UNCLASSIFIED, UNCLASSIFIED),
    },
    "server-variable": _NOTES,
    "path-item": {
        **dict.fromkeys(_METHODS, _operation),
        **_NOTES,
        "parameters": _elsewhere,
        "servers": leaf("local-servers-changed"),
    },
    "operation": {
        **_NOTES,
        "operationId": leaf("operation-id-changed"),
        "tags": _tags,
        "parameters": _elsewhere,
        "requestBody": _request_body,
        "responses": on(RESPONSE, member("responses", UNCLASSIFIED, UNCLASSIFIED)),
        "security": _operation_security,
        "callbacks": opaque("callbacks-added", "callbacks-removed"),
        "servers": leaf("local-servers-changed"),
        "deprecated": leaf("deprecation-changed"),
    },
    "parameter": {
        **_VALUE,
        **dict.fromkeys(("name", "in"), _elsewhere),
        "required": flag("parameter-made-required", "parameter-made-optional"),
    },
    "header": {**_VALUE, "required": flag("response-header-made-required", "response-header-made-optional")},
    "request-body": {
        **_NOTES,
        "content": _VALUE["content"],
        "required": flag("request-body-made-required", "request-body-made-optional"),
    },
    "responses": {
        "default": member("response", "default-response-added", "default-response-removed"),
        EVERY_OTHER: _statuses,
    },
    "response": {
        **_NOTES,
        "headers": named("header", "response-header-added", "response-header-removed"),
        "links": opaque("links-added", "links-removed"),
        "content": _VALUE["content"],
    },
    "media-type": {**_NOTES, "schema": subschema},
    "schema": SCHEMA,
    "security-scheme": {
        **dict.fromkeys(("description", "bearerFormat"), leaf("note-changed")),
        EVERY_OTHER: leaf("security-scheme-changed"),
    },
    "components": {
        "schemas": _schemas,
        "securitySchemes": named("security-scheme", "security-scheme-added", "security-scheme-removed"),
        "examples": leaf("note-changed"),
        **dict.fromkeys(("links", "callbacks"), opaque("component-added", "component-removed")),
        "pathItems": named("path-item", "component-added", "component-removed"),
        "parameters": on(REQUEST, named("parameter", "component-added", "component-removed")),
        "requestBodies": on(REQUEST, named("request-body", "component-added", "component-removed")),
        "headers": on(RESPONSE, named("header", "component-added", "component-removed")),
        "responses": on(RESPONSE, named("response", "component-added", "component-removed")),
    },
}
