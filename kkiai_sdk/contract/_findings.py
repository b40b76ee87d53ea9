"""Findings: violations of one kind at one place, merged, with the SDK's reaction to the response."""

from __future__ import annotations

import hashlib
import re
import shlex
from typing import TYPE_CHECKING, Any

from attrs import asdict, field, frozen

from kkiai_sdk import KkiaiError
from kkiai_sdk.contract._messages import PLACEHOLDER
from kkiai_sdk.contract._spec import QUERY_PATH
from kkiai_sdk.contract._violations import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kkiai_sdk.contract._messages import Exchange, Request
    from kkiai_sdk.contract._spec import Spec
    from kkiai_sdk.contract._violations import Violation

#: Rules whose violation follows from that of another rule; only the other one is then reported.
IMPLIED_BY = {"server-error": "server-error-again", "forwarded-host": "task-known"}
_ORDER = list(Severity)
#: Headers that curl sends by itself, or that only number the requests of one run.
_NOT_FOR_CURL = {"accept-encoding", "connection", "content-length", "host", "user-agent", "x-schemathesis-testcaseid"}
#: Harmless between double quotes, the dollar of the variable included.
_PLAIN = re.compile(r"[A-Za-z0-9$_ .,:;/=+-]*")
#: Headers about the bytes on the wire; a replayed body is decoded.
_FRAMING = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})


@frozen
class Finding:
    """One way in which a gateway deviates from the contract. Every text is a single line and contains no key."""

    #: The stable id of the rule, such as ``response-schema``.
    rule: str
    severity: Severity
    #: The requirement of the rule.
    description: str
    #: The document, the line in it (from 1), and the JSON pointer.
    file: str
    line: int
    address: str
    expected: str
    got: str
    #: The same in every run: computed from the rule, the place and the kind of violation, not from values.
    fingerprint: str
    #: How often it was seen.
    count: int = 1
    #: Whether this SDK converts the response to a task or a KkiaiError, and to which.
    survives: bool = True
    sdk: str = "is not affected"
    #: A command that repeats the request, with ``$KKIAI_API_KEY`` in place of the key.
    curl: str = ""
    #: The first exchange in which it was seen; a status of 0 means that there was no complete response.
    exchange: Exchange | None = field(default=None, repr=False)
    #: Whether it is in the baseline.
    is_known: bool = False

    @property
    def diff(self) -> str:
        """Two lines as in a patch: what was received, and what the contract requires instead."""
        return f"- {self.got}\n+ {self.expected}"

    @property
    def curl_lines(self) -> list[str]:
        """The command on lines that fit a screen. They must not be indented: a long word continues on the next."""
        return _lines(self.curl)

    @property
    def title(self) -> str:
        """The rule that was broken."""
        return f"rule violated: {self.description}"

    @property
    def place(self) -> str:
        """The place in the document as ``file:line``."""
        return f"{self.file}:{self.line}"

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain values."""
        plain = asdict(self, filter=lambda attribute, _: attribute.name != "exchange")
        status = self.exchange.response.status if self.exchange else None
        return plain | {"severity": str(self.severity), "diff": self.diff, "status": status}


def fingerprint(rule: str, address: str, key: str) -> str:
    """Sixteen hexadecimal digits for a rule, a place and a kind of violation."""
    return hashlib.sha256(f"{rule}\n{address}\n{key}".encode()).hexdigest()[:16]


def fold(spec: Spec, base_url: str, violations: Iterable[Violation], known: Iterable[str] = ()) -> tuple[Finding, ...]:
    """Violations as findings, the most severe first. ``known``: fingerprints of the baseline."""
    alike: dict[str, list[Violation]] = {}
    violations, known = list(violations), frozenset(known)
    broken = {each.rule.id for each in violations}
    for each in violations:
        if IMPLIED_BY.get(each.rule.id) not in broken:
            alike.setdefault(fingerprint(each.rule.id, each.address, each.key), []).append(each)
    found = []
    for mark, same in alike.items():
        first, (survives, sdk) = same[0], sdk_replay(same[0].exchange)
        finding = Finding(
            rule=first.rule.id,
            severity=first.rule.severity,
            description=first.rule.description,
            file=spec.name,
            line=spec.line_of(first.address),
            address=spec.exact(first.address),
            expected=one_line(first.expected),
            got=one_line(first.got),
            fingerprint=mark,
            count=len({id(each.exchange) for each in same}),
            survives=survives,
            sdk=sdk,
            curl=curl_of(base_url, first.exchange.request),
            exchange=first.exchange,
            is_known=mark in known,
        )
        found.append(finding)
    return tuple(sorted(found, key=lambda each: (_ORDER.index(each.severity), each.is_known, each.line, each.rule)))


def one_line(text: str) -> str:
    """A text without control characters and line ends, cut to 300 characters."""
    visible = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return visible if len(visible) <= 300 else visible[:299] + "…"


def sdk_replay(exchange: Exchange) -> tuple[bool, str]:
    """Replay a response to the SDK. Returns whether it becomes a task or a KkiaiError, as documented, and which."""
    if exchange.request.path != QUERY_PATH:
        return True, "is not affected: only queries are replayed to it"
    if exchange.request.method != "GET":
        return True, "is not affected: it queries with GET"
    import httpx  # noqa: PLC0415 (the check can be imported without it)

    from kkiai_sdk import Kkiai  # noqa: PLC0415 (as above)

    response = exchange.response
    headers = [(name.encode(), value.encode()) for name, value in response.headers if name.lower() not in _FRAMING]

    def respond(request: httpx.Request) -> httpx.Response:
        if response.status == 0:
            raise httpx.RemoteProtocolError("no complete response", request=request)
        return httpx.Response(response.status, headers=headers, content=response.body, request=request)

    options = {"transport": httpx.MockTransport(respond), "trust_env": False}
    try:
        with Kkiai("sk-replay", base_url="https://gateway.example.com", max_retries=0, httpx_args=options) as client:
            task = client.query("grok:replayed")
    except KkiaiError as error:
        return True, f"raises {type(error).__name__}"
    except Exception as error:  # noqa: BLE001 (any other exception is a defect of the SDK)
        return False, f"crashes with {type(error).__name__}"
    return True, f"parses it as a task with the state {task.state}"


def curl_of(base_url: str, request: Request) -> str:
    """The ``curl`` command that sends a request; the shell inserts the key from KKIAI_API_KEY."""
    # With -X HEAD, curl would wait for a body.
    method = {"GET": [], "HEAD": ["-I"]}.get(request.method, ["-X", shlex.quote(_visible(request.method))])
    # curl writes a field without a value with a semicolon.
    headers = [
        f"-H {_quoted(f'{name}: {value}' if value else f'{name};')}"
        for name, value in request.headers
        if name.lower() not in _NOT_FOR_CURL
    ]
    body = ["--data-binary", _quoted(request.body.decode(errors="replace"))] if request.body else []
    url = f"{base_url}{request.path}{f'?{request.query}' if request.query else ''}"
    # Brackets and dots in the URL are literal.
    as_is = [*(["--globoff"] if set("[]{}") & set(url) else []), *(["--path-as-is"] if "/." in request.path else [])]
    return " ".join(["curl", "-si", *as_is, *method, *headers, *body, _quoted(url)])


def _quoted(text: str) -> str:
    """A text as one word of a shell command, in which the shell inserts the key."""
    text = _visible(text)
    if PLACEHOLDER in text and _PLAIN.fullmatch(text):
        return f'"{text}"'
    return f'"{PLACEHOLDER}"'.join(shlex.quote(part) if part else "" for part in text.split(PLACEHOLDER)) or "''"


def _lines(command: str, width: int = 78) -> list[str]:
    lines = [""]
    for word in re.findall(r"""(?:-H |-X |--data-binary )?(?:'[^']*'|"[^"]*"|[^\s'"])+""", command):
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines[-1] += " \\"
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
        is_quoted = word.startswith("'") and word.count("'") == 2
        while len(lines[-1]) > width and (is_quoted or not set("'\"") & set(word)):
            quote = "'" if is_quoted else ""
            lines[-1:] = [f"{lines[-1][: width - 2]}{quote}\\", f"{quote}{lines[-1][width - 2 :]}"]
    return lines


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() and char.isascii() else ascii(char)[1:-1] for char in text)
