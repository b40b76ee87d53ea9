"""`kkiai doctor`: what it finds, and what it advises."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from kkiai_sdk.mock import MockGateway

if TYPE_CHECKING:
    from tests.cli.conftest import Ended, Run


@pytest.fixture(autouse=True)
def _no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def results(ended: Ended) -> dict[str, str]:
    """Each check's result."""
    return {found["check"]: found["result"] for found in ended.objects}


def finding(ended: Ended, check: str) -> dict[str, Any]:
    """What one check found."""
    return next(found for found in ended.objects if found["check"] == check)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_all_is_well(kkiai: Run) -> None:
    """With a key and a gateway every check is ok, a line each, in order; the key is not shown."""
    ended = kkiai("doctor")
    assert ended.code == 0
    assert [line[:4].strip() for line in ended.lines] == ["ok"] * 8
    checks = ["versions", "extras", "key", "base URL", "DNS", "connection", "query", "clock"]
    assert [line[6:20].strip() for line in ended.lines] == checks


def test_without_a_key_no_query_is_made(kkiai: Run, gateway: MockGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing key is a failure with advice; the network is checked all the same, and nothing is asked."""
    monkeypatch.delenv("KKIAI_API_KEY")
    before = len(gateway.requests)
    ended = kkiai("doctor", "--json")
    assert ended.code == 2
    assert results(ended).items() >= {"key": "fail", "connection": "ok"}.items()
    assert "query" not in results(ended)
    assert len(gateway.requests) == before


def test_a_wrong_key(kkiai: Run) -> None:
    """A key that the gateway refuses fails the query, with the code of a refused key."""
    with MockGateway(api_key="another-key") as other:
        ended = kkiai("doctor", "--json", "--base-url", other.base_url)
    assert ended.code == 4
    assert results(ended)["query"] == "fail"
    assert "401" in finding(ended, "query")["detail"]


@pytest.mark.parametrize("url", ["ftp://localhost", "http://gateway.example", "nonsense", "https://u:p@localhost"])
def test_a_wrong_address(kkiai: Run, url: str) -> None:
    """An address that cannot work is a failure, and nothing is sent anywhere."""
    ended = kkiai("doctor", "--json", "--base-url", url)
    assert ended.code == 2
    assert results(ended)["base URL"] == "fail"
    assert "DNS" not in results(ended)


def test_nobody_listens(kkiai: Run) -> None:
    """A refused connection is a failure of the network, and the query is left out."""
    ended = kkiai("doctor", "--json", "--base-url", f"http://127.0.0.1:{free_port()}")
    assert ended.code == 5
    assert results(ended)["connection"] == "fail"
    assert "query" not in results(ended)


def test_a_gateway_in_trouble(kkiai: Run) -> None:
    """TLS that is not TLS is a failure of the connection."""
    with MockGateway() as plain:
        ended = kkiai("doctor", "--json", "--base-url", plain.base_url.replace("http:", "https:"), "--timeout", "5s")
    assert ended.code == 5
    assert results(ended)["connection"] == "fail"


def test_a_proxy_is_named_without_its_password(kkiai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy from the environment is a warning; it is what is connected to, and its credentials are not shown."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    ended = kkiai("doctor", "--json", "--base-url", "https://gateway.example")
    assert results(ended).items() >= {"proxy": "warn", "connection": "fail"}.items()
    assert "secret" not in ended.out


def test_a_proxy_that_is_no_url(kkiai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy variable that makes no sense ends no check with a traceback."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:port")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    ended = kkiai("doctor", "--json", "--base-url", "https://gateway.example")
    assert results(ended)["proxy"] == "warn"
    assert ended.code == 5


def test_certificates_that_are_not_there(kkiai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable for certificates that names nothing is a warning with advice."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent/ca.pem")
    ended = kkiai("doctor", "--json", "--base-url", f"http://127.0.0.1:{free_port()}")
    assert finding(ended, "certificates")["result"] == "warn"
    assert "SSL_CERT_FILE" in finding(ended, "certificates")["advice"]
