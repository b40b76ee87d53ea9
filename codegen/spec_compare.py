"""Comparison of two OpenAPI documents: the handlers of each member of each kind of object.

A member without a handler is reported as unclassified, which is breaking: a false alarm is better than silence. So are
changes inside callbacks, webhooks, links and discriminators, and members of later versions of OpenAPI.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from codegen.spec_document import Document, Members, Place, items
from codegen.spec_operations import compare_parameters, document_security, operation_security
from codegen.spec_rules import ANY, REQUEST, RESPONSE, REWRITTEN, UNCLASSIFIED
from codegen.spec_schemas import NOTES, SCHEMA, subschema
from codegen.spec_walk import EVERY_OTHER, Change, Grammar, Handler, Walk, flag, leaf, member, named, on, opaque, paired
from kkiai_sdk import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

_PARAMETER = re.compile(r"\{([^}]*)\}")
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def compare(base: Document, head: Document) -> list[Change]:
    """Return the changes between two documents: worst first, then by pointer; empty for equal documents.

    Schemas are compared on the sides where they are used; unused schemas on both. Raises ``ConfigurationError`` for a
    ``$ref`` without a target, and for documents that are nested too deeply.
    """
    walk = Walk(base, head, _GRAMMAR)
    try:
        walk.compare("document", ANY, base.root, head.root)
        walk.compare("components", ANY, *(_components(each) for each in (base, head)))
        return walk.changes()
    except RecursionError:
        raise ConfigurationError("the documents are nested too deeply to be compared") from None


def _components(document: Document) -> Place:
    return document.root.at("components") if "components" in document.root.value else Place({}, "/components")


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
        compare_parameters(walk, (old, new), (walk.base.open(before), walk.head.open(after)))


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
        "security": document_security,
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
        "security": operation_security,
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
