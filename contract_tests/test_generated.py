"""Responses drawn from the schema: those that keep it lose nothing, those that break it become an error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Config, GenerationMode

from contract_tests.wire import BASE_URL, TASK_ID
from kkiai_api.models import VideoTask as GeneratedTask
from kkiai_sdk import APIError, Kkiai, VideoTask
from kkiai_sdk.contract import _spec
from kkiai_sdk.contract._messages import Exchange, Request, Response
from kkiai_sdk.contract._rules import judge
from tests.support.adapter import KINDS, Maker, raw_query
from tests.support.effort import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

SPEC = _spec.load()
SCHEMA = SPEC.at("/paths/~1v1~1video~1query/get/responses/200/content/application~1json/schema")
DOCUMENTED = set(SCHEMA.value["properties"])
#: Names that gateways use, so that made-up objects are looked into.
WORDS = sorted(DOCUMENTED | {"data", "error", "code", "message", "success", "detail", "url", "output", "task_id"})
DRAWN = settings(
    max_examples=examples(150), derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)

#: What no schema was asked for: any JSON, and bytes that are none.
ANYTHING: SearchStrategy[Any] = st.binary(max_size=40) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner, max_size=6),
    max_leaves=12,
)


def bodies(mode: GenerationMode) -> SearchStrategy[Any]:
    """JSON values that keep the schema of a success, or break it.

    schemathesis generates requests, so the schema of the answer is shown to it as one of a request.
    """
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": f"#{SCHEMA.address}"}}}}
    scratch = {
        "openapi": "3.1.0",
        "info": {"title": "answers", "version": "1"},
        "paths": {"/answers": {"post": {"requestBody": body, "responses": {"200": {"description": "x"}}}}},
        "components": {"schemas": SPEC.document["components"]["schemas"]},
    }
    plain = {"analysis": {"constants": {"enabled": False}}, "generation": {"database": "none"}}
    schema = schemathesis.openapi.from_dict(scratch, config=Config.from_dict(plain))
    return schema["/answers"]["POST"].as_strategy(generation_mode=mode).map(lambda case: case.body)


def written(body: Any) -> bytes:
    """A drawn body as it is sent. Some that break the contract are drawn as bytes that are no JSON at all."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def conforms(body: Any) -> bool:
    """Whether an answer with this body fits the schema, its formats included."""
    response = Response(200, (("Content-Type", "application/json"),), written(body))
    found = {violation.rule.id for violation in judge(SPEC, Exchange(Request("GET", "/v1/video/query"), response))}
    return not found & {"response-body", "response-schema", "integer-range"}


class Source:
    """Hands the client the body that was set last. The transport is plain, for speed: nothing is sent."""

    def __init__(self) -> None:
        self.body = b""
        self.transport = httpx.MockTransport(self._answer)

    def _answer(self, _: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Type": "application/json"}, content=self.body)


class Reader:
    """A client of one kind and the source of its answers."""

    def __init__(self, maker: Maker) -> None:
        self._source = Source()
        options = {"max_retries": 0, "httpx_args": {"transport": self._source.transport}}
        self.client: Kkiai = maker(BASE_URL, **options)

    def query(self, body: Any) -> VideoTask:
        """Return the facade's reading of a body."""
        self._source.body = written(body)
        return self.client.query(TASK_ID)

    def raw(self, body: Any) -> Any:
        """Return the generated function's reading of a body."""
        self._source.body = written(body)
        return raw_query(self.client, TASK_ID).parsed


@pytest.fixture(scope="module", params=KINDS)
def reader(request: pytest.FixtureRequest) -> Iterator[Reader]:
    """One client for all bodies."""
    maker = Maker(request.param)
    yield Reader(maker)
    maker.close()


@DRAWN
@given(body=bodies(GenerationMode.POSITIVE))
def test_conforming_body_loses_nothing_when_read(reader: Reader, body: Any) -> None:
    """Every field of a body that keeps the contract is found again, through the generated client and the facade."""
    assert conforms(body)
    generated = reader.raw(body)
    assert isinstance(generated, GeneratedTask)
    assert generated.to_dict() == body
    task = reader.query(body)
    assert (task.id, task.raw) == (TASK_ID, body)
    assert (task.answered_id or "", task.status, task.enhanced_prompt) == (
        body["id"],
        body["status"],
        body["enhanced_prompt"],
    )
    assert (task.video_url, task.status_update_time) == (body["video_url"], body["status_update_time"])
    assert dict(task.extra) == {name: value for name, value in body.items() if name not in DOCUMENTED}
    assert VideoTask.from_dict(json.loads(task.to_json())) == task


@DRAWN
@given(body=bodies(GenerationMode.NEGATIVE) | ANYTHING)
def test_body_off_the_contract_becomes_a_task_or_an_error(reader: Reader, body: Any) -> None:
    """A body that breaks the contract becomes a task or an APIError, through the generated client as the facade."""
    assert not conforms(body)
    seen = []
    for read in (reader.raw, reader.query):
        try:
            seen.append(type(read(body)))
        except APIError as error:
            seen.append(type(error))
    assert seen in ([GeneratedTask, VideoTask], [seen[1]] * 2)
    assert isinstance(body, dict) or issubclass(seen[1], APIError)


@pytest.mark.deep
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_generated_bodies_vary_and_repeat(mode: GenerationMode) -> None:
    """The generator brings many different bodies, and the same ones every time."""

    def draw() -> list[bytes]:
        found: list[bytes] = []

        @settings(DRAWN, max_examples=50)
        @given(body=bodies(mode))
        def collect(body: Any) -> None:
            found.append(written(body))

        collect()
        return found

    first = draw()
    assert len(set(first)) > 30
    assert draw() == first
