"""A stand-in for the gateway that validates both sides against the spec: each request, and each canned response."""

from __future__ import annotations

import json
import re
from collections import deque
from typing import TYPE_CHECKING, Any, Self

import httpx
import respx
from attrs import field, frozen

from kkiai_sdk.contract._conformance import conformance, request_problems
from kkiai_sdk.contract._messages import Exchange, Request, Response, values_of
from kkiai_sdk.contract._violations import observe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kkiai_sdk.contract._spec import Spec
    from kkiai_sdk.contract._violations import Violation

BASE_URL = "https://gateway.example.com"
PATH = "/v1/video/query"
TASK_ID = "grok:5b0d9a52-3f2e-4c0b-9a76-2f6f0f8a1c44"
VIDEO_URL = "https://media.example.com/videos/cow.mp4"
JSON_TYPE = ("Content-Type", "application/json")
#: Fields of HTTP itself (RFC 9110 and 9112), which a request may carry whatever the spec says.
HTTP_FIELDS = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "host", "user-agent"}
)
#: A header that the description asks for, such as `Accept: application/json`; OpenAPI has no other place for it.
_DOCUMENTED = re.compile(r"`(?P<name>[A-Za-z][A-Za-z0-9-]*): (?P<value>[^`]+)`")


@frozen
class Canned:
    """An answer that a test lays out. ``off_contract`` marks one that breaks the spec on purpose."""

    response: Response
    off_contract: bool = field(default=False, kw_only=True)


def task(**fields: Any) -> dict[str, Any]:
    """A task that waits, as documented, with some fields replaced."""
    return {
        "id": TASK_ID,
        "status": "pending",
        "video_url": None,
        "enhanced_prompt": "",
        "status_update_time": 1_767_603_612_345,
    } | fields


def answer(
    value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = (), *, off_contract: bool = False
) -> Canned:
    """A JSON answer."""
    return Canned(Response(status, (JSON_TYPE, *headers), json.dumps(value).encode()), off_contract=off_contract)


def done(**fields: Any) -> Canned:
    """The answer about a task that succeeded."""
    return answer(task(status="completed", video_url=VIDEO_URL) | fields)


def response_violations(spec: Spec, response: Response) -> list[Violation]:
    """Violations of the declared responses of the query."""
    observed = observe(spec, Exchange(Request("GET", PATH), response))
    assert observed is not None
    return list(conformance(observed))


def sdk_request_problems(spec: Spec, request: Request) -> list[str]:
    """Deviations of a request of the SDK: also headers that a gateway would ignore, and documented ones it lacks."""
    return [*request_problems(spec, request), *_header_problems(spec, request)]


def _header_problems(spec: Spec, request: Request) -> Iterator[str]:
    operation = spec.operation(request.method, request.path)
    if operation is None:
        return
    declared = {name for location, name in spec.parameters(operation) if location == "header"}
    sent = {name.lower() for name, _ in request.headers}
    yield from (f"header {name} undeclared" for name in sorted(sent - declared - HTTP_FIELDS))
    for note in _DOCUMENTED.finditer(operation.value.get("description", "")):
        values = values_of(request.headers, note["name"])
        if note["name"].lower() != "authorization" and values != [note["value"]]:
            yield f"header {note['name']} must be {note['value']}, not {values}"


class Wire:
    """Use it in a ``with`` statement; leaving it raises AssertionError with everything that went against the spec.

    That is: a request or an unmarked answer that breaks the spec, an answer that is marked and does not, a request that
    no answer was laid out for, an answer or a file that nobody asked for.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.problems: list[str] = []
        #: What the SDK sent to the gateway, in order.
        self.requests: list[Request] = []
        #: What it sent for files.
        self.file_requests: list[Request] = []
        self._answers: deque[Canned] = deque()
        self._files: dict[str, bytes] = {}
        self._router = respx.MockRouter(assert_all_called=False)
        self._router.route().mock(side_effect=self._respond)

    def answers(self, *canned: Canned) -> None:
        """Lay out answers to the next requests, one each."""
        for each in canned:
            found = response_violations(self.spec, each.response)
            self._note("an answer", [] if each.off_contract else found)
            if each.off_contract and not found:
                self.problems.append(f"an answer is marked off_contract and keeps the contract: {each.response}")
        self._answers.extend(canned)

    def file(self, url: str, body: bytes) -> None:
        """Lay out a video file; it is not part of the spec, and must be asked for once at least."""
        self._files[url] = body

    def __enter__(self) -> Self:
        self._router.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._router.stop(quiet=True)
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raise AssertionError when anything went against the spec so far, or is left over."""
        fetched = {f"https://{dict(each.headers)['host']}{each.path}" for each in self.file_requests}
        unused = [f"a file that nobody asked for: {url}" for url in self._files.keys() - fetched]
        unused += [f"an answer that nobody asked for: {each.response}" for each in self._answers]
        assert not [*self.problems, *unused], "\n".join([*self.problems, *unused])

    def _respond(self, sent: httpx.Request) -> httpx.Response:
        path, _, query = sent.url.raw_path.decode("ascii").partition("?")
        headers = tuple((name.lower(), value) for name, value in sent.headers.multi_items())
        request = Request(sent.method, path, query, headers, sent.content)
        if str(sent.url) in self._files:
            return self._send_file(str(sent.url), request)
        self.requests.append(request)
        self._note("a request", sdk_request_problems(self.spec, request))
        if not str(sent.url).startswith(BASE_URL) or not self._answers:
            # Noted as well as raised: the SDK might take the exception for the network's.
            self.problems.append(f"no answer was laid out for {request} to {sent.url.host}")
            raise AssertionError(self.problems[-1])
        response = self._answers.popleft().response
        return httpx.Response(response.status, headers=list(response.headers), content=response.body)

    def _send_file(self, url: str, request: Request) -> httpx.Response:
        self.file_requests.append(request)
        return httpx.Response(200, headers={"Content-Type": "video/mp4"}, content=self._files[url])

    def _note(self, what: str, found: Iterable[object]) -> None:
        self.problems.extend(f"{what}: {problem}" for problem in found)
