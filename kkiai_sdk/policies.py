"""How often to ask, and how often to ask again: frozen, validated numbers with their origins."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from kkiai_sdk import _validators
from kkiai_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from attrs import Attribute

    Validator = Callable[[Any, "Attribute[Any]", Any], None]


def _seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _within(low: float, high: float, *, above: bool = False) -> Validator:
    def validate(_policy: object, attribute: Attribute[Any], value: object) -> None:
        _validators.number(attribute.name, value, low=low, high=high, above=above)

    return validate


def _count(low: int, high: int) -> Validator:
    def validate(_policy: object, attribute: Attribute[Any], value: object) -> None:
        _validators.whole(attribute.name, value, low=low, high=high)

    return validate


@frozen(kw_only=True)
class RetryPolicy:
    """When one request that failed for a passing reason is sent again. How many times is ``max_retries`` of the client.

    The n-th retry (from 0) waits ``min(initial_delay * 2**n, max_delay)`` seconds, plus or minus ``jitter`` of it, or
    what the server's ``Retry-After`` asks if that is longer. The numbers are those that cloud SDKs have settled on:
    half a second hides a blip, eight seconds spares a service that is down. Raises ConfigurationError for a value out
    of range.
    """

    #: Seconds before the first retry, 0 to 3600.
    initial_delay: float = field(default=0.5, converter=_seconds, validator=_within(0, 3600))
    #: Seconds at which our delays stop growing, before jitter, 0 to 3600.
    max_delay: float = field(default=8.0, converter=_seconds, validator=_within(0, 3600))
    #: Fraction of the delay by which it varies either way, 0 to 1.
    jitter: float = field(default=0.25, validator=_within(0, 1))
    #: Seconds up to which ``Retry-After`` is honoured, 0 to 86400; a longer one raises at once.
    max_retry_after: float = field(default=60.0, converter=_seconds, validator=_within(0, _validators.MAX_SECONDS))
    #: Retries that a client may have outstanding: each costs one, each success gives one back, so that an outage
    #: is not multiplied by retrying. 0 to 1000000.
    budget: int = field(default=100, validator=_count(0, 1_000_000))


@frozen(kw_only=True)
class PollPolicy:
    """When a waiting task is asked about again, and how much trouble a wait puts up with.

    The gap after t seconds of waiting is ``min(min_interval + growth * t, max_interval)``, shortened by up to
    ``jitter`` of it so that many waits do not march in step. It needs no idea of how long tasks take: with the
    defaults the end is noticed at most 3 s plus 2 % of the time waited after it came, and never more than 15 s.
    Gateways advise 5 to 30 s, growing. Raises ConfigurationError for a value out of range.
    """

    #: Seconds between the first polls, above 0 up to 3600.
    min_interval: float = field(default=3.0, converter=_seconds, validator=_within(0, 3600, above=True))
    #: Seconds by which the gap grows per second waited, 0 to 1.
    growth: float = field(default=0.02, validator=_within(0, 1))
    #: Seconds that the gap never exceeds, above 0 up to 3600; not under ``min_interval``.
    max_interval: float = field(default=15.0, converter=_seconds, validator=_within(0, 3600, above=True))
    #: Fraction by which a gap may be shortened at random, 0 to 0.5.
    jitter: float = field(default=0.1, validator=_within(0, 0.5))
    #: Passing failures in a row after which a wait gives up, 1 to 1000000.
    max_consecutive_errors: int = field(default=10, validator=_count(1, 1_000_000))
    #: Seconds from the start of a wait during which "task not found" is taken for "not visible yet" (seen for
    #: about 20 s after creation), 0 to 86400.
    not_found_grace: float = field(default=60.0, converter=_seconds, validator=_within(0, _validators.MAX_SECONDS))
    #: Seconds that a success without a URL is asked about again, 0 to 86400.
    url_grace: float = field(default=60.0, converter=_seconds, validator=_within(0, _validators.MAX_SECONDS))

    def __attrs_post_init__(self) -> None:
        if self.max_interval < self.min_interval:
            raise ConfigurationError(
                f"max_interval ({self.max_interval:g} s) must not be under min_interval ({self.min_interval:g} s)"
            )

    def gap(self, elapsed: float) -> float:
        """Seconds to the next poll, before jitter, ``elapsed`` seconds into the wait."""
        return min(self.min_interval + self.growth * max(elapsed, 0.0), self.max_interval)
