"""The gateway without a network: addresses, methods, keys, ids, files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kkiai_sdk.mock import ReceivedRequest
from kkiai_sdk.mock.files import LAST_MODIFIED, etag
from tests.mock.app_client import VIDEO, AppClient
from tests.support.effort import examples

if TYPE_CHECKING:
    from kkiai_sdk.mock.messages import Reply

SIZE = len(VIDEO)
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
def test_task_id_of_scripted_form_is_known(app: AppClient, task_id: str, status: int) -> None:
    """An id of one of the two scripted forms is a task; any other gets task_not_exist."""
    reply = app.query(task_id, 0.5)
    assert reply.status == status
    unknown = {"code": "task_not_exist", "message": "task_not_exist", "data": None}
    assert status == 200 or json.loads(reply.body) == unknown


def test_unknown_scenario_is_bad_request_that_names_listing(app: AppClient) -> None:
    """A misspelt scenario is a bad request that names the listing, not a task that may yet appear."""
    reply = app.query("grok:scenario-fials", 0.5)
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (400, "unknown_scenario")
    assert error(reply) == "no scenario has this name: see kkiai mock --list"


@pytest.mark.parametrize(
    "query", ["", "id=", "id", "id=&id=grok:scenario-fails", "ID=grok:scenario-normal", "id=" + "a" * 257, "%69d"]
)
def test_id_out_of_bounds_is_bad_request(app: AppClient, query: str) -> None:
    """A missing, empty or too long id is a bad request whose message has the limits of ids."""
    reply = app.send("/v1/video/query", query)
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
def test_repeated_id_parameter_uses_first_value(app: AppClient, query: str) -> None:
    """Of several ids the first one counts, and undeclared parameters are ignored."""
    assert json.loads(app.send("/v1/video/query", query).body)["id"] == "grok:scenario-fails"


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
def test_wrong_key_is_refused_with_challenge(app: AppClient, header: str, status: int) -> None:
    """Only the right key as a bearer token is accepted; anything else gets a 401 that asks for one."""
    reply = app.send("/v1/video/query", "id=grok:scenario-normal", authorization=header)
    assert reply.status == status
    assert (("www-authenticate", "Bearer") in reply.headers) == (status == 401)


def test_gateway_without_own_key_accepts_sk_and_first_key() -> None:
    """A gateway without a key of its own accepts what looks like a key, and the first token of a caller; no other."""
    app = AppClient()
    app.app.api_key = None
    keys = ["x", "sk-y", "z", "", "x"]
    answers = [app.send("/v1/video/query", "id=cow", authorization=f"Bearer {key}").status for key in keys]
    assert answers == [400, 400, 401, 401, 400]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "COW"])
def test_query_by_other_method_is_refused(app: AppClient, method: str) -> None:
    """A query by another method is refused, with or without a key, and the answer names the right one."""
    replies = [
        app.send("/v1/video/query", "id=cow", method=method, authorization=key) for key in ("", "Bearer sk-good")
    ]
    assert [reply.status for reply in replies] == [405, 405]
    assert all(("allow", "GET") in reply.headers for reply in replies)


@pytest.mark.parametrize(("header", "reason"), [("", "no token was sent"), ("Bearer x", "this token is not valid")])
def test_refused_key_has_message_with_reason(app: AppClient, header: str, reason: str) -> None:
    """A 401 tells a missing key from a wrong one."""
    assert error(app.send("/v1/video/query", "id=cow", authorization=header)) == reason


@pytest.mark.parametrize("path", ["/files/a.mp4", "/v1/videos/a/content", "/v1/videos/a/redirect"])
def test_file_by_other_method_is_refused(app: AppClient, path: str) -> None:
    """A file answers GET and HEAD and refuses other methods."""
    answers = {method: app.send(path, method=method) for method in ("GET", "HEAD", "PUT")}
    assert answers["GET"].status == answers["HEAD"].status != 405
    assert (answers["PUT"].status, ("allow", "GET, HEAD") in answers["PUT"].headers) == (405, True)


@pytest.mark.parametrize(
    "path", ["/", "/v1/video/query/", "/v2/video/query", "/files/a.txt", "/files/cow/a.mp4", "/%ff"]
)
def test_unknown_path_is_invalid_url(app: AppClient, path: str) -> None:
    """Any other path gets a 404 for an invalid URL, which is how a wrong base URL shows."""
    reply = app.send(path)
    assert (reply.status, error(reply)) == (404, f"Invalid URL (GET {path})")


def test_every_reply_has_its_own_request_id(app: AppClient) -> None:
    """Every reply carries a request id, and no two are the same."""
    replies = [app.send(path) for path in ("/", FILE, "/v1/video/query", "/")]
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
def test_single_range_gets_exactly_its_bytes(app: AppClient, header: str, span: tuple[int, int]) -> None:
    """A single byte range gets exactly these bytes as 206, with their place."""
    reply = app.send(FILE, range=header)
    first, end = span
    assert (reply.status, reply.body) == (206, VIDEO[first:end])
    assert ("content-range", f"bytes {first}-{end - 1}/{SIZE}") in reply.headers


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0"])
def test_range_beyond_end_is_not_satisfiable(app: AppClient, header: str) -> None:
    """A range without a byte of the file in it gets a 416 with the length of the file."""
    reply = app.send(FILE, range=header)
    assert (reply.status, ("content-range", f"bytes */{SIZE}") in reply.headers) == (416, True)


@pytest.mark.parametrize(
    "header",
    ["", "cows=0-1", "bytes", "bytes=", "bytes=-", "bytes=9-3", "bytes=0-1,4-5", "bytes=a-b", f"bytes={'9' * 5000}-"],
)
def test_malformed_range_gets_whole_file(app: AppClient, header: str) -> None:
    """A malformed range, several ranges or another unit get the whole file."""
    reply = app.send(FILE, range=header)
    assert (reply.status, len(reply.body)) == (200, SIZE)


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (etag(VIDEO), 206),
        (LAST_MODIFIED, 206),
        (f"W/{etag(VIDEO)}", 200),
        ('"another"', 200),
        ("Thu, 01 Jan 2026 00:00:01 GMT", 200),
        ("", 200),
    ],
)
def test_range_under_false_condition_gets_whole_file(app: AppClient, condition: str, status: int) -> None:
    """A range under a condition that does not hold for this file gets the whole file."""
    assert app.send(FILE, range="bytes=5-", if_range=condition).status == status


def test_file_has_type_tag_and_date(app: AppClient) -> None:
    """A file has a type, a strong entity tag, a date and the field for ranges."""
    reply = app.send(FILE)
    headers = dict(reply.headers)
    assert reply.content_type == "video/mp4"
    assert headers["etag"].startswith('"')
    assert headers["last-modified"] == "Thu, 01 Jan 2026 00:00:00 GMT"
    assert headers["accept-ranges"] == "bytes"


def test_faulty_file_fails_once_and_can_be_resumed(app: AppClient) -> None:
    """A file with a fault has it at its first GET; after that the rest can be fetched, and so can the whole."""
    path = "/files/short-body/a.mp4"
    head, first = app.send(path, method="HEAD"), app.send(path)
    assert (head.fault, first.fault, len(first.body)) == (None, "short-body", SIZE)
    rest, whole = app.send(path, range=f"bytes={SIZE // 2}-", if_range=etag(VIDEO)), app.send(path)
    assert (rest.fault, VIDEO[: SIZE // 2] + rest.body) == (None, VIDEO)
    assert (whole.fault, whole.body) == (None, VIDEO)


def test_altered_signed_url_is_refused(app: AppClient) -> None:
    """A signed URL works as given and is refused once its escapes or its query are changed."""
    app.query("grok:scenario-signed-url", 0.5)
    url = str(app.body("grok:scenario-signed-url", 20.5)["video_url"])
    path, _, query = url.removeprefix("http://files.test").partition("?")
    assert "%2F" in path
    assert app.send(path, query).status == 200
    altered = [(path.replace("%3A", ":"), query), (path.replace("%", "%25"), query), (path, query + "0"), (path, "")]
    assert [app.send(*each).status for each in altered] == [403] * 4


@pytest.mark.parametrize(
    ("folder", "reason"),
    [("expired", "this URL has expired"), ("signed", "the signature does not match this URL")],
)
def test_refused_file_has_message_with_reason(app: AppClient, folder: str, reason: str) -> None:
    """The message of a refused file has the reason."""
    reply = app.send(f"/files/{folder}/a.mp4")
    assert (reply.status, error(reply)) == (403, reason)


def test_html_folder_serves_page_instead_of_video(app: AppClient) -> None:
    """A file of the folder html is a web page with status 200."""
    reply = app.send("/files/html/a.mp4")
    assert (reply.status, reply.content_type, reply.body[:9]) == (200, "text/html; charset=utf-8", b"<!doctype")


@pytest.mark.parametrize("kind", ["content", "redirect"])
def test_own_file_without_key_is_refused(app: AppClient, kind: str) -> None:
    """Files at the gateway itself need the key."""
    path = f"/v1/videos/grok-a/{kind}"
    assert app.send(path, authorization="").status == 401
    assert app.send(path).status == {"content": 200, "redirect": 302}[kind]


def test_redirecting_file_leads_to_file_server(app: AppClient) -> None:
    """The redirecting file leads to the same task's file on the file server."""
    reply = app.send("/v1/videos/grok-a/redirect")
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
def test_any_request_gets_answer_below_500(
    path: str, query: str, method: str, headers: dict[str, str], server: str
) -> None:
    """Whatever is sent, an answer with a request id comes back, and never a 5xx."""
    reply = AppClient().app.answer(ReceivedRequest(method, path, query, tuple(headers.items()), server), 0.5)
    assert reply.status < 500
    assert any(name == "x-oneapi-request-id" for name, _ in reply.headers)
