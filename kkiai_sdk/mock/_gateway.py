"""The gateway without the network: a request and the time go in, the reply comes out.

What it remembers is when each task was first asked for, how often each was asked for, and how often each file was
fetched. It reads no clock and opens no file.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace

from kkiai_sdk.mock._errors import BEARER
from kkiai_sdk.mock._faults import FAULTS
from kkiai_sdk.mock._files import EPOCH, Video, send_faulty, send_file
from kkiai_sdk.mock._messages import Headers, ReceivedRequest, Reply, nested_error
from kkiai_sdk.mock._scenarios import script_of
from kkiai_sdk.mock._tasks import Poll

QUERY_PATH = "/v1/video/query"
MAX_ID = 256

_FILE = re.compile(rf"/files/(?:(?P<fault>expired|html|signed|{'|'.join(FAULTS)})/)?[^/]+\.mp4")
_OWN_FILE = re.compile(r"/v1/videos/(?P<name>[A-Za-z0-9._-]+)/(?P<kind>content|redirect)")
_BEARER = re.compile(r"bearer +(?P<key>\S.*)", re.IGNORECASE)


@dataclass
class Gateway:
    """Answers requests to the gateway and to its stand-in for a CDN."""

    #: The base URL of the gateway and of the server that holds the files; the same if there is no CDN.
    url: str
    files_url: str
    video: Video
    #: The one key that is accepted; None accepts any that begins with sk-, and the very first.
    api_key: str | None = None
    _first_key: str = ""
    _received: int = 0
    _first_seen: dict[str, float] = field(default_factory=dict)
    _polls: Counter[str] = field(default_factory=Counter)
    _fetches: Counter[str] = field(default_factory=Counter)

    def answer(self, request: ReceivedRequest, now: float) -> Reply:
        """The reply to a request that came ``now`` gateway seconds after the start."""
        self._received += 1
        request_id = f"mock-{self._received:08d}"
        reply = self._routed(request, now, request_id)
        return replace(reply, headers=(*reply.headers, ("x-oneapi-request-id", request_id)))

    def _routed(self, request: ReceivedRequest, now: float, request_id: str) -> Reply:
        if request.server == "cdn" and request.header("authorization") is not None:
            # Stores of signed files refuse a second credential; so a key that leaks to them is noticed.
            return nested_error(400, "a file takes no credential", request_id, kind="invalid_request_error")
        if file := _FILE.fullmatch(request.path):
            return self._file(request, file["fault"] or "", request_id)
        if request.server == "gateway" and request.path == QUERY_PATH:
            return self._guarded(request, request_id, ("GET",)) or self._query(request, now, request_id)
        if request.server == "gateway" and (own := _OWN_FILE.fullmatch(request.path)):
            guarded = self._guarded(request, request_id, ("GET", "HEAD"))
            return guarded or self._own_file(request, own["name"], own["kind"])
        text = f"Invalid URL ({request.method} {request.path[:200]})"
        return nested_error(404, text, request_id, kind="invalid_request_error")

    def _guarded(self, request: ReceivedRequest, request_id: str, methods: tuple[str, ...]) -> Reply | None:
        if request.method not in methods:
            return _wrong_method(request, request_id, methods)
        found = _BEARER.fullmatch((request.header("authorization") or "").strip())
        if found is None or not self._is_accepted(found["key"]):
            text = "no token was sent" if found is None else "this token is not valid"
            return nested_error(401, text, request_id, kind="gateway_error", headers=BEARER)
        return None

    def _is_accepted(self, key: str) -> bool:
        if self.api_key is not None:
            return key == self.api_key
        # A made-up key will do, but another one after it is a wrong one: else none would ever be refused.
        self._first_key = self._first_key or key
        return key.startswith("sk-") or key == self._first_key

    def _query(self, request: ReceivedRequest, now: float, request_id: str) -> Reply:
        task_id = request.parameter("id") or ""
        if not 1 <= len(task_id) <= MAX_ID:
            text = f"the parameter id must have 1 to {MAX_ID} characters"
            return nested_error(400, text, request_id, kind="invalid_request_error", code="invalid_parameter")
        return script_of(task_id)(self._poll(task_id, now, request_id))

    def _poll(self, task_id: str, now: float, request_id: str) -> Poll:
        began = self._first_seen.setdefault(task_id, now)
        self._polls[task_id] += 1
        number = self._polls[task_id]
        return Poll(task_id, number, now - began, EPOCH + began, self.url, self.files_url, request_id)

    def _file(self, request: ReceivedRequest, fault: str, request_id: str) -> Reply:
        if request.method not in {"GET", "HEAD"}:
            return _wrong_method(request, request_id, ("GET", "HEAD"))
        self._fetches[request.path] += request.method == "GET"
        return send_faulty(fault, self.video, request, self._fetches[request.path], request_id)

    def _own_file(self, request: ReceivedRequest, name: str, kind: str) -> Reply:
        if kind == "content":
            return send_file(self.video, request)
        return Reply(302, b"", "text/plain", (("location", f"{self.files_url}/files/{name}.mp4"),))


def _wrong_method(request: ReceivedRequest, request_id: str, methods: tuple[str, ...]) -> Reply:
    allow: Headers = (("allow", ", ".join(methods)),)
    text = f"{request.method[:20]} is not allowed here"
    return nested_error(405, text, request_id, kind="invalid_request_error", code="method_not_allowed", headers=allow)
