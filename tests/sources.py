"""The source files of the project, as trees, for the tests that read them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "kkiai_sdk"

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text("utf-8"), str(path))


def python_files(*folders: str) -> list[Path]:
    """The Python files below folders of the project."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def shown(path: Path) -> str:
    """A path as it reads from the root of the project."""
    return path.relative_to(ROOT).as_posix()


@cache
def walk(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file's tree."""
    return tuple(ast.walk(tree(path)))


def functions(path: Path) -> list[Function]:
    """Every function and method in a file."""
    return [node for node in walk(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def dotted(node: ast.expr) -> str:
    """Return a called or named expression as written, such as ``time.time``, or the empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def module_name(path: Path) -> str:
    """The name by which a file of the package is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@frozen
class Import:
    """One imported name: the module it comes from, and when the import runs."""

    module: str
    name: str | None
    #: Only type checkers see it.
    is_static: bool
    #: It runs when a function is called, and not when the module is imported.
    is_deferred: bool

    @property
    def target(self) -> str:
        """The module that is imported, down to the submodule when the name is one."""
        file = ROOT / self.module.replace(".", "/") / f"{self.name}.py"
        folder = ROOT / self.module.replace(".", "/") / (self.name or "-")
        return f"{self.module}.{self.name}" if file.exists() or (folder / "__init__.py").exists() else self.module


@cache
def imports(path: Path) -> tuple[Import, ...]:
    """Every name that a file imports."""
    return tuple(_imports(tree(path), static=False, deferred=False))


def _imports(node: ast.AST, *, static: bool, deferred: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, None, static, deferred) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "the project imports by absolute names"
        yield from (Import(node.module or "", alias.name, static, deferred) for alias in node.names)
    for child in ast.iter_child_nodes(node):
        is_guarded = isinstance(node, ast.If) and dotted(node.test) == "TYPE_CHECKING" and child in node.body
        is_inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _imports(child, static=static or is_guarded, deferred=deferred or is_inside)
