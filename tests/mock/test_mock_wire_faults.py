"""The faults of the mock gateway: their names, the bytes they send, and the rows of tests/faults.md they stand for."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from kkiai_sdk import ConfigurationError
from kkiai_sdk.mock import MockGateway, faults, scenarios
from tests.sources import ROOT

if TYPE_CHECKING:
    from tests.support.clock import FakeTime

#: The faults and scenarios of the mock for a row of tests/faults.md.
SERVED: dict[str, tuple[str, ...]] = {
    "N-05": ("stall",),
    "N-06": ("close", "reset"),
    "N-07": ("reset-in-headers",),
    "N-08": ("close-in-headers",),
    "N-09": ("close-after",),
    "N-10": ("drip-headers",),
    "N-11": ("endless-103",),
    "N-12": ("huge-headers",),
    "N-13": ("not-http",),
    "N-14": ("two-lengths", "negative-length"),
    "B-01": ("short-body",),
    "B-02": ("long-body",),
    "B-03": ("reset-mid-body",),
    "B-04": ("cut-chunk", "bad-chunk-size"),
    "B-05": ("cut-unframed",),
    "B-06": ("drip-body",),
    "B-07": ("stall-mid-body",),
    "B-08": ("gzip-corrupt",),
    "B-09": ("gzip-truncated", "gzip-members"),
    "B-10": ("gzip-bomb",),
    "B-11": ("gzip-chain",),
    "B-12": ("huge-body",),
    "B-13": ("huge-length",),
    "B-14": ("reset-mid-body",),
    "J-01": ("html-200",),
    "J-02": ("empty-200",),
    "J-03": ("json-cut", "not-json-200"),
    "J-04": ("json-null", "json-list", "json-text", "json-number"),
    "J-05": ("json-deep",),
    "J-06": ("bad-utf8",),
    "J-07": ("bom", "utf16"),
    "J-08": ("json-nan", "json-overflow"),
    "J-09": ("json-twice",),
    "J-10": ("json-digits",),
    "J-11": ("json-surrogate",),
    "J-12": ("unknown-status", "missing-status", "new-status", "odd-case"),
    "J-13": ("json-types",),
    "J-14": ("json-keys",),
    "J-15": ("other-id", "bare-id"),
    "J-16": ("no-url", "late-url", "relative-url"),
    "J-17": ("html-502",),
    "J-20": ("forms-state", "forms-chinese", "forms-negation"),
    "J-21": ("forms-list", "forms-object", "forms-markdown", "forms-entity", "forms-no-scheme", "forms-decoys"),
    "J-22": ("forms-envelopes", "forms-json-text"),
    "J-23": ("forms-number",),
    "J-24": ("forms-fails-inside",),
    "J-26": ("forms-large",),
    "H-01": ("http-400", "http-401", "http-403", "http-404", "http-422"),
    "H-02": ("http-408", "http-429", "http-503", "http-520", "http-529"),
    "H-03": ("http-501",),
    "H-06": ("redirect-url",),
    "H-11": ("not-found-first",),
    "D-11": ("short-body",),
    "D-12": ("reset-mid-body",),
    "D-15": ("expired-url",),
    "D-16": ("html-video",),
    "D-20": ("cut-unframed",),
    "D-32": ("unframed", "file-unsized"),
}
#: The other rows of these families, and why no name of the mock stands for them.
UNSERVED: dict[str, str] = {
    **dict.fromkeys(
        ("N-01", "N-02", "N-15", "N-16", "N-17", "N-18", "N-19", "N-22", "N-23", "N-24"), "happens at the client's end"
    ),
    **dict.fromkeys(("N-03", "N-04"), "the mock speaks no TLS"),
    **dict.fromkeys(("N-20", "N-21"), "not held, so there is nothing to try"),
    **dict.fromkeys(("J-18", "J-19", "J-25"), "a matter of many answers, not of one"),
    "H-04": "the mock sends statuses that gateways send",
    **dict.fromkeys(("H-12", "H-13"), "a matter of many answers, not of one: scenario-hiccup-…"),
    **dict.fromkeys(("H-05", "H-07", "H-08", "H-09", "H-10"), "needs a second server, or none, to lead to"),
}


def rows(families: str) -> set[str]:
    """The ids of the table whose family is one of these."""
    text = (ROOT / "tests" / "faults.md").read_text("utf-8")
    return set(re.findall(rf"^\| ([{families}]-\d\d) \|", text, re.MULTILINE))


@pytest.mark.fault("M-04")
def test_every_fault_of_servers_has_a_name() -> None:
    """Each row about an answer has names of the mock, or a reason for none; no name is left over."""
    assert rows("NBJH") - SERVED.keys() - UNSERVED.keys() == set()
    assert SERVED.keys() & UNSERVED.keys() == set()
    assert (SERVED.keys() | UNSERVED.keys()) - rows("NBJHD") == set()
    named = {name for names in SERVED.values() for name in names}
    assert named - faults().keys() - scenarios().keys() == set()
    assert faults().keys() - named == set()


def test_fault_names_and_summaries_are_well_formed() -> None:
    """A name is words joined by hyphens, different from every scenario's; a summary is one line."""
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in faults())
    assert all("\n" not in text and len(text) < 80 for text in faults().values())
    assert faults().keys() & scenarios().keys() == set()


def send(gateway: MockGateway, target: str) -> bytes:
    """Everything that comes back for one request, until the server closes or resets the connection."""
    parts, answer = urlsplit(gateway.base_url), b""
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        head = f"GET {target} HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer sk-good\r\nconnection: close\r\n\r\n"
        connection.sendall(head.encode())
        try:
            while chunk := connection.recv(1 << 20):
                answer += chunk
        except ConnectionResetError:
            return answer + b"RESET"
    return answer


def query(task_id: str) -> str:
    """The target of a query."""
    return f"/v1/video/query?id={task_id}"


def test_faults_option_applies_to_first_requests_in_order(clock: FakeTime) -> None:
    """The faults of the option are played one after the other, a None is a good answer, and then service is normal."""
    with MockGateway(faults=["close", None, "reset", "not-http"], clock=clock.monotonic) as gateway:
        answers = [send(gateway, query("grok:scenario-normal")) for _ in range(5)]
        assert len(gateway.requests) == 5
    starts = [answer[:12] for answer in answers]
    assert starts == [b"", b"HTTP/1.1 200", b"RESET", b"SSH-2.0-\x1b]0;", b"HTTP/1.1 200"]


def test_fault_task_has_fault_in_every_answer(gateway: MockGateway) -> None:
    """Every answer about `grok:fault-<name>` has the fault, with the task's own life below it."""
    answers = [send(gateway, query("grok:fault-bom")).partition(b"\r\n\r\n")[2] for _ in range(2)]
    assert [answer[:21] for answer in answers] == [b'\xef\xbb\xbf{"id":"grok:fault-'] * 2


def test_unknown_fault_of_task_is_named_in_error(gateway: MockGateway) -> None:
    """A task with an unknown fault is answered with an error that says so."""
    assert b"no fault has this name" in send(gateway, query("grok:fault-earthquake"))


def test_video_fault_applies_to_first_download_only(gateway: MockGateway) -> None:
    """The first download of the video of `grok:video-fault-<name>` has the fault; the next one is whole."""
    first, second = (send(gateway, "/files/reset-mid-body/a.mp4") for _ in range(2))
    assert first.endswith(b"RESET")
    assert len(first) < len(second)
    assert b"ftyp" in second


def test_json_fault_of_video_changes_nothing(gateway: MockGateway) -> None:
    """A fault of JSON leaves a video unchanged."""
    first, second = (send(gateway, "/files/json-null/a.mp4").partition(b"\r\n\r\n")[2] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ["stall", "stall-mid-body", "endless-103", "drip-headers", "long-body", "huge-body"])
def test_close_during_fault_ends_at_once(name: str) -> None:
    """A gateway that is closed while a fault goes on is closed at once, and leaves nothing."""
    with MockGateway(faults=[name], speed=0.001) as gateway:
        parts = urlsplit(gateway.base_url)
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
            connection.sendall(b"GET /v1/video/query?id=x HTTP/1.1\r\nhost: mock\r\n\r\n")
            if name != "stall":
                assert connection.recv(1) == b"H"
            gateway.close()


@pytest.mark.parametrize("value", ["close", ["earthquake"], ["close", 5], [["close"]], 5, None])
def test_invalid_faults_option_is_refused(value: Any) -> None:
    """Anything but a list of known names is refused at once; the message for a wrong name lists all."""
    with pytest.raises(ConfigurationError, match="faults must") as caught:
        MockGateway(faults=value)
    assert not isinstance(value, list) or "reset-mid-body" in str(caught.value)
