"""Tools that trace requests: Sentry and OpenTelemetry each record every request of a client, and never the key."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
import sentry_sdk
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import INVALID_SPAN_CONTEXT
from sentry_sdk.integrations.httpx import HttpxIntegration
from sentry_sdk.transport import Transport

from kkiai_sdk import APIError
from tests.support.canary import KEY
from tests.support.wire import RESET, error_reply
from tests.tools.calls import CALLS, RESULTS, TASK_ID, perform, replies

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sentry_sdk.envelope import Envelope

    from tests.support.adapter import Maker
    from tests.support.rawserver import RawReply, RawServer
    from tests.tools.conftest import Serve

#: Method, path and status of one request.
Exchange = tuple[str, str, int]


def exchanges(call: str) -> list[Exchange]:
    """The requests of a call, as a tool should record them."""
    return [("GET", reply.path, reply.status) for reply in replies(call)]


def exchange(fields: Any) -> Exchange:
    """A request as both tools record it, under the names of OpenTelemetry's older conventions."""
    url = fields.get("http.url") or fields["url"]
    status = fields.get("http.response.status_code") or fields.get("http.status_code")
    return fields["http.method"], urlsplit(url).path, status


class Envelopes(Transport):
    """Keeps what Sentry would send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        """Keep one."""
        self.sent.append(envelope)

    def payloads(self, kind: str) -> list[Any]:
        """The items of one type, as JSON."""
        return [item.payload.json for envelope in self.sent for item in envelope.items if item.type == kind]


def start_sentry(transport: Transport) -> None:
    sentry_sdk.init(
        dsn="https://public@sentry.test.invalid/1",
        transport=transport,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[HttpxIntegration()],
        enable_backpressure_handling=False,  # its thread outlives the client
        traces_sample_rate=1.0,
    )


def stop_sentry() -> None:
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


@cache
def traced_sends() -> dict[type, Any]:
    """Methods that Sentry puts in place of httpx's. It does so once in a process, and does not restore them."""
    with pytest.MonkeyPatch.context() as patch:
        for each in (httpx.Client, httpx.AsyncClient):
            patch.setattr(each, "send", each.send)
        start_sentry(Envelopes())
        stop_sentry()
        return {each: each.send for each in (httpx.Client, httpx.AsyncClient)}


@pytest.fixture
def sentry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Envelopes]:
    """Sentry with its httpx integration and no other, for the duration of one test."""
    for each, send in traced_sends().items():
        monkeypatch.setattr(each, "send", send)
    envelopes = Envelopes()
    with sentry_sdk.isolation_scope():
        start_sentry(envelopes)
        yield envelopes
        stop_sentry()


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """The spans that OpenTelemetry's instrumentation of httpx makes during one test."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    HTTPXClientInstrumentor().instrument(tracer_provider=provider)
    yield exporter
    HTTPXClientInstrumentor().uninstrument()
    provider.shutdown()


def requests_with(field: str, server: RawServer) -> list[str | None]:
    """The values of one header field, request by request."""
    return [request.header(field) for request in server.requests]


@pytest.mark.parametrize("call", CALLS)
def test_sentry_records_every_request_of_a_call(
    call: str, sentry: Envelopes, make: Maker, serve: Serve, tmp_path: Path
) -> None:
    """Each attempt becomes a span and a breadcrumb with method, path and status; neither holds the key."""
    server = serve(reply.act for reply in replies(call))
    client = make(server.url)
    with sentry_sdk.start_transaction(name="the caller's own"):
        assert perform(call, client, tmp_path) == RESULTS[call]
    sentry_sdk.capture_message("so that breadcrumbs are sent")
    (transaction,), (event,) = sentry.payloads("transaction"), sentry.payloads("event")
    assert [exchange(span["data"]) for span in transaction["spans"]] == exchanges(call)
    assert [exchange(crumb["data"]) for crumb in event["breadcrumbs"]["values"]] == exchanges(call)
    assert KEY not in repr([each.serialize() for each in sentry.sent])


@pytest.mark.parametrize("call", CALLS)
def test_opentelemetry_records_every_request_of_a_call(
    call: str, spans: InMemorySpanExporter, make: Maker, serve: Serve, tmp_path: Path
) -> None:
    """Each attempt becomes a span with method, path and status; the key is in no attribute."""
    server = serve(reply.act for reply in replies(call))
    assert perform(call, make(server.url), tmp_path) == RESULTS[call]
    finished = spans.get_finished_spans()
    assert [exchange(span.attributes) for span in finished] == exchanges(call)
    assert KEY not in repr([span.to_json() for span in finished])


@pytest.mark.parametrize("reply", [error_reply(401), RESET], ids=["refused", "reset"])
def test_sentry_reports_an_error_without_the_key(reply: RawReply, sentry: Envelopes, make: Maker, serve: Serve) -> None:
    """An exception of the SDK that is sent to Sentry, with the local variables of its frames, does not hold the key."""
    client = make(serve([reply]).url, max_retries=0)
    with pytest.raises(APIError) as caught:
        client.query(TASK_ID)
    sentry_sdk.capture_exception(caught.value)
    (event,) = sentry.payloads("event")
    assert any(frame["vars"] for frame in event["exception"]["values"][-1]["stacktrace"]["frames"])
    assert KEY not in repr(sentry.sent[-1].serialize())


def test_sentry_trace_headers_reach_the_gateway(sentry: Envelopes, make: Maker, serve: Serve) -> None:
    """The header fields by which Sentry continues a trace on the server are sent, one span for each attempt."""
    server = serve(reply.act for reply in replies("retry"))
    client = make(server.url)
    with sentry_sdk.start_transaction(name="the caller's own") as transaction:
        client.query(TASK_ID)
    (recorded,) = sentry.payloads("transaction")
    ids = [f"{transaction.trace_id}-{span['span_id']}-1" for span in recorded["spans"]]
    assert requests_with("sentry-trace", server) == ids
    assert len(set(ids)) == 2


def test_opentelemetry_trace_headers_reach_the_gateway(spans: InMemorySpanExporter, make: Maker, serve: Serve) -> None:
    """The header field by which a trace continues on the server is sent, one span for each attempt."""
    server = serve(reply.act for reply in replies("retry"))
    make(server.url).query(TASK_ID)
    contexts = [span.get_span_context() or INVALID_SPAN_CONTEXT for span in spans.get_finished_spans()]
    ids = [f"00-{each.trace_id:032x}-{each.span_id:016x}-{each.trace_flags:02x}" for each in contexts]
    assert requests_with("traceparent", server) == ids
    assert len(set(ids)) == 2
