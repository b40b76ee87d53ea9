"""The import arrows: what each layer may know of, and what importing the package brings in."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import PurePath
from typing import TYPE_CHECKING

import pytest

import kkiai_sdk
from tests.sources import PACKAGE, ROOT, Import, dotted, imports, module_name, python_files, shown, walk

if TYPE_CHECKING:
    from pathlib import Path

PURE_NAMES = """
_config _downloads/content_coding _downloads/data_url _downloads/range_requests _downloads/sniffing _downloads/text_body
_downloads/urls _downloads/windows_names _http/retry _polling/due_heap _polling/fleet_state _polling/outage
_polling/poll_state _polling/rate_limiter _polling/scheduler _redaction _responses/error_parser _responses/explanation
_responses/json_search _responses/layers _responses/raw_response _responses/status_words _responses/strict_json
_responses/task_parser _responses/video_urls _validators errors models policies
"""
PURE = PURE_NAMES.split()
#: What judgement must not know of: the world, its clocks, and chance.
WORLD_NAMES = "httpx httpcore os time random asyncio logging threading socket io pathlib subprocess sys"
WORLD = set(WORLD_NAMES.split())
FILES = python_files("kkiai_sdk")
MODULES = {module_name(path): path for path in FILES}


def _is_outer(path: Path) -> bool:
    """Whether a file belongs to what is built on the package, and not to the package itself."""
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] in {"mock", "contract", "dbos", "testing"} or _is_cli(path)


def _is_cli(path: Path) -> bool:
    return path.stem == "__main__" or path.parent.name == "cli"


CORE = [path for path in FILES if not _is_outer(path)]
OUTER = [path for path in FILES if _is_outer(path)]


def top(found: Import) -> str:
    """The distribution, more or less, that an import is about."""
    return found.module.split(".")[0]


def ours(path: Path, *, static: bool = False) -> set[str]:
    """The modules of the package that a file imports."""
    return {i.target for i in imports(path) if top(i) == "kkiai_sdk" and (static or not i.is_static)}


def test_every_module_of_the_tables_exists() -> None:
    """Every pure module named in this file exists, and so do both halves of the package."""
    assert all((PACKAGE / f"{name}.py").is_file() for name in PURE)
    assert len(CORE) > len(PURE)
    assert OUTER


def test_pure_modules_are_covered_and_mutated() -> None:
    """Every pure module, and no other, requires full coverage and is mutated by mutation testing."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    files = sorted(f"kkiai_sdk/{name}.py" for name in PURE)
    assert sorted(tools["coverage"]["run"]["include"]) == files
    assert sorted(tools["mutmut"]["only_mutate"]) == files


UNIT_TESTS = ROOT / "tests" / "unit"


def _tested_names(test: Path) -> set[str]:
    """The modules that a unit test file may be named after: ``test_X_topic.py`` is about ``X``, as is ``test_X.py``."""
    folder = test.parent.relative_to(UNIT_TESTS).parts
    words = test.stem.removeprefix("test_").split("_")
    stems = {"_".join(words[:count]) for count in range(1, len(words) + 1)}
    return {f"_{folder[0]}/{stem}" for stem in stems} if folder else stems | {f"_{stem}" for stem in stems}


def test_unit_test_files_mirror_the_package() -> None:
    """Each file of tests/unit is named after a module, and is in the folder of that module's package."""
    modules = {path.relative_to(PACKAGE).with_suffix("").as_posix() for path in CORE}
    tests = sorted(UNIT_TESTS.rglob("test_*.py"))
    assert [shown(test) for test in tests if not _tested_names(test) & modules] == []
    assert {test.parent.name for test in tests} == {"unit", "http", "responses", "polling", "downloads"}


def test_pure_modules_have_a_unit_test_file() -> None:
    """Each pure module has a unit test file of its name."""
    expected = {name: UNIT_TESTS / PurePath(name.lstrip("_")) for name in PURE}
    missing = [
        name for name, path in expected.items() if not path.with_name(f"test_{path.name.lstrip('_')}.py").is_file()
    ]
    assert missing == []


def test_errors_import_no_module_of_the_package() -> None:
    """The error tree imports no other module of the package."""
    assert ours(PACKAGE / "errors.py") == set()


@pytest.mark.parametrize("name", PURE)
def test_pure_module_imports_only_pure_modules(name: str) -> None:
    """Judgement imports no HTTP library, clock, chance, thread, socket, file or log, and only values alongside it."""
    found = imports(PACKAGE / f"{name}.py")
    assert {top(i) for i in found} & WORLD == set()
    named = {i.target if i.target != "kkiai_sdk" else f"kkiai_sdk.{i.name}" for i in found if top(i) == "kkiai_sdk"}
    below = [*(pure.replace("/", ".") for pure in PURE), "_effects", "_version"]
    assert named <= {f"kkiai_sdk.{module}" for module in below}


HTTP = {"httpx", "httpcore", "httpx_aiohttp", "aiohttp", "yarl"}


def test_only_http_package_imports_httpx() -> None:
    """Only the session imports httpx; the clients may name its types, the outer layers may use it inside a function."""
    found = [(path, i) for path in FILES for i in imports(path) if top(i) in HTTP]
    rest = [(path, i) for path, i in found if path.parent.name != "_http"]
    assert len(found) > len(rest)
    for path, i in rest:
        may_name = path.stem in {"client", "async_client"} or _is_outer(path)
        assert (i.is_static and may_name) or (i.is_deferred and _is_outer(path)), shown(path)


OPENERS = {"open", "io.open", "os.open", "os.fdopen", "os.write", "os.read", "codecs.open"}
READERS = {"read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink", "touch", "mkstemp"}


def _opens_files(path: Path) -> bool:
    calls = [node.func for node in walk(path) if isinstance(node, ast.Call)]
    return any(dotted(f) in OPENERS or (isinstance(f, ast.Attribute) and f.attr in READERS) for f in calls)


def test_only_part_file_opens_files() -> None:
    """Only `part_file` opens, reads, writes or removes files."""
    assert [shown(path) for path in CORE if _opens_files(path)] == ["kkiai_sdk/_downloads/part_file.py"]
    helpers = {"tempfile", "shutil", "io", "fcntl", "mmap"}
    assert {shown(path) for path in CORE for i in imports(path) if top(i) in helpers} == {
        "kkiai_sdk/_downloads/part_file.py"
    }


#: The names for a clock of one's own, which the pytest kit alone may use.
CLOCK = {("kkiai_sdk._clock", "Clock"), ("kkiai_sdk._clock", "replaced")}


def _is_allowed(found: Import, path: Path) -> bool:
    """Whether what is built on the package may import this: a public name, a door, or a sibling."""
    is_public = found.target == "kkiai_sdk" and found.name in {None, *kkiai_sdk.__all__}
    is_door = found.target in {"kkiai_sdk.mock", "kkiai_sdk.contract", "kkiai_sdk.dbos", "kkiai_sdk.testing"}
    folder = path.relative_to(PACKAGE).parts[0]
    # Fake time needs to reach the clients that are made in the tested code.
    is_door = is_door or (folder == "testing" and (found.target, found.name) in CLOCK)
    is_sibling = _is_cli(MODULES[found.target]) if _is_cli(path) else found.target.startswith(f"kkiai_sdk.{folder}.")
    return is_public or is_door or is_sibling


def test_outer_layers_import_public_names_only() -> None:
    """The outer layers import only public names of the package, doors and siblings."""
    found = [(path, i) for path in OUTER for i in imports(path) if top(i) == "kkiai_sdk"]
    assert [f"{shown(path)}: {i.target} {i.name}" for path, i in found if not _is_allowed(i, path)] == []


@pytest.mark.fault("M-09")
def test_package_imports_no_outer_layer() -> None:
    """The package imports nothing that is built on it, nor what that needs."""
    outer = {module_name(other) for other in OUTER}
    extras = {"click", "rich", "schemathesis", "ruamel", "dbos", "sqlalchemy", "psycopg", "pyrate_limiter", "pytest"}
    assert {shown(path): ours(path, static=True) & outer for path in CORE if ours(path, static=True) & outer} == {}
    assert [shown(path) for path in CORE for i in imports(path) if top(i) in extras] == []


def test_modules_have_no_import_cycle() -> None:
    """No module imports itself, directly or indirectly, during its import."""
    graph = {
        name: {i.target for i in imports(path) if not (i.is_static or i.is_deferred) and i.target in MODULES} - {name}
        for name, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way, name])
        if name not in done:
            for below in graph[name]:
                visit(below, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())
    assert done == set(MODULES)


def _reads_environment_on_import(path: Path) -> bool:
    found = [n for n in walk(path) if isinstance(n, ast.Attribute) and dotted(n) in {"os.environ", "os.getenv"}]
    inside = [n for n in walk(path) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]
    return not {id(node) for node in found} <= {id(below) for function in inside for below in ast.walk(function)}


def test_environment_is_read_in_functions_only() -> None:
    """No module reads the environment while it is being imported."""
    assert [shown(path) for path in FILES if _reads_environment_on_import(path)] == []


#: Refuses sockets, programs and writing, notes which of our variables are read, and reports what got loaded.
SPY = """
import json, os, sys
read = []
get = type(os.environ).__getitem__
def spy(self, key):
    if str(key).startswith("KKIAI"):
        read.append(key)
    return get(self, key)
type(os.environ).__getitem__ = spy
def guard(event, args):
    writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    if writes or event.startswith("socket.") or event in {"subprocess.Popen", "os.system", "os.fork"}:
        raise SystemExit(f"importing does {event} {args!r}")
sys.dont_write_bytecode = True
sys.addaudithook(guard)
CODE
import logging
print(json.dumps([sorted(sys.modules), read, len(logging.getLogger().handlers)]))
"""


def loaded(code: str) -> tuple[set[str], list[str], int]:
    """Run code in a fresh interpreter: what it loads, which of our variables it reads, handlers of the root logger."""
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'generated'}",
        "KKIAI_API_KEY": "sk-x",
    }
    command = [sys.executable, "-W", "error", "-c", SPY.replace("CODE", code)]
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    modules, read, handlers = json.loads(done.stdout)
    return set(modules), read, handlers


HELP = """
import contextlib, io
from kkiai_sdk.cli.main import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["--help"])
"""


@pytest.mark.fault("P-10")
@pytest.mark.parametrize(
    ("code", "absent", "present"),
    [
        ("import kkiai_sdk", "httpx httpcore attr attrs asyncio ssl kkiai_api", "kkiai_sdk"),
        ("import kkiai_sdk; dir(kkiai_sdk); kkiai_sdk.__version__", "httpx attr asyncio kkiai_api", "kkiai_sdk"),
        ("from kkiai_sdk import KkiaiError, RetryPolicy, VideoTask", "httpx httpcore asyncio kkiai_api", "attr"),
        (
            "from kkiai_sdk import Kkiai",
            "click rich schemathesis pytest yaml asyncio aiohttp kkiai_sdk.async_client",
            "httpx kkiai_sdk._polling.workers kkiai_sdk._downloads.transfer",
        ),
        (
            "from kkiai_sdk import Kkiai; Kkiai('sk-x', base_url='http://localhost').close()",
            "click rich schemathesis pytest yaml asyncio aiohttp httpx_aiohttp",
            "httpx kkiai_api",
        ),
        (
            "from kkiai_sdk import AsyncKkiai; AsyncKkiai('sk-x', base_url='http://localhost')",
            "click rich schemathesis pytest yaml aiohttp httpx_aiohttp",
            "httpx asyncio kkiai_api kkiai_sdk._polling.async_workers",
        ),
        ("from kkiai_sdk import *", "click rich schemathesis pytest yaml aiohttp", "attr httpx"),
        (
            "import kkiai_sdk.testing.plugin, kkiai_sdk.testing",
            "httpx httpcore attr attrs kkiai_api kkiai_sdk.mock kkiai_sdk.testing.gateway",
            "kkiai_sdk.testing.plugin",
        ),
        (
            HELP,
            "httpx attr asyncio schemathesis h11 yaml kkiai_api kkiai_sdk.errors kkiai_sdk.cli.tasks rich dbos",
            "click kkiai_sdk.cli.app",
        ),
    ],
)
def test_import_loads_only_what_is_needed(code: str, absent: str, present: str) -> None:
    """Importing loads no unneeded module, reads no variable, opens no socket and leaves logging unchanged."""
    modules, read, handlers = loaded(code)
    assert set(present.split()) <= modules
    # httpx itself loads rich where it is installed, for a command line of its own.
    by_httpx = loaded("import httpx")[0] if "httpx" in modules else set()
    assert modules & set(absent.split()) - by_httpx == set()
    assert handlers == 0
    # A client looks for proxies when it is made; Python goes through all variables for that.
    assert read == [] or "Kkiai('" in code


@pytest.mark.fault("P-10")
def test_importing_the_package_loads_few_modules() -> None:
    """Importing the package loads fewer than ten modules."""
    assert len(loaded("import kkiai_sdk")[0] - loaded("")[0]) < 10
