"""Private names of other libraries: the package uses one, the pool that its two transports assign."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING

import kkiai_sdk
from tests.sources import imports, python_files, shown, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARIES = {"httpx", "httpcore", "h11", "anyio", "aiohttp", "httpx_aiohttp", "sniffio"}
#: The one that is allowed, and where: httpx has no argument for a network backend.
ALLOWED = {
    ("kkiai_sdk._http.transport.Transport", "_pool"),
    ("kkiai_sdk._http.async_transport.AsyncTransport", "_pool"),
}


def is_private(name: str) -> bool:
    """Whether a name is private by convention."""
    return name.startswith("_") and not name.startswith("__")


def own_classes() -> Iterator[type]:
    """Every class of the package."""
    for module in pkgutil.walk_packages(kkiai_sdk.__path__, "kkiai_sdk."):
        if not module.name.endswith("__main__"):
            loaded = importlib.import_module(module.name)
            yield from (
                each for _, each in inspect.getmembers(loaded, inspect.isclass) if each.__module__ == module.name
            )


def private_names(of: type) -> set[str]:
    """Private names that a class defines, or that its methods use."""
    functions = [getattr(member, "fget", member) for member in vars(of).values()]
    used = {name for each in functions if inspect.isfunction(each) for name in each.__code__.co_names}
    return {name for name in used | vars(of).keys() if is_private(name)}


def test_no_module_imports_a_private_module_of_another_library() -> None:
    """No import names a private module, or a private name, of a library below the package."""
    found = [
        f"{shown(path)}: {i.module} {i.name}"
        for path in python_files("kkiai_sdk")
        for i in imports(path)
        if i.module.split(".")[0] in LIBRARIES and any(map(is_private, [*i.module.split("."), i.name or ""]))
    ]
    assert found == []


def test_no_module_uses_a_private_attribute_of_another_object() -> None:
    """Private attributes are used on ``self`` and ``cls`` alone, and on what those hold of the package itself."""
    found = [
        f"{shown(path)}:{node.lineno}: {ast.unparse(node)}"
        for path in python_files("kkiai_sdk/_http")
        for node in walk(path)
        if isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node.value) not in {"self", "cls"}
    ]
    assert found == []


def test_subclasses_share_one_private_name_with_their_foreign_bases() -> None:
    """A class that extends one of another library uses none of its private names but the pool of a transport."""
    found, extended = set(), 0
    for each in own_classes():
        foreign = [base for base in each.__mro__ if base.__module__.split(".")[0] in LIBRARIES]
        extended += bool(foreign)
        shared = private_names(each) & {name for base in foreign for name in private_names(base)}
        found |= {(f"{each.__module__}.{each.__qualname__}", name) for name in shared}
    assert extended >= 8
    assert found == ALLOWED
