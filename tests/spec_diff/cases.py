"""Changes of a small document, each with what must be said of it and of its reverse."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from codegen.spec_compare import compare
from codegen.spec_document import Document, Place

ROOT = Path(__file__).parent.parent.parent
NOTHING = object()
"""Stands for a member that is not there."""

TEXT: dict[str, Any] = {"type": "string"}
ID: dict[str, Any] = {"name": "id", "in": "query", "required": True, "schema": TEXT}
SIZE: dict[str, Any] = {"name": "size", "in": "query", "schema": {"type": "integer"}}
JSON: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
KEY: dict[str, Any] = {"type": "http", "scheme": "bearer"}
GET: dict[str, Any] = {
    "operationId": "readVideo",
    "tags": ["video"],
    "security": [{"key": ["read"]}],
    "parameters": [ID],
    "responses": {
        "200": {
            "description": "The video.",
            "headers": {"Trace": {"required": True, "schema": TEXT}},
            "content": JSON,
        }
    },
}
POST = {"operationId": "makeVideo", "requestBody": {"content": JSON}, "responses": {"201": {"description": "Made."}}}
SPEC: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Videos", "version": "1.0.0"},
    "servers": [{"url": "https://a.example.com"}],
    "security": [{"key": ["read"]}],
    "paths": {"/video": {"get": GET, "post": POST}},
    "components": {"securitySchemes": {"key": KEY}},
}

SEND = "/paths/~1video/get/parameters/0/schema"
READ = "/paths/~1video/get/responses/200/content/application~1json/schema"


def document(*settings: tuple[str, object], spec: Any = SPEC) -> dict[str, Any]:
    """A copy of the small document with each pointer set to its value; what is on the way is made."""
    changed: dict[str, Any] = json.loads(json.dumps(spec))  # a deep copy that shares nothing inside
    for pointer, value in settings:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
        holder: Any = changed
        for step in steps[:-1]:
            holder = holder[int(step)] if isinstance(holder, list) else holder.setdefault(step, {})
        key: Any = int(steps[-1]) if isinstance(holder, list) else steps[-1]
        if value is NOTHING:
            del holder[key]
        else:
            holder[key] = deepcopy(value)
    return changed


def from_data(data: object, label: str) -> Document:
    """Return a document whose places have no lines."""
    return Document(label, Place(data, ""), {})


def found(before: object, after: object) -> list[str]:
    """Return ``level rule`` for each change that the comparison reports."""
    changes = compare(from_data(before, "base"), from_data(after, "head"))
    return [f"{change.rule.level.name.lower()} {change.rule.id}" for change in changes]


def both(*said: str) -> tuple[list[str], list[str]]:
    """Return the reports of both directions."""
    return [*said], [*said]


def ways(one: str, other: str) -> tuple[list[str], list[str]]:
    """Return the reports of the change and of its reverse."""
    return [one], [other]


EVENTS: dict[str, Any] = {"done": {}}
V, G, P = "/paths/~1video", "/paths/~1video/get", "/paths/~1video/post"
OTHER = {"name": "other", "in": "query", "schema": {"type": "boolean"}}
HERE, THERE = {"url": "https://a.example.com"}, {"url": "https://b.example.com"}
BOTH_KEYS = {"key": KEY, "spare": KEY}

# Pointer, value before, value after, what is said, what is said of the reverse.
STRUCTURE: list[tuple[str, object, object, tuple[list[str], list[str]]]] = [
    ("/openapi", "3.1.0", "3.0.3", both("breaking openapi-changed")),
    ("/openapi", "3.1.0", "3.1.1", both("harmless rewritten")),
    ("/info/version", "1.0.0", "1.1.0", both("harmless version-changed")),
    ("/info/title", "Videos", "Films", both("harmless note-changed")),
    ("/tags", NOTHING, [{"name": "video"}], both("harmless note-changed")),
    (f"{G}/description", "One.", "Two.", both("harmless note-changed")),
    (f"{G}/summary", "One.", NOTHING, both("harmless note-changed")),
    (f"{G}/parameters/0/example", "a", "b", both("harmless note-changed")),
    (f"{G}/x-owner", "us", "them", both("harmless extension-changed")),
    ("/paths/x-owner", "us", "them", both("harmless extension-changed")),
    (f"{G}/deprecated", NOTHING, True, both("harmless deprecation-changed")),
    (f"{G}/parameters/0/deprecated", NOTHING, True, both("harmless deprecation-changed")),
    (f"{G}/callbacks", NOTHING, EVENTS, ways("additive callbacks-added", "breaking callbacks-removed")),
    (f"{G}/callbacks", EVENTS, {"done": {"a": 1}}, both("breaking unclassified-change")),
    ("/webhooks", NOTHING, EVENTS, ways("additive webhooks-added", "breaking webhooks-removed")),
    ("/webhooks", EVENTS, {}, both("breaking unclassified-change")),
    (f"{G}/responses/200/links", NOTHING, EVENTS, ways("additive links-added", "breaking links-removed")),
    (f"{G}/responses/200/links", EVENTS, {"done": {"a": 1}}, both("breaking unclassified-change")),
    ("/components/links", NOTHING, EVENTS, ways("harmless component-added", "harmless component-removed")),
    ("/components/callbacks", EVENTS, {"done": {"a": 1}}, both("breaking unclassified-change")),
    ("/components/pathItems", NOTHING, {"It": {}}, ways("harmless component-added", "harmless component-removed")),
    ("/servers", [HERE], [HERE, THERE], ways("additive server-added", "breaking server-removed")),
    ("/servers", [HERE, THERE], [THERE, HERE], both("breaking default-server-changed")),
    ("/servers", [HERE, THERE, {"url": "/"}], [HERE, {"url": "/"}, THERE], both("harmless rewritten")),
    ("/servers", [HERE], [{"url": "https://a.example.com/"}], both("harmless rewritten")),
    ("/servers", NOTHING, [{"url": "/"}], both("harmless rewritten")),
    ("/servers/0/description", "One.", "Two.", both("harmless note-changed")),
    (f"{G}/servers", NOTHING, [THERE], both("breaking local-servers-changed")),
    ("/paths/~1film", NOTHING, {"get": POST}, ways("additive path-added", "breaking path-removed")),
    (f"{V}/put", NOTHING, POST, ways("additive method-added", "breaking method-removed")),
    (f"{G}/operationId", "readVideo", "getVideo", both("breaking operation-id-changed")),
    (f"{G}/tags", ["video"], ["film"], both("breaking operation-tag-changed")),
    (f"{G}/tags", ["video"], ["video", "film"], both("harmless further-tags-changed")),
    ("/security", [], [{"key": []}], ways("breaking security-added", "breaking security-removed")),
    ("/security", [{"key": []}], [{"key": []}, {}], ways("breaking security-removed", "breaking security-added")),
    (f"{G}/security", [], [{"key": []}], ways("breaking security-added", "breaking security-removed")),
    (f"{G}/security", [{"key": ["read"]}], NOTHING, ways("breaking security-not-repeated", "harmless rewritten")),
    (
        f"{G}/security",
        [{"key": []}],
        [{"key": []}, {"spare": []}],
        ways("additive security-alternative-added", "breaking security-alternative-removed"),
    ),
    (f"{G}/security", [{"key": []}, {"b": []}], [{"b": []}, {"key": []}], both("harmless rewritten")),
    (
        f"{G}/security",
        [{"key": []}],
        [{"key": ["read"]}],
        ways("breaking security-scope-added", "additive security-scope-removed"),
    ),
    (f"{G}/security", [], [{}], both("harmless rewritten")),
    (f"{G}/security", [{"a": []}, {"a": ["b"]}], [{"a": []}], both("breaking unclassified-change")),
    (
        f"{G}/security",
        [],
        [{}, {"key": []}],
        ways("additive security-alternative-added", "breaking security-alternative-removed"),
    ),
    (
        "/components/securitySchemes",
        {"key": KEY},
        BOTH_KEYS,
        ways("additive security-scheme-added", "breaking security-scheme-removed"),
    ),
    ("/components/securitySchemes/key/scheme", "bearer", "basic", both("breaking security-scheme-changed")),
    ("/components/securitySchemes/key/description", "One.", "Two.", both("harmless note-changed")),
    (f"{G}/parameters", [ID], [ID, SIZE], ways("additive parameter-added", "breaking parameter-removed")),
    (
        f"{G}/parameters",
        [SIZE],
        [SIZE, ID],
        ways("breaking required-parameter-added", "breaking parameter-removed"),
    ),
    (
        f"{G}/parameters",
        [SIZE],
        [{**SIZE, "name": "scale"}],
        both("breaking parameter-removed", "additive parameter-added"),
    ),
    (
        f"{G}/parameters",
        [SIZE],
        [{**SIZE, "in": "header"}],
        both("breaking parameter-removed", "additive parameter-added"),
    ),
    (f"{G}/parameters", [ID, SIZE], [SIZE, ID], both("harmless rewritten")),
    (
        f"{G}/parameters/0/required",
        NOTHING,
        True,
        ways("breaking parameter-made-required", "additive parameter-made-optional"),
    ),
    (f"{G}/parameters/0/required", NOTHING, False, both("harmless rewritten")),
    (f"{G}/parameters/0/explode", NOTHING, False, both("breaking serialisation-changed")),
    (f"{G}/parameters/0/explode", NOTHING, True, both("harmless rewritten")),
    (f"{G}/parameters/0/style", NOTHING, "form", both("harmless rewritten")),
    (f"{G}/responses/200/headers/Trace/style", NOTHING, "simple", both("harmless rewritten")),
    (f"{G}/responses/200/headers/Trace/explode", NOTHING, False, both("harmless rewritten")),
    (f"{G}/parameters/0/allowReserved", NOTHING, False, both("harmless rewritten")),
    (f"{G}/parameters/0/allowReserved", NOTHING, True, both("breaking serialisation-changed")),
    ("/servers", [HERE], [HERE, HERE], both("harmless rewritten")),
    ("/servers", [HERE], [HERE | {"variables": {}}], both("harmless rewritten")),
    ("/servers", [HERE], [HERE | {"variables": {"a": {"default": "b"}}}], both("breaking unclassified-change")),
    (f"{G}/responses/200/headers", NOTHING, {}, both("harmless rewritten")),
    (
        f"{P}/requestBody",
        NOTHING,
        {"content": JSON},
        ways("additive request-body-added", "breaking request-body-removed"),
    ),
    (
        f"{P}/requestBody",
        NOTHING,
        {"required": True, "content": JSON},
        ways("breaking required-request-body-added", "breaking request-body-removed"),
    ),
    (
        f"{P}/requestBody/required",
        False,
        True,
        ways("breaking request-body-made-required", "additive request-body-made-optional"),
    ),
    (
        f"{P}/requestBody/content/text~1plain",
        NOTHING,
        {},
        ways("additive request-media-type-added", "breaking request-media-type-removed"),
    ),
    (
        f"{G}/responses/200/content/text~1plain",
        NOTHING,
        {},
        ways("additive response-media-type-added", "breaking response-media-type-removed"),
    ),
    (f"{G}/responses/404", NOTHING, {"description": "No."}, ways("additive status-added", "breaking status-removed")),
    (
        f"{G}/responses",
        {"404": {"description": "No."}},
        {"4XX": {"description": "No."}},
        (["additive status-added", "harmless status-widened"], ["breaking status-removed", "additive status-added"]),
    ),
    (
        f"{G}/responses",
        {"200": {"description": "Yes."}},
        {"2XX": {"description": "Yes."}},
        (["breaking status-removed", "additive status-added"], ["breaking status-removed", "additive status-added"]),
    ),
    (
        f"{G}/responses",
        {"404": {"description": "No.", "content": JSON}},
        {"4XX": {"description": "No."}},
        (
            ["breaking response-media-type-removed", "additive status-added", "harmless status-widened"],
            ["breaking status-removed", "additive status-added"],
        ),
    ),
    (f"{G}/responses/x-more", "one", "two", both("harmless extension-changed")),
    (
        f"{G}/responses/default",
        NOTHING,
        {"description": "Else."},
        ways("breaking default-response-added", "breaking default-response-removed"),
    ),
    (
        f"{G}/responses/200/headers/x-age",
        NOTHING,
        {"schema": TEXT},
        ways("additive response-header-added", "breaking response-header-removed"),
    ),
    (
        f"{G}/responses/200/headers/Trace/required",
        False,
        True,
        ways("additive response-header-made-required", "breaking response-header-made-optional"),
    ),
    (
        "/components/responses",
        NOTHING,
        {"Gone": {"description": "Gone."}},
        ways("harmless component-added", "harmless component-removed"),
    ),
    ("/components/schemas/Film", NOTHING, TEXT, ways("additive schema-added", "breaking schema-removed")),
    ("/components/schemas", {"Film": TEXT}, {"Movie": TEXT}, both("breaking schema-removed", "additive schema-added")),
    ("/components/examples", NOTHING, {"one": {"value": 1}}, both("harmless note-changed")),
]
