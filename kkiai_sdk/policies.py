"""Policies for retries and polls: frozen, validated numbers."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
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


def _checked_by(check: Callable[..., object], low: float, high: float, **options: bool) -> Validator:
    def validate(_policy: object, attribute: Attribute[Any], value: object) -> None:
        check(attribute.name, value, low=low, high=high, **options)

    return validate


_within, _count = partial(_checked_by, _validators.number), partial(_checked_by, _validators.whole)


@frozen(kw_only=True)
class RetryPolicy:
    """Delays between retries of a request that failed for a transient reason. ``max_retries`` limits their number.

    The n-th retry (from 0) waits ``min(initial_delay * 2**n, max_delay)`` seconds, plus or minus ``jitter`` of it, or
    the server's ``Retry-After`` if that is longer. The defaults are common in cloud SDKs: half a second is enough for a
    brief fault, eight seconds take load off a failing service. Raises ConfigurationError for a value out of range.
    """

    #: Seconds before the first retry, 0 to 3600.
    initial_delay: float = field(default=0.5, converter=_seconds, validator=_within(0, 3600))
    #: Longest delay in seconds, before jitter, 0 to 3600.
    max_delay: float = field(default=8.0, converter=_seconds, validator=_within(0, 3600))
    #: Fraction of the delay by which it varies either way, 0 to 1.
    jitter: float = field(default=0.25, validator=_within(0, 1))
    #: Longest ``Retry-After`` in seconds that is honored, 0 to 86400; for a longer one the error is raised at once.
    max_retry_after: float = field(default=60.0, converter=_seconds, validator=_within(0, _validators.MAX_SECONDS))
    #: Tokens in the client's retry budget, 0 to 1000000: each retry takes one, each success returns one, so that
    #: retries do not multiply the requests during an outage.
    budget: int = field(default=100, validator=_count(0, 1_000_000))


@frozen(kw_only=True)
class PollPolicy:
    """Schedule of the polls of a wait, and the errors that a wait tolerates.

    The gap after t seconds of waiting is ``min(min_interval + growth * t, max_interval)``, randomly shortened by up to
    ``jitter`` of it so that many waits do not poll in step. It requires no estimate of the task's duration: with the
    defaults, the end is detected within 3 s plus 2% of the time waited, and within 15 s. Gateways recommend increasing
    gaps of 5 to 30 s. Raises ConfigurationError for a value out of range.
    """

    #: Seconds between the first polls, above 0 up to 3600.
    min_interval: float = field(default=3.0, converter=_seconds, validator=_within(0, 3600, above=True))
    #: Growth of the gap, in seconds per second waited, 0 to 1.
    growth: float = field(default=0.02, validator=_within(0, 1))
    #: Longest gap in seconds, above 0 up to 3600; at least ``min_interval``.
    max_interval: float = field(default=15.0, converter=_seconds, validator=_within(0, 3600, above=True))
    #: Largest fraction by which a gap is shortened at random, 0 to 0.5.
    jitter: float = field(default=0.1, validator=_within(0, 0.5))
    #: Transient errors in a row after which a wait raises the last one, 1 to 1000000.
    max_consecutive_errors: int = field(default=10, validator=_count(1, 1_000_000))
    #: Seconds from the start of a wait during which "task not found" means "not visible yet" (observed for about 20 s
    #: after creation), 0 to 86400.
    not_found_grace: float = field(default=60.0, converter=_seconds, validator=_within(0, _validators.MAX_SECONDS))
    #: Seconds for which a task that succeeded without a URL is polled again, 0 to 86400.
    url_grace: float = field(default=60.0, converter=_seconds, validator=_within(0, _validators.MAX_SECONDS))
    #: Refusals in a row after which a wait raises the last one, if they also lasted for ``refusal_grace``, 1 to
    #: 1000000. A refusal is an error that is otherwise final (400, 401, 403, 404, quota), a web page, or a body that
    #: cannot be parsed or says nothing about the task, such as ``{}``. The rule applies once the wait has
    #: received a response about its task: the key was valid and the task existed, so most refusals come from a
    #: redeploy or a firewall. Before that, the first final error ends the wait.
    max_refusals: int = field(default=5, validator=_count(1, 1_000_000))
    #: Seconds after the first of several refusals in a row during which a wait tolerates them, 0 to 86400. A redeploy
    #: or a failover takes up to a minute.
    refusal_grace: float = field(default=90.0, converter=_seconds, validator=_within(0, _validators.MAX_SECONDS))
    #: Seconds for which the file of a task that has just succeeded is requested again while its server does not have it
    #: yet, 0 to 86400. Object stores and CDNs serve a new file within seconds, or at worst a minute or two.
    file_grace: float = field(default=120.0, converter=_seconds, validator=_within(0, _validators.MAX_SECONDS))

    def __attrs_post_init__(self) -> None:
        if self.max_interval < self.min_interval:
            raise ConfigurationError(
                f"max_interval ({self.max_interval:g} s) must be at least min_interval ({self.min_interval:g} s)"
            )

    def gap(self, elapsed: float) -> float:
        """Return the seconds to the next poll, before jitter, ``elapsed`` seconds into the wait."""
        return min(self.min_interval + self.growth * max(elapsed, 0.0), self.max_interval)
