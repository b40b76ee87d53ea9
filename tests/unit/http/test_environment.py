"""Proxies by pattern, and the names under which unusable values are refused."""

from __future__ import annotations

import logging
import os
import re
import ssl
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trustme

from kkiai_sdk import ConfigurationError
from kkiai_sdk._http import environment
from kkiai_sdk._http.environment import proxies_by_pattern, tls_context, to_proxy

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def _with_socksio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "find_spec", lambda _: object())


def urls() -> dict[str, str | None]:
    """The URLs of the proxies of the environment, by pattern."""
    return {pattern: None if proxy is None else str(proxy.url) for pattern, proxy in proxies_by_pattern().items()}


@pytest.mark.fault("N-17")
def test_environment_without_variables_has_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without variables there is no proxy and no exception; empty ones and those of other schemes do not count."""
    assert urls() == {}
    monkeypatch.setenv("HTTP_PROXY", "")
    monkeypatch.setenv("FTP_PROXY", "http://proxy.example")
    assert urls() == {}


@pytest.mark.fault("N-17")
def test_proxies_by_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable counts for its scheme; a missing scheme is http, and white space around a URL is none of it."""
    monkeypatch.setenv("HTTP_PROXY", "one.example:3128")
    monkeypatch.setenv("https_proxy", " http://two.example:8080 ")
    monkeypatch.setenv("ALL_PROXY", "https://three.example")
    expected = {"http://": "http://one.example:3128", "https://": "http://two.example:8080"}
    assert urls() == expected | {"all://": "https://three.example"}


#: Entries of NO_PROXY, and the patterns of httpx.
KEPT = {
    "localhost": "all://localhost",
    "LOCALHOST": "all://LOCALHOST",
    "127.0.0.1": "all://127.0.0.1",
    "10.0.0.1": "all://10.0.0.1",
    "::1": "all://[::1]",
    "example.com": "all://*example.com",
    ".example.com": "all://*.example.com",
    "*.example.com": "all://*.example.com",
    "example.com:8080": "all://*example.com:8080",
    "http://example.com": "http://example.com",
    "https://": "https://",
}
DROPPED = [
    "[::1]",
    "fd00::/8",
    "fe80::/10",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "169.254.*",
    "<local>",
    "a.example b.example",
    "example.com:port",
    "http://[::1",
    "bücher.example/",
]


@pytest.mark.fault("N-22")
def test_exceptions_that_httpx_can_apply_are_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Names, addresses, ports and schemes of NO_PROXY are exceptions, and nothing is logged."""
    monkeypatch.setenv("NO_PROXY", f" {' , '.join(KEPT)},,")
    assert urls() == dict.fromkeys(KEPT.values())
    assert caplog.records == []


@pytest.mark.fault("N-22")
@pytest.mark.parametrize("entry", DROPPED)
def test_exception_that_httpx_cannot_apply_is_dropped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, entry: str
) -> None:
    """An entry that httpx cannot parse, or that matches no host, is dropped; the others count."""
    monkeypatch.setenv("no_proxy", f"localhost,{entry},.example.org")
    assert urls() == {"all://localhost": None, "all://*.example.org": None}
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("kkiai_sdk", logging.WARNING)
    assert record.getMessage() == f"no_proxy: httpx cannot apply {entry!r}; ignored"


@pytest.mark.fault("N-22")
def test_all_dropped_exceptions_are_in_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning names the variable and its entries, on one line, shortened, and without a password."""
    monkeypatch.setenv("NO_PROXY", f"[::1],http://joe:s3cret@[::1,a\nb,{'x' * 900}/8")
    assert urls() == {}
    (record,) = caplog.records
    text = record.getMessage()
    assert text.startswith(r"NO_PROXY: httpx cannot apply '[::1]', '[::1', 'a\nb', 'xxx")
    assert len(text) < 600
    assert "s3cret" not in text


@pytest.mark.fault("N-17")
def test_asterisk_excepts_all_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``*`` in NO_PROXY no proxy is used, nor looked at."""
    monkeypatch.setenv("ALL_PROXY", "nonsense://")
    monkeypatch.setenv("NO_PROXY", "[::1], *")
    assert urls() == {}


@pytest.mark.fault("N-23")
@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("http://joe:s3cret@[::1", "is not a valid proxy URL"),
        ("http://joe:s3cret@proxy.example:port", "is not a valid proxy URL"),
        ("ftp://joe:s3cret@proxy.example", "must have one of the schemes http, https, socks5, socks5h"),
        ("socks4://joe:s3cret@proxy.example", "must have one of the schemes http, https, socks5, socks5h"),
        ("http://joe:s3cret@", "has no host"),
        ("socks://joe:s3cret@proxy.example", ': a SOCKS proxy needs the package socksio (pip install "httpx[socks]")'),
        ("socks5h://joe:s3cret@h", ': a SOCKS proxy needs the package socksio (pip install "httpx[socks]")'),
    ],
)
def test_unusable_proxy_is_refused_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    """The error names the variable as it is set and what is wrong, and shows nothing of the URL."""
    monkeypatch.setattr(environment, "find_spec", lambda _: None)
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        proxies_by_pattern()
    assert str(caught.value) == (f"{name}{problem}" if problem.startswith(":") else f"{name} {problem}")


@pytest.mark.fault("N-23")
def test_proxy_of_the_system_settings_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unusable proxy of the system settings is not blamed on a variable."""
    monkeypatch.setattr(environment, "getproxies", lambda: {"https": "ftp://proxy.example"})
    with pytest.raises(ConfigurationError, match=r"^the https proxy of the system settings must have one of"):
        proxies_by_pattern()


@pytest.mark.fault("N-23")
@pytest.mark.usefixtures("_with_socksio")
@pytest.mark.parametrize("scheme", ["socks", "socks5", "socks5h"])
def test_socks_proxy(scheme: str) -> None:
    """A SOCKS proxy is used with the package for it; ``socks`` is version 5, and user and password are kept."""
    proxy = to_proxy("ALL_PROXY", f"{scheme}://joe:s3cret@proxy.example:1080")
    assert str(proxy.url) == f"{'socks5' if scheme == 'socks' else scheme}://proxy.example:1080"
    assert proxy.auth == ("joe", "s3cret")


@pytest.mark.fault("N-23")
def test_proxy_object_of_httpx_is_used_as_it_is() -> None:
    """A proxy of the caller may be text, a URL or a proxy of httpx, which keeps its headers."""
    proxy = httpx.Proxy("http://proxy.example", headers={"X-Team": "video"})
    assert to_proxy("proxy in httpx_args", proxy) is proxy
    assert to_proxy("proxy in httpx_args", httpx.URL("http://a.example")).url == "http://a.example"
    with pytest.raises(ConfigurationError, match=r"^proxy in httpx_args is not a valid proxy URL$"):
        to_proxy("proxy in httpx_args", 5)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A file with the certificate of an authority."""
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return path


def authorities(context: ssl.SSLContext) -> int:
    """The number of authorities that a context trusts."""
    return len(context.get_ca_certs())


@pytest.mark.fault("N-17")
def test_certificate_variables_count_as_in_httpx(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    """SSL_CERT_FILE replaces the default store and hides SSL_CERT_DIR; neither counts without trust_env."""
    monkeypatch.setenv("SSL_CERT_FILE", str(store))
    monkeypatch.setenv("SSL_CERT_DIR", "/nonexistent")
    assert authorities(tls_context(True, None, trust_env=True)) == 1
    assert authorities(tls_context(True, None, trust_env=False)) > 1
    assert tls_context(False, None, trust_env=True).verify_mode is ssl.CERT_NONE


@pytest.mark.fault("N-23")
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_missing_certificates_are_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A variable whose file or directory does not exist is named, and so is the path."""
    monkeypatch.setenv(name, "/nonexistent/ca")
    with pytest.raises(
        ConfigurationError, match=f"^{name} names '/nonexistent/ca', which does not exist or cannot be read$"
    ):
        tls_context(True, None, trust_env=True)


@pytest.mark.fault("N-17")
def test_one_of_several_certificate_directories_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SSL_CERT_DIR may list directories, as for OpenSSL, of which some do not exist."""
    monkeypatch.setenv("SSL_CERT_DIR", f"/nonexistent{os.pathsep}{tmp_path}")
    assert tls_context(True, None, trust_env=True).verify_mode is ssl.CERT_REQUIRED


@pytest.mark.fault("N-23")
def test_file_without_certificates_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that holds no certificate is named with its variable."""
    path = tmp_path / "ca.pem"
    path.write_text("nothing")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(
        ConfigurationError, match=re.escape(f"SSL_CERT_FILE = {str(path)!r}: no usable certificates (SSLError: ")
    ):
        tls_context(True, None, trust_env=True)


@pytest.mark.fault("N-23")
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("/nonexistent", None), "verify in httpx_args"),
        ((False, "/nonexistent"), "cert in httpx_args"),
        ((False, ("/nonexistent", "/nonexistent", "s3cret")), "cert in httpx_args"),
        ((False, ("STORE", "/nonexistent", "s3cret")), "the key of cert in httpx_args"),
    ],
)
def test_missing_files_of_the_caller_are_named(arguments: tuple[Any, Any], name: str, store: Path) -> None:
    """A missing file of ``verify`` or ``cert`` is named with its option, without the password of the key."""
    verify, cert = arguments
    cert = tuple(str(store) if each == "STORE" else each for each in cert) if isinstance(cert, tuple) else cert
    with pytest.raises(ConfigurationError) as caught:
        tls_context(verify, cert, trust_env=False)
    assert str(caught.value) == f"{name} names '/nonexistent', which does not exist or cannot be read"


@pytest.mark.fault("N-23")
@pytest.mark.parametrize("trust_env", [True, False])
def test_unwritable_key_log_is_named(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    trust_env: bool,  # noqa: FBT001 (a column of the table)
) -> None:
    """SSLKEYLOGFILE is named when the ssl module, which reads it in any case, cannot write to its path."""
    path = str(tmp_path / "no" / "keys")
    monkeypatch.setenv("SSLKEYLOGFILE", path)
    with pytest.raises(ConfigurationError, match=re.escape(f"SSLKEYLOGFILE names {path!r}, which cannot be written: ")):
        tls_context(True, None, trust_env=trust_env)


@pytest.mark.fault("N-17")
def test_key_log_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SSLKEYLOGFILE has its usual effect on each context that verifies."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert tls_context(True, None, trust_env=True).keylog_filename == str(tmp_path / "keys")
    assert not tls_context(False, None, trust_env=True).keylog_filename


@pytest.mark.fault("N-15")
@pytest.mark.parametrize("key_log", [True, False])
def test_lack_of_file_descriptors_is_no_fault_of_a_variable(
    monkeypatch: pytest.MonkeyPatch,
    store: Path,
    key_log: bool,  # noqa: FBT001 (a column of the table)
) -> None:
    """An error for lack of file descriptors is raised as such, not as a wrong variable."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setenv("SSLKEYLOGFILE" if key_log else "SSL_CERT_FILE", str(store))
    if key_log:
        monkeypatch.setattr(ssl, "SSLContext", fail)
    else:
        monkeypatch.setattr(httpx, "create_ssl_context", fail)
    with pytest.raises(OSError, match="Too many open files"):
        tls_context(True, None, trust_env=True)
