"""The gateway without a network: addresses, methods, keys, ids, files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kkiai_sdk.mock import ReceivedRequest
from tests.mock.mock_bench import VIDEO, Bench
from tests.support.effort import examples

if TYPE_CHECKING:
    from kkiai_sdk.mock._messages import Reply

SIZE = len(VIDEO.data)
FILE = "/files/a.mp4"


def error(reply: Reply) -> str:
    """The message of a nested error, without the request id."""
    body = json.loads(reply.body)
    return str(body["error"]["message"]).partition(" (request id")[0]


@pytest.mark.parametrize(
    ("task_id", "status"),
    [
        ("grok:0b7c1a52-3f2e-4c0b-9a76-2f6f0f8a1c44", 200),
        ("veo3.1-fast:0B7C1A52-3F2E-4C0B-9A76-2F6F0F8A1C44", 200),
        ("sora_2-all:scenario-normal", 200),
        ("grok:scenario-normal~2", 200),
        ("grok:scenario-normal~team.a-7_b", 200),
        ("0b7c1a52-3f2e-4c0b-9a76-2f6f0f8a1c44", 400),
        ("grok:0b7c1a52", 400),
        (":scenario-normal", 400),
        ("grok:scenario-normal~", 400),
        ("grok:scenario-normal\n", 400),
        ("grok:scenario-normal~x y", 400),
        ("cow", 400),
        ("x", 400),
        ("." * 256, 400),
    ],
)
def test_ids(bench: Bench, task_id: str, status: int) -> None:
    """An id of one of the two scripted forms is a task; any other is told task_not_exist."""
    reply = bench.ask(task_id, 0.5)
    assert reply.status == status
    unknown = {"code": "task_not_exist", "message": "task_not_exist", "data": None}
    assert status == 200 or json.loads(reply.body) == unknown


def test_unknown_scenario_says_where_the_names_are(bench: Bench) -> None:
    """A misspelt scenario is a bad request that names the listing, not a task that may yet appear."""
    reply = bench.ask("grok:scenario-fials", 0.5)
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (400, "unknown_scenario")
    assert error(reply) == "no scenario has this name: see kkiai mock --list"


@pytest.mark.parametrize(
    "query", ["", "id=", "id", "id=&id=grok:scenario-fails", "ID=grok:scenario-normal", "id=" + "a" * 257, "%69d"]
)
def test_id_out_of_bounds(bench: Bench, query: str) -> None:
    """A missing, empty or too long id is a bad request that says how long an id may be."""
    reply = bench.send("/v1/video/query", query)
    assert (reply.status, error(reply)) == (400, "the parameter id must have 1 to 256 characters")


@pytest.mark.parametrize(
    "query",
    [
        "id=grok:scenario-fails&id=cow",
        "x=1&id=grok%3Ascenario-fails&y",
        "%69d=grok:scenario-fails",
        "&;&id=grok:scenario-fails",
    ],
)
def test_first_id_counts(bench: Bench, query: str) -> None:
    """Of several ids the first one counts, and parameters that nobody declared are ignored."""
    assert json.loads(bench.send("/v1/video/query", query).body)["id"] == "grok:scenario-fails"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer sk-good", 200),
        ("bearer sk-good", 200),
        ("BEARER   sk-good ", 200),
        ("Bearer sk-bad", 401),
        ("Bearer sk-good2", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        ("Bearersk-good", 401),
        ("Basic sk-good", 401),
        ("sk-good", 401),
        ("", 401),
    ],
)
def test_key(bench: Bench, header: str, status: int) -> None:
    """Only the right key as a bearer token is let in; anything else is told to authenticate."""
    reply = bench.send("/v1/video/query", "id=grok:scenario-normal", authorization=header)
    assert reply.status == status
    assert (("www-authenticate", "Bearer") in reply.headers) == (status == 401)


def test_keys_without_a_key_of_ones_own() -> None:
    """A gateway without a key of its own accepts what looks like a key, and the first token of a caller; no other."""
    bench = Bench()
    bench.gateway.api_key = None
    keys = ["x", "sk-y", "z", "", "x"]
    told = [bench.send("/v1/video/query", "id=cow", authorization=f"Bearer {key}").status for key in keys]
    assert told == [400, 400, 401, 401, 400]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "COW"])
def test_only_get(bench: Bench, method: str) -> None:
    """A query by another method is refused, with or without a key, and told which one works."""
    replies = [
        bench.send("/v1/video/query", "id=cow", method=method, authorization=key) for key in ("", "Bearer sk-good")
    ]
    assert [reply.status for reply in replies] == [405, 405]
    assert all(("allow", "GET") in reply.headers for reply in replies)


@pytest.mark.parametrize(("header", "reason"), [("", "no token was sent"), ("Bearer x", "this token is not valid")])
def test_refused_key_is_told_why(bench: Bench, header: str, reason: str) -> None:
    """A 401 tells a missing key from a wrong one."""
    assert error(bench.send("/v1/video/query", "id=cow", authorization=header)) == reason


@pytest.mark.parametrize("path", ["/files/a.mp4", "/v1/videos/a/content", "/v1/videos/a/redirect"])
def test_files_can_be_read_only(bench: Bench, path: str) -> None:
    """A file answers GET and HEAD and refuses other methods."""
    told = {method: bench.send(path, method=method) for method in ("GET", "HEAD", "PUT")}
    assert told["GET"].status == told["HEAD"].status != 405
    assert (told["PUT"].status, ("allow", "GET, HEAD") in told["PUT"].headers) == (405, True)


@pytest.mark.parametrize(
    "path", ["/", "/v1/video/query/", "/v2/video/query", "/files/a.txt", "/files/cow/a.mp4", "/%ff"]
)
def test_other_paths(bench: Bench, path: str) -> None:
    """Any other path is told that the URL is invalid, which is how a wrong base URL shows."""
    reply = bench.send(path)
    assert (reply.status, error(reply)) == (404, f"Invalid URL (GET {path})")


def test_every_reply_has_its_own_request_id(bench: Bench) -> None:
    """Every reply carries a request id, and no two are the same."""
    replies = [bench.send(path) for path in ("/", FILE, "/v1/video/query", "/")]
    ids = [dict(reply.headers)["x-oneapi-request-id"] for reply in replies]
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("Bytes = 10 - 19", (10, 20)),
        ("bytes=100-", (100, SIZE)),
        ("bytes=-7", (SIZE - 7, SIZE)),
        (f"bytes=-{SIZE * 2}", (0, SIZE)),
        (f"bytes=5-{SIZE * 2}", (5, SIZE)),
        (f"bytes={SIZE - 1}-", (SIZE - 1, SIZE)),
        (f"bytes=5-{'9' * 18}", (5, SIZE)),
    ],
)
def test_range(bench: Bench, header: str, span: tuple[int, int]) -> None:
    """A single byte range gets exactly these bytes as 206, and is told which they are."""
    reply = bench.send(FILE, range=header)
    first, end = span
    assert (reply.status, reply.body) == (206, VIDEO.data[first:end])
    assert ("content-range", f"bytes {first}-{end - 1}/{SIZE}") in reply.headers


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0"])
def test_range_beyond_the_end(bench: Bench, header: str) -> None:
    """A range without a byte of the file in it is 416 and says how long the file is."""
    reply = bench.send(FILE, range=header)
    assert (reply.status, ("content-range", f"bytes */{SIZE}") in reply.headers) == (416, True)


@pytest.mark.parametrize(
    "header",
    ["", "cows=0-1", "bytes", "bytes=", "bytes=-", "bytes=9-3", "bytes=0-1,4-5", "bytes=a-b", f"bytes={'9' * 5000}-"],
)
def test_range_that_is_ignored(bench: Bench, header: str) -> None:
    """A malformed range, several ranges or another unit get the whole file."""
    reply = bench.send(FILE, range=header)
    assert (reply.status, len(reply.body)) == (200, SIZE)


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (VIDEO.etag, 206),
        (VIDEO.last_modified, 206),
        (f"W/{VIDEO.etag}", 200),
        ('"another"', 200),
        ("Thu, 01 Jan 2026 00:00:01 GMT", 200),
        ("", 200),
    ],
)
def test_if_range(bench: Bench, condition: str, status: int) -> None:
    """A range under a condition that does not hold for this file gets the whole file."""
    assert bench.send(FILE, range="bytes=5-", if_range=condition).status == status


def test_file_names_itself(bench: Bench) -> None:
    """A file says its type, a strong entity tag, its date, and that ranges work."""
    reply = bench.send(FILE)
    headers = dict(reply.headers)
    assert reply.content_type == "video/mp4"
    assert headers["etag"].startswith('"')
    assert headers["last-modified"] == "Thu, 01 Jan 2026 00:00:00 GMT"
    assert headers["accept-ranges"] == "bytes"


def test_first_download_is_cut_and_can_be_resumed(bench: Bench) -> None:
    """A file with a fault has it at its first GET; after that the rest is to be had, and so is the whole."""
    path = "/files/short-body/a.mp4"
    head, first = bench.send(path, method="HEAD"), bench.send(path)
    assert (head.fault, first.fault, len(first.body)) == (None, "short-body", SIZE)
    rest, whole = bench.send(path, range=f"bytes={SIZE // 2}-", if_range=VIDEO.etag), bench.send(path)
    assert (rest.fault, VIDEO.data[: SIZE // 2] + rest.body) == (None, VIDEO.data)
    assert (whole.fault, whole.body) == (None, VIDEO.data)


def test_signed_url_is_good_only_as_it_was_given(bench: Bench) -> None:
    """A signed URL works as given and is refused once its escapes or its query were touched."""
    bench.ask("grok:scenario-signed-url", 0.5)
    url = str(bench.body("grok:scenario-signed-url", 20.5)["video_url"])
    path, _, query = url.removeprefix("http://files.test").partition("?")
    assert "%2F" in path
    assert bench.send(path, query).status == 200
    altered = [(path.replace("%3A", ":"), query), (path.replace("%", "%25"), query), (path, query + "0"), (path, "")]
    assert [bench.send(*each).status for each in altered] == [403] * 4


@pytest.mark.parametrize(
    ("folder", "reason"),
    [("expired", "this URL has expired"), ("signed", "the signature does not fit this URL")],
)
def test_refused_file_says_why(bench: Bench, folder: str, reason: str) -> None:
    """A file that is refused names the reason."""
    reply = bench.send(f"/files/{folder}/a.mp4")
    assert (reply.status, error(reply)) == (403, reason)


def test_html_in_place_of_a_video(bench: Bench) -> None:
    """A file of the folder html is a web page with status 200."""
    reply = bench.send("/files/html/a.mp4")
    assert (reply.status, reply.content_type, reply.body[:9]) == (200, "text/html; charset=utf-8", b"<!doctype")


@pytest.mark.parametrize("kind", ["content", "redirect"])
def test_own_files_need_the_key(bench: Bench, kind: str) -> None:
    """Files at the gateway itself are given to those who send the key."""
    path = f"/v1/videos/grok-a/{kind}"
    assert bench.send(path, authorization="").status == 401
    assert bench.send(path).status == {"content": 200, "redirect": 302}[kind]


def test_redirect_leads_to_the_file_server(bench: Bench) -> None:
    """The redirecting file leads to the same task's file on the file server."""
    reply = bench.send("/v1/videos/grok-a/redirect")
    assert ("location", "http://files.test/files/grok-a.mp4") in reply.headers


@settings(derandomize=True, deadline=None, max_examples=examples(300))
@given(
    path=st.sampled_from(["/v1/video/query", FILE, "/v1/videos/a/content", "/"])
    | st.text(st.characters(codec="ascii")),
    query=st.text(st.characters(codec="ascii")),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    headers=st.dictionaries(st.sampled_from(["authorization", "range", "if-range"]), st.text()),
    server=st.sampled_from(["gateway", "cdn"]),
)
def test_any_request_gets_an_answer(path: str, query: str, method: str, headers: dict[str, str], server: str) -> None:
    """Whatever is sent, an answer with a request id comes back, and never a 5xx."""
    reply = Bench().gateway.answer(ReceivedRequest(method, path, query, tuple(headers.items()), server), 0.5)
    assert reply.status < 500
    assert any(name == "x-oneapi-request-id" for name, _ in reply.headers)
