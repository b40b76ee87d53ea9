"""The public API: complete, documented, equal in both clients, and without types of httpx."""

from __future__ import annotations

import ast
import importlib
import inspect
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk
from kkiai_sdk import AsyncKkiai, Kkiai
from tests.sources import PACKAGE, tree

if TYPE_CHECKING:
    from collections.abc import Callable

#: The modules whose public classes are public names.
HOMES = ["async_client", "client", "errors", "models", "policies"]
#: Public classes that only a client makes, from modules of their own.
FLEETS = {"AsyncFleet", "Fleet"}
CLASSES = [name for name in kkiai_sdk.__all__ if inspect.isclass(getattr(kkiai_sdk, name))]


def members(kind: type) -> dict[str, Any]:
    """The public methods and properties that a class of ours has, its own and inherited from ours."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("kkiai_sdk"):
            found |= {n: v for n, v in vars(base).items() if not n.startswith("_") and _is_code(v)}
    return found


def _is_code(value: object) -> bool:
    return inspect.isfunction(value) or isinstance(value, property | classmethod | staticmethod)


def test_all_is_sorted_and_importable() -> None:
    """Every name in `__all__` can be imported, stands there once, and in order."""
    assert kkiai_sdk.__all__ == sorted(set(kkiai_sdk.__all__))
    assert all(hasattr(kkiai_sdk, name) for name in kkiai_sdk.__all__)


def test_all_has_every_public_class() -> None:
    """Every public class of the modules that users see is in `__all__`, and nothing else but the version is."""
    modules = [importlib.import_module(f"kkiai_sdk.{name}") for name in HOMES]
    found = {
        name
        for module in modules
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    assert found | FLEETS | {"__version__"} == set(kkiai_sdk.__all__)


def test_static_names_equal_runtime_names() -> None:
    """Type checkers see the names that `__all__` has, from the modules that they come from at run time."""
    static = {
        alias.name: node.module
        for block in tree(PACKAGE / "__init__.py").body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(static) == kkiai_sdk.__all__
    for name, module in static.items():
        assert getattr(importlib.import_module(str(module)), name) is getattr(kkiai_sdk, name)


def test_dir_shows_public_names_only() -> None:
    """`dir()` shows the public names and nothing else."""
    assert dir(kkiai_sdk) == kkiai_sdk.__all__


def test_unknown_name_raises_attribute_error() -> None:
    """A name that is not public is an AttributeError that says which."""
    with pytest.raises(AttributeError, match="module 'kkiai_sdk' has no attribute 'Kkai'"):
        kkiai_sdk.Kkai  # noqa: B018 (the lookup is what is tested)


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_name_has_a_docstring(name: str) -> None:
    """Every public class, method and property has a docstring of its own."""
    kind = getattr(kkiai_sdk, name)
    assert vars(kind).get("__doc__"), name
    assert [n for n, value in members(kind).items() if not inspect.getdoc(value)] == []


#: What only one of the clients has.
ASYNC_ONLY = {"aclose"}
METHODS = sorted({"__init__", *members(Kkiai)} - {"raw"})


def test_both_clients_have_the_same_methods() -> None:
    """The clients have the same public names, but for `aclose`."""
    assert set(members(AsyncKkiai)) == set(members(Kkiai)) | ASYNC_ONLY


def parameters(function: Callable[..., object]) -> list[tuple[str, object, object, str]]:
    """Name, kind, default and annotation of each parameter."""
    return [(p.name, p.kind, p.default, str(p.annotation)) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", METHODS)
def test_both_clients_have_the_same_parameters(name: str) -> None:
    """Each method has the same parameters in both clients: names, kinds, defaults and types."""
    assert parameters(getattr(Kkiai, name)) == parameters(getattr(AsyncKkiai, name))


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"__init__"}))
def test_both_clients_return_the_same_types(name: str) -> None:
    """Each method gives the same type in both clients, awaited or iterated over where the name says so."""
    sync, awaited = (str(inspect.signature(getattr(kind, name)).return_annotation) for kind in (Kkiai, AsyncKkiai))
    assert awaited == sync.replace("Iterator", "AsyncIterator").replace("Fleet", "AsyncFleet")
    is_made_at_once = "Iterator" in sync or name in {"fleet", "with_options"}
    assert inspect.iscoroutinefunction(getattr(AsyncKkiai, name)) is not is_made_at_once


@pytest.mark.parametrize("name", ["wait", "wait_and_download"])
def test_both_fleets_have_the_same_parameters(name: str) -> None:
    """Each method has the same parameters in both fleets, and those of the client but for the poll policy."""
    ours = parameters(getattr(kkiai_sdk.Fleet, name))
    assert ours == parameters(getattr(kkiai_sdk.AsyncFleet, name))
    theirs = [each for each in parameters(getattr(Kkiai, name)) if each[0] != "poll"]
    assert [each for each in ours if each[0] != "waited"] == theirs


def test_fleets_differ_in_submit_alone() -> None:
    """The synchronous fleet has ``submit`` in addition, with the parameters of ``wait``."""
    assert set(members(kkiai_sdk.Fleet)) == {*members(kkiai_sdk.AsyncFleet), "submit"}
    assert parameters(kkiai_sdk.Fleet.submit) == parameters(kkiai_sdk.Fleet.wait)


CALLS = {
    "__init__": "self api_key * base_url timeout max_retries retry poll default_headers httpx_args user_agent_suffix",
    "query": "self task_id * timeout max_retries extra_headers",
    "wait": "self task_id * timeout poll on_update raise_on_failure",
    "watch": "self task_id * timeout every_poll",
    "as_completed": "self task_ids * timeout max_concurrency",
    "wait_many": "self task_ids * timeout max_concurrency",
    "download": "self task_or_id dest * overwrite resume progress max_bytes",
    "wait_and_download": "self task_id dest *",
    "fleet": "self * max_requests_per_second max_concurrency max_waiting max_downloads poll gate",
    "with_options": "self",
    "close": "self",
}
DEFAULTS = {
    ("__init__", "timeout"): 30.0,
    ("__init__", "max_retries"): 3,
    ("wait", "timeout"): 1800.0,
    ("wait", "raise_on_failure"): True,
    ("watch", "every_poll"): False,
    ("download", "overwrite"): False,
    ("download", "resume"): True,
    ("download", "max_bytes"): None,
}


@pytest.mark.parametrize("name", CALLS)
def test_methods_have_the_documented_parameters(name: str) -> None:
    """Each call has the documented parameters, positional ones before the star and keywords after it."""
    found = inspect.signature(getattr(Kkiai, name)).parameters
    before, _, after = CALLS[name].partition("*")
    assert [p.name for p in found.values() if p.kind is p.POSITIONAL_OR_KEYWORD] == before.split()
    assert {p.name for p in found.values() if p.kind is p.KEYWORD_ONLY} >= set(after.split())


@pytest.mark.parametrize(("call", "name"), DEFAULTS)
def test_options_have_the_documented_defaults(call: str, name: str) -> None:
    """Each option has the documented default."""
    assert inspect.signature(getattr(Kkiai, call)).parameters[name].default == DEFAULTS[call, name]


@pytest.mark.parametrize("name", CLASSES)
def test_public_api_names_no_type_of_httpx(name: str) -> None:
    """No public class is one of httpx's, and no public signature names one."""
    kind = getattr(kkiai_sdk, name)
    assert not any(base.__module__.startswith("httpx") for base in kind.__mro__)
    for value in [vars(kind).get("__init__"), *members(kind).values()]:
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        assert not inspect.isfunction(function) or "httpx." not in str(inspect.signature(function))
