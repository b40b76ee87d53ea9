"""The gateway's answers against ``openapi.yaml``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from jsonschema_rs import Draft202012Validator
from ruamel.yaml import YAML

from kkiai_sdk.mock import scenarios

if TYPE_CHECKING:
    from kkiai_sdk.mock.messages import Reply
    from tests.mock.app_client import AppClient

SPEC = YAML(typ="safe").load(Path(__file__).parents[2] / "openapi.yaml")
RESPONSES: dict[str, Any] = SPEC["paths"]["/v1/video/query"]["get"]["responses"]

#: Scripts that break the contract on purpose.
DEVIANT = {
    *("minimal", "wrapped", "wrapped-fails", "wrapped-null", "task-id", "missing-status"),
    *("relative-url", "spaced-url"),
    *("html-502", "html-200", "empty-200", "not-json-200", "error-200"),
    *("http-408", "http-409", "http-422", "http-425"),
    *(f"hiccup-{name}" for name in ("404", "challenge", "maintenance", "empty-200", "empty-200-stays")),
    *(f"hiccup-{name}" for name in ("code-429", "code-500", "code-502", "rate-limit", "server-error", "overloaded")),
    *(f"hiccup-{name}" for name in ("busy", "busy-chinese")),
    *(name for name in scenarios() if name.startswith("forms-")),
}


def is_uri(value: str) -> bool:
    """Whether the value is an absolute URI, as far as the contract cares."""
    return bool(urlsplit(value).scheme) and " " not in value


def conforms(reply: Reply) -> bool:
    """Whether the contract declares the reply's status, and its schema allows the body."""
    status = str(reply.status)
    declared = RESPONSES.get(status) or RESPONSES.get(f"{status[0]}XX")
    if declared is None or reply.content_type not in declared["content"]:
        return False
    try:
        body = json.loads(reply.body)
    except ValueError:
        return False
    schema = declared["content"]["application/json"]["schema"] | {"components": SPEC["components"]}
    return Draft202012Validator(schema, validate_formats=True, formats={"uri": is_uri}).is_valid(body)


def play(app: AppClient, name: str) -> list[Reply]:
    """The answers of a scenario from its beginning to after its end."""
    return [app.query(f"grok:scenario-{name}", time) for time in (0.5, 3.5, 7.5, 11.5, 16.5)]


@pytest.mark.parametrize("name", [name for name in scenarios() if name not in DEVIANT])
@pytest.mark.fault("M-02")
def test_scenario_within_contract_conforms_to_openapi(app: AppClient, name: str) -> None:
    """Every answer of a scenario that is not a breach of contract conforms to openapi.yaml."""
    assert all(conforms(reply) for reply in play(app, name))


@pytest.mark.parametrize("name", sorted(DEVIANT))
def test_deviant_scenario_has_answer_that_does_not_conform(app: AppClient, name: str) -> None:
    """A scenario that is listed as a breach of contract has an answer that does not conform."""
    assert not all(conforms(reply) for reply in play(app, name))


@pytest.mark.parametrize(
    ("query", "key", "status"),
    [
        ("id=grok:0b7c1a52-3f2e-4c0b-9a76-2f6f0f8a1c44", "Bearer sk-good", 200),
        ("id=cow", "Bearer sk-good", 400),
        ("id=grok:scenario-fials", "Bearer sk-good", 400),
        ("", "Bearer sk-good", 400),
        ("id=cow", "", 401),
        ("id=cow", "Bearer sk-bad", 401),
    ],
)
def test_answer_without_script_conforms_to_openapi(app: AppClient, query: str, key: str, status: int) -> None:
    """An answer that no script gives conforms to openapi.yaml."""
    reply = app.send("/v1/video/query", query, authorization=key)
    assert (reply.status, conforms(reply)) == (status, True)
