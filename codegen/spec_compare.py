"""Comparison of two OpenAPI documents: the handlers of each member of each kind of object.

A member without a handler is reported as unclassified, which is breaking: a false alarm is better than silence. This
covers callbacks, webhooks, links, discriminators and members of later versions of OpenAPI.
"""

from __future__ import annotations

from codegen.spec_document import Document, Members, Place, SpecError, items
from codegen.spec_operations import compare_parameters, document_security, operation_security
from codegen.spec_rules import ANY, REQUEST, RESPONSE, REWRITTEN, UNCLASSIFIED
from codegen.spec_schemas import NOTES, SCHEMA, subschema
from codegen.spec_walk import EVERY_OTHER, Change, Grammar, Handler, Walk, flag, leaf, member, named, on

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def compare(base: Document, head: Document) -> list[Change]:
    """Return the changes between two documents: worst first, then by pointer; empty for equal documents.

    Schemas are compared on the sides where they are used; unused schemas on both. Raises ``SpecError`` for a ``$ref``
    without a target, and for documents that are nested too deeply.
    """
    walk = Walk(base, head, _GRAMMAR)
    try:
        walk.compare("document", ANY, base.root, head.root)
        walk.compare("components", ANY, *(_components(each) for each in (base, head)))
        return walk.changes()
    except RecursionError:
        raise SpecError("the documents are nested too deeply to be compared") from None


def _components(document: Document) -> Place:
    return document.root.at("components") if "components" in document.root.value else Place({}, "/components")


def _elsewhere(_walk: Walk, _side: str, _key: str, _old: Members, _new: Members) -> None:
    """Skip a member that another handler compares."""


def _servers(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
    before, after = _by_url(walk.base, old.get(key)), _by_url(walk.head, new.get(key))
    if before is None or after is None:
        walk.report_if_different(UNCLASSIFIED, old.get(key), new.get(key))
        return
    for url in sorted(before.keys() | after.keys()):
        places = before.get(url), after.get(url)
        walk.compare_if_both("server", ANY, ("server-added", "server-removed"), places)
    if next(iter(before), None) != next(iter(after), None):
        walk.report("default-server-changed", old.get(key), new.get(key))
    elif list(before) != list(after) and before.keys() == after.keys():
        walk.report(REWRITTEN, old.get(key), new.get(key))


def _by_url(document: Document, servers: Place | None) -> dict[str, Place] | None:
    found: dict[str, Place] = {}
    for place in items(servers):
        server = document.open(place)
        if server is None or not isinstance(server.value("url"), str) or server.value("url") in found:
            return None
        found[server.value("url")] = place
    return found if servers is None or isinstance(servers.value, list) else None


def _paths(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    for name, places in walk.pair_members(key, old, new, "path-renamed"):
        if name.startswith("x-"):
            walk.report_if_different("extension-changed", *places)
        else:
            walk.compare_if_both("path-item", side, ("path-added", "path-removed"), places)


def _operation(walk: Walk, side: str, key: str, old: Members, new: Members) -> None:
    before, after = old.get(key), new.get(key)
    walk.compare_if_both("operation", side, ("method-added", "method-removed"), (before, after))
    if before is not None and after is not None:
        compare_parameters(walk, (old, new), (walk.base.open(before), walk.head.open(after)))


def _tags(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
    first = [next(iter(items(each.get(key))), None) for each in (old, new)]
    texts = [None if place is None else place.value for place in first]
    rule = "further-tags-changed" if texts[0] == texts[1] else "operation-tag-changed"
    walk.report_if_different(rule, old.get(key), new.get(key))


def _request_body(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
    after = new.get(key)
    opened = None if after is None else walk.head.open(after)
    required = opened is not None and opened.value("required") is True
    added = "required-request-body-added" if required else "request-body-added"
    walk.compare_if_both("request-body", REQUEST, (added, "request-body-removed"), (old.get(key), after))


def _schemas(walk: Walk, _side: str, key: str, old: Members, new: Members) -> None:
    for _, places in walk.pair_members(key, old, new, "schema-renamed"):
        used = walk.sides_of(place.pointer for place in places if place is not None)
        for side in sorted(used or {REQUEST, RESPONSE}):
            walk.compare_if_both("schema", side, ("schema-added", "schema-removed"), places)


_NOTES: dict[str, Handler] = dict.fromkeys(NOTES, leaf("note-changed"))
_VALUE: dict[str, Handler] = {
    **_NOTES,
    **dict.fromkeys(("style", "explode", "allowReserved", "allowEmptyValue"), leaf("serialisation-changed")),
    "schema": subschema,
    "content": named("media-type", "{side}-media-type-added", "{side}-media-type-removed"),
    "deprecated": leaf("deprecation-changed"),
}
_GRAMMAR: Grammar = {
    "document": {
        "openapi": leaf("openapi-changed"),
        "info": member("info", UNCLASSIFIED, UNCLASSIFIED),
        "servers": _servers,
        "paths": _paths,
        "components": _elsewhere,
        "security": document_security,
        **dict.fromkeys(("tags", "externalDocs"), leaf("note-changed")),
    },
    "info": {
        **dict.fromkeys(
            ("title", "summary", "description", "contact", "license", "termsOfService"), leaf("note-changed")
        ),
        "version": leaf("version-changed"),
    },
    "server": {"url": _elsewhere, "description": leaf("note-changed")},
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
        EVERY_OTHER: member("response", "status-added", "status-removed"),
    },
    "response": {
        **_NOTES,
        "headers": named("header", "response-header-added", "response-header-removed"),
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
        "parameters": on(REQUEST, named("parameter", "component-added", "component-removed")),
        "requestBodies": on(REQUEST, named("request-body", "component-added", "component-removed")),
        "headers": on(RESPONSE, named("header", "component-added", "component-removed")),
        "responses": on(RESPONSE, named("response", "component-added", "component-removed")),
    },
}
