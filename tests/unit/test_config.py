"""The options of a client, validated and kept in one frozen Config."""

from __future__ import annotations

import copy
import pickle
import platform
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from kkiai_sdk import ConfigurationError, Kkiai, PollPolicy, RetryPolicy, __version__
from kkiai_sdk._config import (
    DEFAULT_BASE_URL,
    HTTPX_ARGS,
    Config,
    Secret,
    change,
    make,
    reject_unknown,
    request_timeout,
    retries,
    wrap_secret,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEY = "Canary-0123456789"


def config(environ: Mapping[str, str] | None = None, **options: Any) -> Config:
    """The Config that a client makes from the environment and these options."""
    given = {"api_key": KEY, "base_url": None, "allow_http": False, "httpx_args": None} | options
    return make(environ or {}, **given)


def test_config_without_options_has_the_defaults() -> None:
    """Without options a client has the documented defaults."""
    made = config()
    assert made.base_url == DEFAULT_BASE_URL == "https://www.kkiai.com"
    assert (made.timeout, made.max_retries, made.retry, made.poll) == (30.0, 3, RetryPolicy(), PollPolicy())
    assert (made.headers, dict(made.httpx_args)) == ((), {})
    assert made.user_agent == f"kkiai-sdk/{__version__} python/{platform.python_version()}"
    assert made.secret.resolved().known == KEY


def test_key_and_base_url_are_read_from_the_environment() -> None:
    """The key and the base URL are read from the environment if they are not passed."""
    environ = {"KKIAI_API_KEY": " env-key\n", "KKIAI_BASE_URL": "https://env.example/v1/"}
    made = config(environ, api_key=None)
    assert (made.secret.resolved().known, made.base_url) == ("env-key", "https://env.example")
    made = config(environ, base_url="https://arg.example")
    assert (made.secret.resolved().known, made.base_url) == (KEY, "https://arg.example")
    assert config({"KKIAI_BASE_URL": ""}).base_url == DEFAULT_BASE_URL


@pytest.mark.parametrize("environ", [{}, {"KKIAI_API_KEY": ""}])
def test_missing_key_is_rejected_with_instructions(environ: dict[str, str]) -> None:
    """Without a key the message says where to provide one."""
    with pytest.raises(ConfigurationError, match=r"^no API key: pass api_key=… or set KKIAI_API_KEY$"):
        config(environ, api_key=None)
    with pytest.raises(ConfigurationError, match="no API key"):
        config(environ, api_key="")


TIMEOUT = "timeout must be a number of seconds greater than 0 and at most 86,400 (a day)"
BAD_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "timeout 0": (
        {"timeout": 0},
        f"{TIMEOUT}, not 0",
    ),
    "timeout NaN": (
        {"timeout": float("nan")},
        f"{TIMEOUT}, not nan",
    ),
    "timeout None": (
        {"timeout": None},
        f"{TIMEOUT}, not NoneType",
    ),
    "max_retries": ({"max_retries": 101}, "max_retries must be a whole number from 0 to 100, not 101"),
    "max_retries None": ({"max_retries": None}, "max_retries must be a whole number from 0 to 100, not NoneType"),
    "retry": ({"retry": 3}, "retry must be a RetryPolicy, not int"),
    "retry of the other kind": ({"retry": PollPolicy()}, "retry must be a RetryPolicy, not PollPolicy"),
    "poll": ({"poll": RetryPolicy()}, "poll must be a PollPolicy, not RetryPolicy"),
    "default_headers": ({"default_headers": [("A", "b")]}, "default_headers must be a mapping"),
    "default_headers with a key": ({"default_headers": {"authorization": KEY}}, "default_headers must not set"),
    "user_agent_suffix": ({"user_agent_suffix": "a\nb"}, "user_agent_suffix must be at most 200 visible ASCII"),
    "user_agent_suffix é": ({"user_agent_suffix": "é"}, "user_agent_suffix must be at most 200 visible ASCII"),
    "user_agent_suffix long": ({"user_agent_suffix": "x" * 201}, "user_agent_suffix must be at most 200"),
    "user_agent_suffix number": ({"user_agent_suffix": 5}, "user_agent_suffix must be at most 200"),
    "httpx_args": ({"httpx_args": [1]}, "httpx_args must be a mapping such as a dict, not list"),
    "httpx_args number": ({"httpx_args": 5}, "httpx_args must be a mapping such as a dict, not int"),
    "httpx_args unknown": (
        {"httpx_args": {"timeout": 5, 7: 1, "proxy": None}},
        "httpx_args must not contain 'timeout', 7; allowed: cert,",
    ),
    "httpx_args long": ({"httpx_args": {"x" * 300: 1}}, f"httpx_args must not contain '{'x' * 199}; allowed: cert,"),
    "event_hooks": (
        {"httpx_args": {"event_hooks": [print]}},
        "event_hooks in httpx_args must be a mapping such as a dict, not list",
    ),
    "event_hooks unknown": (
        {"httpx_args": {"event_hooks": {"requests": [print]}}},
        "event_hooks in httpx_args may only have the keys 'request' and 'response', not 'requests'",
    ),
    "event_hooks no list": (
        {"httpx_args": {"event_hooks": {"request": print}}},
        "event_hooks in httpx_args['request'] must be a list of functions, not builtin_function_or_method",
    ),
    "event_hooks text": (
        {"httpx_args": {"event_hooks": {"response": "Canary"}}},
        "event_hooks in httpx_args['response'] must be a list of functions, not str",
    ),
    "event_hooks not callable": (
        {"httpx_args": {"event_hooks": {"response": [print, None]}}},
        "event_hooks in httpx_args['response'] must contain functions only, not NoneType",
    ),
    "mounts": ({"httpx_args": {"mounts": [1]}}, "mounts in httpx_args must be a mapping such as a dict, not list"),
    "base_url": ({"base_url": "x"}, "base_url must start with https://"),
    "base_url number": ({"base_url": 5}, "base_url must be a URL"),
    "key with a newline": ({"api_key": "Canary\n0123456789"}, "character 7 of api_key is not allowed"),
    "key with NUL": ({"api_key": "Canary\0"}, "character 7 of api_key is not allowed"),
    "key not ASCII": ({"api_key": "Canaryé"}, "character 7 of api_key is not allowed"),
    "key of 600": ({"api_key": "Canary" * 100}, "api_key must have at most 512 characters; this one has 600"),
    "key as bytes": ({"api_key": b"Canary"}, "api_key must be a string or a function that returns one, not bytes"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_invalid_option_is_rejected_without_showing_the_key(case: str) -> None:
    """An invalid option is rejected: the message names it and its range, and never shows the key."""
    options, told = BAD_OPTIONS[case]
    with pytest.raises(ConfigurationError) as caught:
        config(**options)
    assert str(caught.value).startswith(told)
    assert "Canary" not in f"{caught.value!r}{vars(caught.value)}{caught.value.__cause__!r}"


def test_valid_options_are_kept_in_normal_form() -> None:
    """Valid options are kept in their normal form."""
    made = config(
        timeout=timedelta(minutes=1),
        max_retries=0,
        retry=RetryPolicy(jitter=0),
        poll=PollPolicy(growth=0),
        default_headers={"X-Forwarded-Host": "localhost:5173"},
        user_agent_suffix="my-app/1.0" + "0" * 190,
        httpx_args={"http2": True},
    )
    assert (made.timeout, made.max_retries, made.retry.jitter, made.poll.growth) == (60.0, 0, 0, 0)
    assert made.headers == (("X-Forwarded-Host", "localhost:5173"),)
    assert made.user_agent.endswith(" my-app/1.0" + "0" * 190)
    assert made.httpx_args == {"http2": True}
    assert config(base_url="http://gateway.example", allow_http=True).base_url == "http://gateway.example"


def test_none_means_the_default_of_an_option() -> None:
    """None for a policy means the default one; for headers and the suffix it means none."""
    made = config(retry=None, poll=None, default_headers=None, user_agent_suffix=None)
    assert (made.retry, made.poll) == (RetryPolicy(), PollPolicy())
    assert (made.headers, made.user_agent) == ((), config().user_agent)
    assert config(user_agent_suffix="").user_agent == made.user_agent


@pytest.mark.parametrize("name", sorted(HTTPX_ARGS - {"event_hooks", "mounts"}))
def test_documented_httpx_argument_is_passed_on(name: str) -> None:
    """Each documented argument of httpx is passed on as it is."""
    assert config(httpx_args={name: KEY}).httpx_args == {name: KEY}
    assert KEY not in repr(config(httpx_args={name: KEY}))


def test_mappings_of_httpx_arguments_are_copied() -> None:
    """Hooks and mounts are copied: later changes by the caller do not affect a client."""
    hooks, mounts = [print], {"all://": None}
    args: dict[str, Any] = {"event_hooks": {"request": hooks, "response": ()}, "mounts": mounts}
    made = config(httpx_args=args).httpx_args
    hooks.clear()
    mounts.clear()
    assert made == {"event_hooks": {"request": [print], "response": []}, "mounts": {"all://": None}}
    assert config(httpx_args={"event_hooks": None, "mounts": None}).httpx_args == {"event_hooks": {}, "mounts": {}}


def test_change_returns_a_new_config() -> None:
    """Changing options returns another configuration and leaves the first one unchanged."""
    first = config()
    second = change(first, {"timeout": 5, "api_key": "other-key", "user_agent_suffix": "x/1"})
    assert (second.timeout, second.secret.resolved().known, second.base_url) == (5.0, "other-key", first.base_url)
    assert second.user_agent == f"{first.user_agent} x/1"
    assert (first.timeout, first.secret.resolved().known) == (30.0, KEY)


@pytest.mark.parametrize("options", [{"base_url": "https://x.example"}, {"tiemout": 5, "a\nb": 1}])
def test_unknown_option_of_a_change_is_rejected(options: dict[str, object]) -> None:
    """An option that cannot be changed, or is unknown, is rejected with the list of valid ones."""
    with pytest.raises(ConfigurationError) as caught:
        change(config(), options)
    told = str(caught.value)
    assert told.startswith(
        "unknown option 'base_url'" if "base_url" in options else "unknown option 'a\\nb', 'tiemout'"
    )
    assert told.endswith(
        "known: allow_file_hosts, api_key, default_headers, max_retries, poll, retry, timeout, user_agent_suffix"
    )


def test_unknown_keyword_is_rejected_with_the_known_ones() -> None:
    """Unknown keyword arguments of a call are rejected, with the list of known ones."""
    reject_unknown({}, Kkiai)
    with pytest.raises(ConfigurationError) as caught:
        reject_unknown({"tiemout": 5, "retires": 1}, Kkiai)
    assert str(caught.value).startswith(
        "unknown option retires, tiemout; known: api_key, base_url, timeout, max_retries"
    )
    assert "unknown," not in str(caught.value)
    with pytest.raises(ConfigurationError, match=f"^unknown option {'x' * 200}; known: api_key"):
        reject_unknown({"x" * 300: 1}, Kkiai)
    with pytest.raises(ConfigurationError, match=f"^unknown option '{'x' * 199}; known: allow_file_hosts"):
        change(config(), {"x" * 300: 1})


def test_options_of_one_call_have_the_ranges_of_the_client() -> None:
    """One call's timeout and retries have the same ranges as the client's."""
    assert (request_timeout("timeout", 5), retries("max_retries", 0)) == (5.0, 0)
    with pytest.raises(ConfigurationError, match=re.escape(TIMEOUT)):
        request_timeout("timeout", 86_401)
    with pytest.raises(ConfigurationError, match="max_retries must be a whole number from 0 to 100"):
        retries("max_retries", -1)


def test_config_never_shows_the_key() -> None:
    """No repr, str, attribute or slot of a configuration shows the key."""
    made = config()
    assert KEY not in f"{made!r}{made!s}{made.secret!r}{made.secret!s}"
    assert repr(made.secret) == "Secret('***')"
    assert KEY not in repr([getattr(made.secret, name) for name in Secret.__slots__])


def test_key_among_options_is_wrapped_once() -> None:
    """A key among options is wrapped before use, once; options without a key stay unchanged."""
    options: dict[str, Any] = {"api_key": KEY, "timeout": 5}
    wrap_secret(options)
    first = options["api_key"]
    wrap_secret(options)
    assert options == {"api_key": first, "timeout": 5}
    assert (type(first), first.resolved().known) == (Secret, KEY)
    wrap_secret(none := {"timeout": 5})
    assert none == {"timeout": 5}


@pytest.mark.parametrize("attempt", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_secret_cannot_be_pickled_or_copied(attempt: Callable[[object], object]) -> None:
    """Pickling or copying a key is rejected, with a message that says what to do instead."""
    with pytest.raises(
        ConfigurationError, match=r"^a client holds a key and cannot .*; create a new one where you need it$"
    ):
        attempt(Secret(KEY))


def test_key_function_is_called_for_each_use() -> None:
    """A key function is called whenever a key is needed, and at no other time."""
    keys = iter([" first\n", "second", "third"])
    made = config(api_key=lambda: next(keys))
    assert made.secret.resolved().known == "first"
    resolved = made.secret.resolved()
    assert [resolved.resolved().known, resolved.resolved().known, made.secret.resolved().known] == [
        "second",
        "second",
        "third",
    ]


def test_known_key_is_the_last_one_returned() -> None:
    """The key to redact is the last one returned, or empty before the first call; it calls nothing."""
    secrets = [config(api_key=lambda: "first").secret, config(api_key="fixed").secret]
    before = [secret.known for secret in secrets]
    for secret in secrets:
        secret.resolved()
    assert before == [None, "fixed"]
    assert [secret.known for secret in secrets] == ["first", "fixed"]


@pytest.mark.parametrize("key", ["Canary\n1", "", None, 5, b"Canary"])
def test_invalid_key_of_a_key_function_is_rejected(key: Any) -> None:
    """The return value of a key function is validated like a key that was passed."""
    secret = Secret(lambda: key)
    with pytest.raises(ConfigurationError, match="api_key") as caught:
        secret.resolved()
    assert "Canary" not in str(caught.value)
