"""Property: any response is a result or a KkiaiError."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kkiai_sdk import KkiaiError, VideoTask
from tests.support.effort import examples
from tests.support.rawserver import End, RawReply
from tests.support.wire import completed_task, http, pattern

if TYPE_CHECKING:
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker

#: One server and one client for all examples: an example leaves only a connection.
lasting: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
#: Known names, with any values.
names = st.sampled_from(
    ["id", "task_id", "status", "video_url", "data", "error", "code", "message", "success", "progress", "detail",
     "output", "url", "metadata", "status_update_time", "enhanced_prompt", "fail_reason"]
)  # fmt: skip
objects = st.dictionaries(names, values, max_size=6)
bodies = (objects | values).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200)
statuses = st.sampled_from([200] * 6 + [201, 204, 302, 400, 401, 403, 404, 429, 499, 503, 520]) | st.integers(200, 999)
texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30)
fields = st.lists(
    st.tuples(
        st.sampled_from(["Retry-After", "Location", "X-Request-Id", "Content-Type", "Content-Encoding", "Set-Cookie"]),
        st.sampled_from(["", "gzip", "br", "identity", "text/html", "7", "nan", "http://[::1", "a=b; Path=/"]) | texts,
    ),
    max_size=3,
)
#: Bytes that are not HTTP, or only begin like it.
rubbish = st.binary(max_size=100) | st.binary(max_size=60).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail)
broken = rubbish.map(lambda data: RawReply(data, end=End.FIN))


def answers(
    of: st.SearchStrategy[bytes], more: st.SearchStrategy[list[tuple[str, str]]]
) -> st.SearchStrategy[RawReply]:
    """Responses with these bodies and headers, and bytes that are no response."""
    return st.builds(lambda status, body, extra: http(status, body, *extra), statuses, of, more) | broken


@settings(max_examples=examples(1000), **lasting)
@given(reply=answers(bodies, fields))
@pytest.mark.fault("J-19")
def test_any_response_to_a_query_is_a_task_or_a_kkiai_error(make: Maker, serve: Serve, reply: RawReply) -> None:
    """Any response to a query gives a VideoTask or a KkiaiError, and no other exception."""
    current[0] = reply
    client = make.made[0] if make.made else make(serve(each=lambda _: current[0]).url, timeout=5)
    try:
        result: object = client.query("t", max_retries=0)
    except KkiaiError as error:
        result = error
    assert isinstance(result, VideoTask) or str(result)


VIDEO = pattern(1, 0, 900)
ranges = st.sampled_from(["bytes 0-899/900", "bytes 450-899/900", "bytes 450-899/*", "bytes */900", "bytes 0-1/2", "x"])
file_fields = fields | st.tuples(
    st.tuples(st.just("Content-Range"), ranges | texts),
    st.tuples(st.just("ETag"), st.sampled_from(['"one"', 'W/"one"', "", '"two"']) | texts),
).map(list)
files = st.sampled_from([VIDEO, VIDEO[:450], VIDEO[450:], b""]) | st.binary(max_size=600)


@settings(max_examples=examples(100), **lasting)
@given(acts=st.tuples(answers(files, file_fields), answers(files, file_fields)), cut=st.none() | st.integers(0, 900))
def test_any_response_to_a_download_is_a_whole_file_or_a_kkiai_error(
    make: Maker, serve: Serve, tmp_path: Path, acts: tuple[RawReply, RawReply], cut: int | None
) -> None:
    """Any response to a download gives one whole body that was sent, or a KkiaiError and no file."""
    first, rest = acts
    current[:] = [rest, first if cut is None or not first.body else first.cut(cut)]
    client = make.made[0] if make.made else make("http://127.0.0.1:9", timeout=5, max_retries=0)
    url = serve(each=lambda _: current.pop() if len(current) > 1 else current[0]).url
    target = tmp_path / "v.mp4"
    try:
        client.download(completed_task(url), target)
    except KkiaiError:
        expected: set[object] = {b""}
    else:
        expected = {first.body, rest.body, VIDEO}
    assert (target.read_bytes() if target.exists() else b"") in expected
    for path in tmp_path.iterdir():
        path.unlink()


#: The next response of the server.
current = [RawReply()]
