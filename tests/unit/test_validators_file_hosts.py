"""Validation of ``allow_file_hosts``."""

from __future__ import annotations

from typing import Any

import pytest

from kkiai_sdk import ConfigurationError
from kkiai_sdk._validators import file_hosts


@pytest.mark.fault("S-18")
def test_valid_entries_are_normalized() -> None:
    """Names are lower case without a final dot, addresses are networks; None and an empty list permit no host."""
    given = ["MinIO.Internal.", " cdn ", "*.Corp.example", "10.0.0.1", "10.0.0.0/8", "[::1]", "FD00::/8", "a_b.example"]
    expected = ("minio.internal", "cdn", "*.corp.example", "10.0.0.1/32", "10.0.0.0/8", "::1/128", "fd00::/8")
    assert file_hosts("allow_file_hosts", given) == (*expected, "a_b.example")
    assert file_hosts("allow_file_hosts", None) == file_hosts("allow_file_hosts", []) == ()
    assert file_hosts("allow_file_hosts", iter(["a"])) == ("a",)


@pytest.mark.fault("S-18")
@pytest.mark.parametrize("value", ["10.0.0.0/8", b"a", 5, True])
def test_value_that_is_no_list_is_refused(value: Any) -> None:
    """One host as text, which is a sequence of characters, is refused like anything that is no list."""
    message = f"allow_file_hosts must be a list of hosts and networks, not {type(value).__name__}"
    with pytest.raises(ConfigurationError, match=f"^{message}$"):
        file_hosts("allow_file_hosts", value)


WRONG = [
    "",
    " ",
    "*",
    "*.",
    "a.*.b",
    "*a.example",
    "**.a",
    "10.0.0.1/8",
    "10.0.0.0/33",
    "10.0.0",
    "300.1.1.1",
    "cdn:80",
]


@pytest.mark.fault("S-18")
@pytest.mark.parametrize(
    "entry", [*WRONG, "https://user:s3cret@cdn.example", "a b", "a/b", "exämple.org", "[::1", "x\n.y"]
)
def test_entry_that_is_neither_host_nor_network_is_refused(entry: str) -> None:
    """The error names the entry by its position and says what is accepted; the value, maybe a URL, is not shown."""
    with pytest.raises(ConfigurationError) as caught:
        file_hosts("allow_file_hosts", ["good.example", entry])
    message = str(caught.value)
    assert message.startswith(
        "allow_file_hosts[1] must be a host name, '*.' followed by a domain, an IP address, or a network"
    )
    assert message.endswith(", without a scheme, port or path")
    assert "s3cret" not in message


@pytest.mark.fault("S-18")
@pytest.mark.parametrize("entry", [5, None, b"a"])
def test_entry_of_another_type_is_refused(entry: Any) -> None:
    """An entry that is no text is refused by its type."""
    with pytest.raises(ConfigurationError, match=rf"^allow_file_hosts\[0\] must be .*, not {type(entry).__name__}$"):
        file_hosts("allow_file_hosts", [entry])
