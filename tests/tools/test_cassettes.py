"""VCR.py: what a client was answered is recorded, and replayed when the server is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import vcr  # type: ignore[import-untyped]

from tests.support.canary import KEY
from tests.support.rawserver import RawServer
from tests.tools.calls import CALLS, RESULTS, TASK_ID, perform, replies

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime
    from tests.tools.conftest import Serve


def recorded(cassette: Any) -> list[tuple[str, str, int]]:
    """Method, path and status of everything on a cassette."""
    pairs = zip(cassette.requests, cassette.responses, strict=True)
    return [(request.method, request.path, response["status"]["code"]) for request, response in pairs]


@pytest.mark.parametrize("call", CALLS)
def test_vcr_replays_every_request_without_a_server(call: str, make: Maker, clock: FakeTime, tmp_path: Path) -> None:
    """A call is recorded against a server, and gives the same when replayed with the server stopped. With
    ``filter_headers=["authorization"]``, which is the caller's to set, the cassette does not hold the key.
    """
    cassettes = vcr.VCR(filter_headers=["authorization"])
    expected = [("GET", reply.path, reply.status) for reply in replies(call)]
    file = str(tmp_path / "cassette.yaml")
    with RawServer([reply.act for reply in replies(call)], clock=clock.monotonic) as server:
        client = make(server.url)
        with cassettes.use_cassette(file, record_mode="once") as cassette:
            assert perform(call, client, tmp_path) == RESULTS[call]
            assert recorded(cassette) == expected
    with cassettes.use_cassette(file, record_mode="none") as cassette:
        assert perform(call, client, tmp_path) == RESULTS[call]
        assert recorded(cassette) == expected
        assert cassette.all_played
    assert len(server.requests) == len(expected)


def test_vcr_without_a_filter_records_the_key(
    make: Maker, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """VCR.py records every request header field unless told to filter it: a cassette made without
    ``filter_headers=["authorization"]`` holds the key, and must not be committed.
    """
    file = tmp_path_factory.mktemp("unfiltered") / "cassette.yaml"
    server = serve(reply.act for reply in replies("query"))
    with vcr.use_cassette(str(file)):
        make(server.url).query(TASK_ID)
    assert f"Bearer {KEY}" in file.read_text("utf-8")
