"""Options of a client: defaults, validation, and the frozen Config that holds them."""

from __future__ import annotations

import inspect
import platform
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Never, TypeAlias, TypedDict

from attrs import evolve, field, frozen

from kkiai_sdk import _validators
from kkiai_sdk._version import __version__
from kkiai_sdk.errors import ConfigurationError
from kkiai_sdk.policies import PollPolicy, RetryPolicy

if TYPE_CHECKING:
    from datetime import timedelta

#: The server in openapi.yaml; a test compares the two.
DEFAULT_BASE_URL = "https://www.kkiai.com"
DEFAULT_TIMEOUT = 30.0
DEFAULT_MAX_RETRIES = 3
#: Seconds: three times the duration of the longest usual task (grok 2 to 8 min, veo 4 to 10, sora 2 to 4).
DEFAULT_WAIT_TIMEOUT = 1800.0
#: Requests in flight at once: 40 requests per second at a response time of 200 ms.
DEFAULT_CONCURRENCY = 8
#: Requests per second for all tasks of one call, which take a tenth of one core. Enough for 150 tasks at the shortest
#: interval of the default PollPolicy, 3 s, and for 750 at the longest, 15 s.
DEFAULT_PER_SECOND = 50.0
#: Tasks that wait at the same time; they take about 10 MiB.
DEFAULT_WAITING = 10_000
#: Concurrent downloads of a fleet.
DEFAULT_DOWNLOADS = 4

#: Arguments that are passed to httpx. The SDK sets headers, timeouts, redirects and pool limits itself: a limited pool
#: of httpcore 1.0.9 loses slots when requests are cancelled.
HTTPX_ARGS = frozenset({"cert", "event_hooks", "http1", "http2", "mounts", "proxy", "transport", "trust_env", "verify"})

KeySource: TypeAlias = str | Callable[[], str]


class Options(TypedDict, total=False):
    """The options that ``with_options`` accepts."""

    api_key: KeySource
    timeout: float | timedelta
    max_retries: int
    retry: RetryPolicy | None
    poll: PollPolicy | None
    default_headers: Mapping[str, str] | None
    user_agent_suffix: str | None
    allow_file_hosts: Iterable[str] | None


class Secret:
    """A key, or a function that returns it, hidden from repr, tracebacks and pickles.

    Created before the key is validated, so that no frame of a traceback holds the key in a variable.
    """

    __slots__ = ("_known", "_source")

    def __init__(self, source: object) -> None:
        # In closures, because debuggers and crash reporters record attributes.
        self._source = source if callable(source) else None
        self._known = _constant(None if callable(source) else source)

    @classmethod
    def from_value(cls, source: object) -> Secret:
        """Return ``source`` as a Secret; a Secret is returned unchanged."""
        return source if isinstance(source, Secret) else cls(source)

    def checked(self) -> Secret:
        """Return a Secret with a valid, stripped key; a function is not called. Raises ConfigurationError."""
        return self if self._source else Secret(_validators.api_key(self._known()))

    def resolved(self) -> Secret:
        """Return a Secret with the current key; only here a function is called. Raises ConfigurationError."""
        if self._source is None:
            return self
        current = Secret(_validators.api_key(self._source()))
        self._known = _constant(current.known)
        return current

    @property
    def known(self) -> str | None:
        """The last resolved key, or None; a function is not called."""
        known: str | None = self._known()
        return known

    @property
    def is_missing(self) -> bool:
        """Whether there is neither a key nor a function."""
        known = self._known()
        return self._source is None and (known is None or known == "")

    def __repr__(self) -> str:
        return "Secret('***')"

    def __reduce__(self) -> Never:
        raise ConfigurationError(
            "a client holds a key and cannot be pickled or copied; create a new one where you need it"
        )


def wrap_secret(options: Any) -> None:
    """Replace the key among options by a Secret, before any other use of them."""
    if "api_key" in options:
        options["api_key"] = Secret.from_value(options["api_key"])


def _constant(key: Any) -> Callable[[], Any]:
    return lambda: key


@frozen
class Config:
    """The validated options of a client."""

    secret: Secret
    base_url: str
    timeout: float = DEFAULT_TIMEOUT
    max_retries: int = DEFAULT_MAX_RETRIES
    retry: RetryPolicy = field(factory=RetryPolicy)
    poll: PollPolicy = field(factory=PollPolicy)
    headers: tuple[tuple[str, str], ...] = ()
    user_agent: str = ""
    #: Host names, ``*.`` with a domain, and networks, from which files are fetched although they are not public.
    allow_file_hosts: tuple[str, ...] = ()
    httpx_args: Mapping[str, Any] = field(factory=dict, repr=False)


def make(
    environ: Mapping[str, str],
    *,
    api_key: KeySource | Secret | None,
    base_url: str | None,
    allow_http: bool,
    httpx_args: Mapping[str, Any] | None,
    **options: object,
) -> Config:
    """Return a Config of the arguments, with defaults from the environment. Raises ConfigurationError."""
    secret = Secret.from_value(environ.get("KKIAI_API_KEY") if api_key is None else api_key)
    url = base_url if base_url is not None else environ.get("KKIAI_BASE_URL") or DEFAULT_BASE_URL
    # Crash reporters record the variables of every frame in a traceback, and these hold the key.
    del environ, api_key
    if secret.is_missing:
        raise ConfigurationError("no API key: pass api_key=… or set KKIAI_API_KEY")
    config = Config(
        secret=secret.checked(),
        base_url=_validators.base_url(url, allow_http=allow_http),
        user_agent=_user_agent(None),
        httpx_args=_httpx_args(httpx_args),
    )
    return change(config, options)


def change(config: Config, options: Mapping[str, Any]) -> Config:
    """Return the Config with some options replaced. Raises ConfigurationError for an unknown or invalid one."""
    unknown = sorted(options.keys() - OPTION_VALIDATORS.keys())
    if unknown:
        known = ", ".join(sorted(OPTION_VALIDATORS))
        raise ConfigurationError(f"unknown option {', '.join(map(ascii, unknown))[:200]}; known: {known}")
    return evolve(config, **dict(OPTION_VALIDATORS[name](name, value) for name, value in options.items()))


def _policy(cls: type[Any]) -> Callable[[str, Any], tuple[str, Any]]:
    def validate(name: str, value: object) -> tuple[str, Any]:
        value = cls() if value is None else value
        if not isinstance(value, cls):
            raise ConfigurationError(f"{name} must be a {cls.__name__}, not {type(value).__name__}")
        return name, value

    return validate


def request_timeout(name: str, value: object) -> float:
    """Validate the seconds for one attempt: above 0, at most 86400."""
    return _validators.number(name, value, low=0, high=_validators.MAX_SECONDS, above=True)


def retries(name: str, value: object) -> int:
    """Validate a number of retries: 0 to 100."""
    return _validators.whole(name, value, low=0, high=100)


OPTION_VALIDATORS: Mapping[str, Callable[[str, Any], tuple[str, Any]]] = {
    "api_key": lambda _, value: ("secret", Secret.from_value(value).checked()),
    "timeout": lambda name, value: (name, request_timeout(name, value)),
    "max_retries": lambda name, value: (name, retries(name, value)),
    "retry": _policy(RetryPolicy),
    "poll": _policy(PollPolicy),
    "default_headers": lambda name, value: ("headers", _validators.headers(name, value)),
    "allow_file_hosts": lambda name, value: (name, _validators.file_hosts(name, value)),
    "user_agent_suffix": lambda _, value: ("user_agent", _user_agent(value)),
}


def _user_agent(suffix: object) -> str:
    own = f"kkiai-sdk/{__version__} python/{platform.python_version()}"
    if suffix is None or suffix == "":
        return own
    if not isinstance(suffix, str) or not suffix.isascii() or not suffix.isprintable() or len(suffix) > 200:
        raise ConfigurationError("user_agent_suffix must be at most 200 visible ASCII characters, such as 'my-app/1.0'")
    return f"{own} {suffix}"


def _httpx_args(args: object) -> dict[str, Any]:
    given = dict(_validators.mapping("httpx_args", args))
    unknown = ", ".join(sorted(ascii(name) for name in given.keys() - HTTPX_ARGS))
    if unknown:
        known = ", ".join(sorted(HTTPX_ARGS))
        raise ConfigurationError(f"httpx_args must not contain {unknown[:200]}; allowed: {known}")
    if "event_hooks" in given:
        given["event_hooks"] = _validators.event_hooks("event_hooks in httpx_args", given["event_hooks"])
    if "mounts" in given:
        given["mounts"] = dict(_validators.mapping("mounts in httpx_args", given["mounts"]))
    return given


def reject_unknown(unknown: Mapping[str, object], function: Callable[..., object]) -> None:
    """Raise ConfigurationError for keyword arguments that ``function`` does not accept."""
    if unknown:
        known = ", ".join(
            p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD
        )
        raise ConfigurationError(f"unknown option {', '.join(sorted(unknown))[:200]}; known: {known}")
