"""The gateway without the network: takes a request and the time, and returns the reply.

Keeps the time of each task's first query and the numbers of queries and downloads. Reads no clock and no file.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from kkiai_sdk.mock.catalog import BEARER, script_of
from kkiai_sdk.mock.files import EPOCH, FOLDERS, send_file, send_from_folder
from kkiai_sdk.mock.messages import ReceivedRequest, Reply, nested_error
from kkiai_sdk.mock.tasks import TaskQuery
from kkiai_sdk.mock.wire_faults import FAULTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kkiai_sdk.mock.catalog import Script

QUERY_PATH = "/v1/video/query"
MAX_ID = 256

_FILE = re.compile(rf"/files/(?:(?P<folder>expired|html|signed|{'|'.join([*FOLDERS, *FAULTS])})/)?[^/]+\.mp4")
_OWN_FILE = re.compile(r"/v1/videos/(?P<name>[A-Za-z0-9._-]+)/(?P<kind>content|redirect)")
_BEARER = re.compile(r"bearer +(?P<key>\S.*)", re.IGNORECASE)


class SpecOperation(NamedTuple):
    """An operation of the spec, and its example; without a status there is none."""

    method: str
    path: str
    name: str
    is_public: bool
    status: int | None = None
    media_type: str = ""
    body: str = ""

    def reply(self, request_id: str) -> Reply:
        """Make the reply: the example, with a ``Warning`` header, or 501."""
        if self.status is None:
            text = f"the mock gateway does not implement {self.name}, and the spec has no example for it"
            return nested_error(501, text, request_id, kind="mock_error", code="not_played")
        mark = ("warning", f'299 kkiai-mock "{self.name} is not implemented: this is the example from the spec"')
        return Reply(self.status, self.body.encode(), self.media_type, (mark,))


def operations_at(path: str) -> dict[str, SpecOperation]:
    """Return the operations of a path, by method."""
    patterns = [(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(each.path)), each) for each in spec_operations()]
    return {each.method: each for pattern, each in patterns if re.fullmatch(pattern, path)}


@cache
def spec_operations() -> tuple[SpecOperation, ...]:
    """Return the operations of the spec, in its order, as they are generated."""
    text = (resources.files("kkiai_api") / "examples.json").read_text("utf-8")
    return tuple(SpecOperation(**each) for each in json.loads(text))


@dataclass
class GatewayApp:
    """Answers requests to the gateway and to its stand-in for a CDN."""

    #: The base URLs of the gateway and of the file server; the same if there is no CDN.
    url: str
    files_url: str
    #: The bytes of every file.
    video: bytes
    #: The only key that is accepted; None accepts any that begins with sk-, and the very first.
    api_key: str | None = None
    #: Scripts by task id that replace those of the catalog. Looked up for every query.
    scripts: Mapping[str, Script] = field(default_factory=dict)
    _first_key: str = ""
    _received: int = 0
    _started: dict[str, float] = field(default_factory=dict)
    _queries: Counter[str] = field(default_factory=Counter)
    _downloads: Counter[str] = field(default_factory=Counter)

    def answer(self, request: ReceivedRequest, now: float) -> Reply:
        """Reply to a request received ``now`` gateway seconds after the start."""
        self._received += 1
        request_id = f"mock-{self._received:08d}"
        reply = self._route(request, now, request_id)
        if any(name == "warning" for name, _ in reply.headers):
            return reply  # the spec defines the headers of its example
        return replace(reply, headers=(*reply.headers, ("x-oneapi-request-id", request_id)))

    def _route(self, request: ReceivedRequest, now: float, request_id: str) -> Reply:
        if request.server == "cdn" and request.header("authorization") is not None:
            # Stores of signed files refuse a second credential. Here, this detects a client that leaks its key to them.
            return nested_error(400, "files take no credentials", request_id, kind="invalid_request_error")
        if file := _FILE.fullmatch(request.path):
            return self._file(request, file["folder"] or "", request_id)
        if request.server == "gateway" and request.path == QUERY_PATH:
            return self._refusal(request, request_id, "GET") or self._query(request, now, request_id)
        if request.server == "gateway" and (own := _OWN_FILE.fullmatch(request.path)):
            refusal = self._refusal(request, request_id, "GET", "HEAD")
            return refusal or self._own_file(request, own["name"], own["kind"])
        if request.server == "gateway" and (known := operations_at(request.path)):
            return self._example(request, known, request_id)
        text = f"Invalid URL ({request.method} {request.path[:200]})"
        return nested_error(404, text, request_id, kind="invalid_request_error")

    def _example(self, request: ReceivedRequest, known: dict[str, SpecOperation], request_id: str) -> Reply:
        found = known.get(request.method)
        refusal = None if found and found.is_public else self._refusal(request, request_id, *known)
        return refusal or known[request.method].reply(request_id)

    def _refusal(self, request: ReceivedRequest, request_id: str, *methods: str) -> Reply | None:
        if request.method not in methods:
            return _wrong_method(request, request_id, *methods)
        found = _BEARER.fullmatch((request.header("authorization") or "").strip())
        if found is None or not self._is_accepted(found["key"]):
            text = "no token was sent" if found is None else "this token is not valid"
            return nested_error(401, text, request_id, kind="gateway_error", headers=BEARER)
        return None

    def _is_accepted(self, key: str) -> bool:
        if self.api_key is not None:
            return key == self.api_key
        # Any made-up key is accepted, but a second one is wrong: otherwise no key would ever be refused.
        self._first_key = self._first_key or key
        return key.startswith("sk-") or key == self._first_key

    def _query(self, request: ReceivedRequest, now: float, request_id: str) -> Reply:
        task_id = request.parameter("id") or ""
        if not 1 <= len(task_id) <= MAX_ID:
            text = f"the parameter id must have 1 to {MAX_ID} characters"
            return nested_error(400, text, request_id, kind="invalid_request_error", code="invalid_parameter")
        started = self._started.setdefault(task_id, now)
        self._queries[task_id] += 1
        number, elapsed = self._queries[task_id], now - started
        query = TaskQuery(
            task_id, number, elapsed, EPOCH + started, self.url, self.files_url, request_id, video=self.video
        )
        return (self.scripts.get(task_id) or script_of(task_id))(query)

    def _file(self, request: ReceivedRequest, folder: str, request_id: str) -> Reply:
        if request.method not in {"GET", "HEAD"}:
            return _wrong_method(request, request_id, "GET", "HEAD")
        self._downloads[request.path] += request.method == "GET"
        return send_from_folder(folder, self.video, request, self._downloads[request.path], request_id)

    def _own_file(self, request: ReceivedRequest, name: str, kind: str) -> Reply:
        if kind == "content":
            return send_file(self.video, request)
        return Reply(302, b"", "text/plain", (("location", f"{self.files_url}/files/{name}.mp4"),))


def _wrong_method(request: ReceivedRequest, request_id: str, *methods: str) -> Reply:
    allow = (("allow", ", ".join(methods)),)
    text = f"{request.method[:20]} is not allowed here"
    return nested_error(405, text, request_id, kind="invalid_request_error", code="method_not_allowed", headers=allow)
