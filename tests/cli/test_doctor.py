"""`kkiai doctor`: results and advice."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from kkiai_sdk.mock import MockGateway
from tests.support.rawserver import RawServer
from tests.support.wire import HANG

if TYPE_CHECKING:
    from tests.cli.conftest import Ended, Run


@pytest.fixture(autouse=True)
def _environment_without_network_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def results(ended: Ended) -> dict[str, str]:
    """Return the result of each check."""
    return {found["check"]: found["result"] for found in ended.objects}


def found_by(ended: Ended, check: str) -> dict[str, Any]:
    """Return the object of one check."""
    return next(found for found in ended.objects if found["check"] == check)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_working_gateway_passes_every_check(kkiai: Run) -> None:
    """With a key and a gateway every check is ok, on a line each, in order; the key is not shown."""
    ended = kkiai("doctor")
    assert ended.code == 0
    assert [line[:4].strip() for line in ended.lines] == ["ok"] * 7
    checks = ["versions", "key", "base URL", "DNS", "connection", "query", "clock"]
    assert [line[6:20].strip() for line in ended.lines] == checks


def test_missing_key_fails_and_sends_no_query(
    kkiai: Run, gateway: MockGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing key is a failure; the network is checked all the same, and nothing is sent."""
    monkeypatch.delenv("KKIAI_API_KEY")
    before = len(gateway.requests)
    ended = kkiai("doctor", "--json")
    assert ended.code == 2
    assert results(ended).items() >= {"key": "fail", "connection": "ok"}.items()
    assert "query" not in results(ended)
    assert len(gateway.requests) == before


def test_rejected_key_fails_the_query_check(kkiai: Run) -> None:
    """A key that the gateway rejects fails the query, with the exit code of a rejected key."""
    with MockGateway(api_key="another-key") as other:
        ended = kkiai("doctor", "--json", "--base-url", other.base_url)
    assert ended.code == 4
    assert results(ended)["query"] == "fail"
    assert "401" in found_by(ended, "query")["detail"]


@pytest.mark.parametrize("url", ["ftp://localhost", "http://gateway.example", "nonsense", "https://u:p@localhost"])
def test_invalid_address_fails_without_network_checks(kkiai: Run, url: str) -> None:
    """An address that cannot work is a failure, and nothing is connected."""
    ended = kkiai("doctor", "--json", "--base-url", url)
    assert ended.code == 2
    assert results(ended)["base URL"] == "fail"
    assert "DNS" not in results(ended)


def test_refused_connection_fails_and_sends_no_query(kkiai: Run) -> None:
    """A refused connection is a failure of the network, and the query is left out."""
    ended = kkiai("doctor", "--json", "--base-url", f"http://127.0.0.1:{free_port()}")
    assert ended.code == 5
    assert results(ended)["connection"] == "fail"
    assert "query" not in results(ended)


def test_server_without_tls_fails_the_connection_check(kkiai: Run) -> None:
    """An https address of a server that speaks plain HTTP is a failure of the connection."""
    with MockGateway() as plain:
        ended = kkiai("doctor", "--json", "--base-url", plain.base_url.replace("http:", "https:"), "--timeout", "5s")
    assert ended.code == 5
    assert results(ended)["connection"] == "fail"


def test_proxy_is_named_without_its_password(kkiai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy from the environment is a warning and is what is connected to; its credentials are not shown."""
    port = free_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{port}")
    ended = kkiai("doctor", "--json", "--base-url", "https://gateway.example")
    assert results(ended).items() >= {"proxy": "warn", "connection": "fail"}.items()
    assert f"http://127.0.0.1:{port}" in found_by(ended, "proxy")["detail"]
    assert found_by(ended, "connection")["detail"].startswith(f"the proxy 127.0.0.1:{port}: ")
    assert "secret" not in ended.out


def test_proxy_with_invalid_port_fails_without_traceback(kkiai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy variable that is no URL is reported like other network failures."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:port")
    ended = kkiai("doctor", "--json", "--base-url", "https://gateway.example")
    assert results(ended)["proxy"] == "warn"
    assert ended.code == 5


def test_gateway_that_answers_nothing_has_advice(kkiai: Run) -> None:
    """If connections are accepted and a query is not answered, the doctor says what to check."""
    with RawServer([HANG], clock=lambda: 1000.25) as server:
        ended = kkiai("doctor", "--json", "--base-url", server.url, "--timeout", "0.1s")
    assert (results(ended)["connection"], results(ended)["query"], ended.code) == ("ok", "fail", 5)
    assert "check the port and proxy" in found_by(ended, "query")["advice"]


def test_missing_certificate_file_is_a_warning(kkiai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable for certificates that names a missing file is a warning with advice."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent/ca.pem")
    ended = kkiai("doctor", "--json", "--base-url", f"http://127.0.0.1:{free_port()}")
    assert found_by(ended, "certificates")["result"] == "warn"
    assert "SSL_CERT_FILE" in found_by(ended, "certificates")["advice"]


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["text", "json"])
def test_explain_shows_where_each_field_was_found(kkiai: Run, gateway: MockGateway, flags: list[str]) -> None:
    """With an ID and --explain the places and rules of the task's fields are shown, without the key."""
    ended = kkiai("doctor", f"grok:scenario-forms-operation~{len(flags)}", "--explain", *flags)
    assert ended.code == 0
    assert "state: running at done, a boolean for completion" in ended.out
    assert gateway.api_key not in ended.out


def test_id_is_queried_without_explanation(kkiai: Run) -> None:
    """With an ID alone the state of the task is shown; an unknown id fails with the exit code of its error."""
    ended = kkiai("doctor", "--json", "grok:scenario-normal")
    assert found_by(ended, "query")["detail"].startswith("task state: pending (pending), ")
    assert "explain" not in results(ended)
    ended = kkiai("doctor", "--json", "grok:nobody")
    assert (ended.code, results(ended)["query"]) == (5, "fail")


def test_task_of_unknown_state_is_a_warning(kkiai: Run) -> None:
    """A task whose state cannot be read is a warning that asks for a report."""
    assert results(kkiai("doctor", "--json", "grok:scenario-unknown-status"))["query"] == "warn"


def test_explain_needs_an_id(kkiai: Run) -> None:
    """--explain without an ID is a usage error that says so."""
    ended = kkiai("doctor", "--explain")
    assert ended.code == 2
    assert "--explain needs the ID of a task" in ended.err
