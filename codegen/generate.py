"""Generate ``generated/kkiai_api`` from ``openapi.yaml``.

``python codegen/generate.py`` replaces the folder; with ``--check`` it compares without writing. Exit codes: 0 done or
equal, 1 different or failed, 2 usage. The generator runs in a temporary folder, so stale files never remain and a
failed run changes nothing.
"""

from __future__ import annotations

import argparse
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
if not __package__:  # run by path: sys.path then starts with this folder instead of the project's
    sys.path.insert(0, str(ROOT))

from codegen.reader_view import reader_view  # noqa: E402 - needs the line above

if TYPE_CHECKING:
    from collections.abc import Sequence

SPEC = ROOT / "openapi.yaml"
CONFIG = ROOT / "codegen" / "config.yml"
ACCEPT = ROOT / "codegen" / "accept_header.jinja"
TARGET = ROOT / "generated" / "kkiai_api"
PINNED = {"openapi-python-client": "0.29.1", "ruff": "0.17.6"}
_ENDPOINT = "endpoint_module.py.jinja"
# Lines of the generator's template before which the Accept header is inserted.
ANCHOR = """\
{% if endpoint.header_parameters or endpoint.bodies | length > 0 %}
    _kwargs["headers"] = headers
"""


class GenerationError(Exception):
    """Code generation failed. The message names the reason and the remedy."""


def main(arguments: Sequence[str] | None = None, *, spec: Path = SPEC, target: Path = TARGET) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="generate.py", description="Generate generated/kkiai_api from openapi.yaml.")
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
    """Generate the package inside ``folder``, which must be empty, and return its path.

    Raises ``GenerationError`` if a tool is not the pinned one, or if the generator fails or warns.
    """
    _require_pinned()
    view = folder / "openapi.json"
    view.write_text(json.dumps(_view_of(spec)), encoding="utf-8")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(view)]
    command += ["--config", str(CONFIG), "--custom-template-path", str(_templates(folder))]
    command += ["--meta", "none", "--fail-on-warning"]
    # Hooks find ruff by name: the interpreter's own scripts come first.
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    # No output path: the folder's name comes from the config file.
    run = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        raise GenerationError(f"openapi-python-client failed or warned:\n{run.stdout}{run.stderr}")
    package = folder / TARGET.name
    (package / "py.typed").touch()  # not written by the generator with --meta none
    return package


def _require_pinned() -> None:
    for tool, pinned in PINNED.items():
        try:
            found = version(tool)
        except PackageNotFoundError:
            found = "none"
        if found != pinned:
            raise GenerationError(f"{tool} {pinned} is needed, found {found}: install the development requirements")


def _templates(folder: Path) -> Path:
    """Write the generator's own endpoint template with the Accept header inserted; no copy of it is kept here."""
    packaged = files("openapi_python_client") / "templates" / _ENDPOINT
    before, anchor, after = packaged.read_text("utf-8").partition(ANCHOR)
    if not anchor:
        raise GenerationError(f"{_ENDPOINT} no longer sets headers as expected: revise codegen/{ACCEPT.name}")
    templates = folder / "templates"
    templates.mkdir()
    (templates / _ENDPOINT).write_text(before + ACCEPT.read_text("utf-8") + anchor + after, encoding="utf-8")
    return templates


def _view_of(spec: Path) -> dict[str, Any]:
    try:
        return reader_view(YAML(typ="safe").load(spec))
    except (OSError, YAMLError, ValueError) as error:
        raise GenerationError(f"cannot use {spec.name}: {error}") from error


def differences(fresh: Path, present: Path) -> list[str]:
    """List the files of ``present`` that are missing, stray or changed against ``fresh``, except byte code."""
    wanted, found = _contents(fresh), _contents(present)
    kinds = {name: "missing" if name not in found else "changed" for name in wanted}
    return [
        f"{kinds.get(name, 'stray')}: {name}"
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    ]


def _contents(tree: Path) -> dict[str, bytes]:
    paths = (path.relative_to(tree) for path in tree.rglob("*") if path.is_file())
    return {path.as_posix(): (tree / path).read_bytes() for path in paths if "__pycache__" not in path.parts}


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


if __name__ == "__main__":
    sys.exit(main())
