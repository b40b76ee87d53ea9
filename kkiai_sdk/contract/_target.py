"""Which gateway is checked, and how: the options of a check, read and completed."""

from __future__ import annotations

import ipaddress
import itertools
import math
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import field, frozen

from kkiai_sdk import ConfigurationError
from kkiai_sdk.contract import _conformance as conformance
from kkiai_sdk.contract._asking import gap
from kkiai_sdk.contract._probes import QUERY_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kkiai_sdk.contract._spec import Operation, Spec

#: Requests that a gateway that is not on this machine is sent, unless the caller says otherwise.
GENTLE_RATE = "5/s"
#: Stands for a key where only the address is looked at.
_ANY_KEY = "sk-any"
_MOCK_KEY = "sk-contract-check"
#: A life that ends well, one that ends badly, and one that is cancelled.
_MOCK_IDS = ("grok:scenario-normal", "veo:scenario-fails", "sora:scenario-cancelled")
#: Gateway seconds that pass with each request to the built-in mock: its tasks live by what they are asked, not by the
#: clock on the wall, so that every run sees the same answers.
_MOCK_TICK = 0.4


@frozen
class Target:
    """A gateway, and how it is to be asked."""

    base_url: str
    #: None: there is none, and the check cannot be made.
    api_key: str | None = field(repr=False)
    task_ids: tuple[str, ...]
    is_gentle: bool
    rate: str | None
    #: Whether somebody said that these tasks exist, or they are only a guess.
    are_ids_given: bool = True
    #: Whether it is on this machine.
    is_local: bool = True


@contextmanager
def target(
    spec: Spec,
    base_url: str | None,
    api_key: str | None,
    task_ids: Sequence[str],
    *,
    fuzz: bool | None,
    rate: str | None,
) -> Iterator[Target]:
    """The gateway that the options describe; without an address a mock gateway that lives as long as the context."""
    gap(rate)
    if base_url is None:
        with _mock() as (url, mock_key):
            yield Target(url, mock_key, tuple(task_ids) or _MOCK_IDS, fuzz is False, rate)
        return
    # Files and shells leave white space around a key; the SDK takes it off, too.
    key = (api_key if api_key is not None else os.environ.get("KKIAI_API_KEY", "")).strip() or None
    url, ids = _checked(base_url, key, task_ids)
    is_local = is_loopback(urlsplit(url).hostname or "")
    is_gentle = not is_local if fuzz is None else not fuzz
    pace = rate or (None if is_local else GENTLE_RATE)
    yield Target(url, key, ids or _example(spec), is_gentle, pace, are_ids_given=bool(ids), is_local=is_local)


def _checked(base_url: str, api_key: str | None, task_ids: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The address in one form, and the ids. The SDK itself says what is wrong with them."""
    from kkiai_sdk import Kkiai  # noqa: PLC0415 (brings in the HTTP library)

    with Kkiai(api_key or _ANY_KEY, base_url=base_url, httpx_args={"trust_env": False}) as client:
        url = str(client.raw.get_httpx_client().base_url).rstrip("/")
    for task_id in task_ids:
        _check_id(task_id)
    return url.removesuffix("/v1"), tuple(dict.fromkeys(task_ids))


def _check_id(task_id: str) -> None:
    if not 1 <= len(task_id) <= 256 or not task_id.isprintable() or any(map(str.isspace, task_id)):
        raise ConfigurationError(f"a task id has 1 to 256 visible characters and no spaces, unlike {task_id[:40]!a}")


@contextmanager
def _mock() -> Iterator[tuple[str, str]]:
    from kkiai_sdk.mock import MockGateway  # noqa: PLC0415 (only this target needs a server)

    ticks = itertools.count()
    with MockGateway(api_key=_MOCK_KEY, clock=lambda: next(ticks) * _MOCK_TICK) as gateway:
        yield gateway.base_url, gateway.api_key


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def operation_of(spec: Spec) -> Operation:
    """The operation that is checked. Raises ConfigurationError when the spec does not have it."""
    found = spec.operation("GET", QUERY_PATH)
    if found is None:
        raise ConfigurationError(f"{spec.name} does not describe GET {QUERY_PATH}, which is what is checked")
    return found


def _example(spec: Spec) -> tuple[str, ...]:
    """The example id of the spec: gateways for tests know it."""
    node = conformance.parameters_of(spec, operation_of(spec)).get(("query", "id"))
    example = node.value.get("example") if node else None
    return (str(example),) if isinstance(example, str | int) and str(example) else ()


def checked_limit(seconds: float) -> float:
    """The time limit. Raises ConfigurationError unless it is above 0; infinity means none."""
    if math.isnan(seconds) or seconds <= 0:
        raise ConfigurationError(f"time_limit must be a number of seconds above 0, not {seconds!r:.40}")
    return float(seconds)
