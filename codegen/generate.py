"""Make ``generated/kkiai_api`` from ``openapi.yaml``.

``python codegen/generate.py`` writes the folder anew; ``python codegen/generate.py --check`` writes nothing and
compares. Exit codes: 0 done or equal, 1 different or failed, 2 wrong usage.

The generator always works in a temporary folder: what was there before cannot survive, a failed run changes nothing,
and both commands see the same surroundings.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

ROOT = Path(__file__).resolve().parent.parent
if not __package__:  # started by path: Python then looks for modules beside this file, not beside `codegen`
    sys.path.insert(0, str(ROOT))

from codegen.reader_view import reader_view  # noqa: E402 - needs the line above

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPEC = ROOT / "openapi.yaml"
CONFIG = ROOT / "codegen" / "config.yml"
TARGET = ROOT / "generated" / "kkiai_api"
ACCEPT = ROOT / "codegen" / "accept_header.jinja"
PINNED = {"openapi-python-client": "0.29.1", "ruff": "0.17.6"}

_ENDPOINT = "endpoint_module.py.jinja"
_SETS_HEADERS = """\
{% if endpoint.header_parameters or endpoint.bodies | length > 0 %}
    _kwargs["headers"] = headers
"""


class GenerationError(Exception):
    """The code cannot be generated; the text says why and what to do."""


def main(arguments: Sequence[str] | None = None, *, spec: Path = SPEC, target: Path = TARGET) -> int:
    """Run the command line and give its exit code. ``spec`` and ``target`` are the project's own by default."""
    parser = argparse.ArgumentParser(prog="generate.py", description="Make generated/kkiai_api from openapi.yaml.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if the folder is not up to date")
    check = parser.parse_args(arguments).check
    try:
        with tempfile.TemporaryDirectory() as folder:
            fresh = generate(spec, Path(folder))
            return _compare(fresh, target) if check else _publish(fresh, target)
    except GenerationError as error:
        print(error, file=sys.stderr)
        return 1


def generate(spec: Path, folder: Path) -> Path:
    """Generate the package inside ``folder``, which must be empty, and give its path.

    Raises ``GenerationError`` if a tool is not the pinned one, or if the generator fails or warns.
    """
    environment = _environment()
    _require_pinned(_found_versions(environment))
    view = folder / "openapi.json"
    view.write_text(json.dumps(_view_of(spec)), encoding="utf-8")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(view)]
    command += ["--config", str(CONFIG), "--custom-template-path", str(_templates(folder))]
    command += ["--meta", "none", "--fail-on-warning"]
    # No output path: the folder's name comes from the config file.
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        msg = f"openapi-python-client failed or warned:\n{run.stdout}{run.stderr}"
        raise GenerationError(msg)
    package = folder / TARGET.name
    (package / "py.typed").touch()  # the generator writes none when it is told to write no project files
    return package


def _templates(folder: Path) -> Path:
    """Write the generator's own endpoint template with the Accept header inserted; no copy of it is kept here."""
    packaged = files("openapi_python_client") / "templates" / _ENDPOINT
    before, anchor, after = packaged.read_text("utf-8").partition(_SETS_HEADERS)
    if not anchor:
        raise GenerationError(
            f"{_ENDPOINT} of the generator no longer sets headers where codegen/{ACCEPT.name} expects it"
        )
    templates = folder / "templates"
    templates.mkdir()
    (templates / _ENDPOINT).write_text(before + ACCEPT.read_text("utf-8") + anchor + after, encoding="utf-8")
    return templates


def _view_of(spec: Path) -> dict[str, Any]:
    try:
        return reader_view(YAML(typ="safe").load(spec))
    except (OSError, YAMLError, ValueError) as error:
        msg = f"cannot use {spec.name}: {error}"
        raise GenerationError(msg) from error


def differences(fresh: Path, present: Path) -> list[str]:
    """What sets ``present`` apart from ``fresh``, one line per file; byte-code caches do not count."""
    wanted, found = _contents(fresh), _contents(present)
    return [
        f"{_verdict(wanted.get(name), found.get(name))}: {name}"
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    ]


def _verdict(wanted: bytes | None, found: bytes | None) -> str:
    if found is None:
        return "missing"
    return "stray" if wanted is None else "changed"


def _contents(tree: Path) -> dict[str, bytes]:
    files = (path.relative_to(tree) for path in tree.rglob("*") if path.is_file())
    return {file.as_posix(): (tree / file).read_bytes() for file in files if "__pycache__" not in file.parts}


def _compare(fresh: Path, target: Path) -> int:
    found = differences(fresh, target)
    if not found:
        print(f"{target.name} is up to date")
        return 0
    print(f"{target.name} is not what the spec generates; run `make generate`:", *found, sep="\n  ", file=sys.stderr)
    return 1


def _publish(fresh: Path, target: Path) -> int:
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(fresh, target)
    print(f"{target.name} written, {len(_contents(target))} files")
    return 0


def _environment() -> dict[str, str]:
    """The environment with the running interpreter's own tools first: hooks find ruff by name, in any shell."""
    return {**os.environ, "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])}


def _found_versions(environment: Mapping[str, str]) -> dict[str, str]:
    """The versions that would run, by tool; a tool that is not there is left out."""
    found = {}
    with contextlib.suppress(PackageNotFoundError):
        found["openapi-python-client"] = version("openapi-python-client")
    ruff = shutil.which("ruff", path=environment["PATH"])
    if ruff:
        said = subprocess.run([ruff, "--version"], capture_output=True, text=True, check=True).stdout
        found["ruff"] = said.split()[1]
    return found


def _require_pinned(found: Mapping[str, str]) -> None:
    wrong = [
        f"{tool} {pinned} is needed, found {found.get(tool, 'none')}"
        for tool, pinned in PINNED.items()
        if found.get(tool) != pinned
    ]
    if wrong:
        raise GenerationError("; ".join(wrong) + ": install the project's development requirements")


if __name__ == "__main__":
    sys.exit(main())
