"""Generate ``generated/kkiai_api`` from ``openapi.yaml``.

``python codegen/generate.py`` replaces the folder; with ``--check`` it compares without writing. Exit codes: 0 done or
equal, 1 different or failed, 2 usage. The generator writes to a temporary folder, so stale files never remain and a
failed run changes nothing. Each thing that is not generated as the document says is one line on stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
if not __package__:  # run by path: sys.path then starts with this folder instead of the project's, which follows
    sys.path.insert(0, str(ROOT))

from codegen.operation_view import Finding, entries, opaque_types, operations, prepare_operations, resolved  # noqa: E402
from codegen.reader_view import reader_view  # noqa: E402
from codegen.spec_document import Document, parse  # noqa: E402
from codegen.templates import GenerationError, reserve_names, write_templates  # noqa: E402
from kkiai_sdk import ConfigurationError  # noqa: E402
from kkiai_sdk.contract._spec import pointer  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from openapi_python_client.parser.errors import GeneratorError

SPEC = ROOT / "openapi.yaml"
TARGET = ROOT / "generated" / "kkiai_api"
# Import order and layout only: ruff's other fixes rewrite the code so that it no longer type-checks. --isolated keeps
# the project's own ruff settings out, --no-cache leaves nothing behind.
LAYOUT = (("check", "--select", "I", "--fix"), ("format",))
# The request of a generated function.
_REQUEST = re.compile(r'"method": "(?P<method>\w+)",\s+"url": "(?P<path>[^"]*)"')


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
    """Generate the package inside ``folder``, which must be empty, and return its path. Warnings go to stderr.

    Raises ``GenerationError`` if the document is not valid, or if anything of it would be lost.
    """
    try:
        document = parse(spec.read_text("utf-8"), spec.name)
    except ConfigurationError as error:
        raise GenerationError(f"error: {' '.join(str(error).split())}") from error
    view: dict[str, Any] = json.loads(json.dumps(document.root.value))
    findings = prepare_operations(view)
    package = folder / TARGET.name
    if not any(finding.is_error for finding in findings):
        findings += _run_generator(reader_view(view), opaque_types(view), folder)
    if not any(finding.is_error for finding in findings):
        findings += _missing_operations(view, package)
    errors = [_line(document, finding) for finding in findings if finding.is_error]
    for finding in findings:
        if not finding.is_error:
            print(_line(document, finding), file=sys.stderr)
    if errors:
        raise GenerationError("\n".join(dict.fromkeys(errors)))
    (package / "py.typed").touch()  # not written by the generator without metadata
    (package / "examples.json").write_text(json.dumps(examples(document.root.value), indent=1) + "\n", encoding="utf-8")
    for command in LAYOUT:
        options = ["--isolated", "--no-cache", "--quiet", str(package)]
        subprocess.run([sys.executable, "-m", "ruff", *command, *options], check=True)
    return package


def _line(document: Document, finding: Finding) -> str:
    level = "error" if finding.is_error else "warning"
    return f"{level}: {finding.text} at {document.where(finding.pointer)}"


def _run_generator(view: dict[str, Any], opaque: Iterable[str], folder: Path) -> list[Finding]:
    """Run the generator, and return its complaints as findings."""
    from openapi_python_client import generate as run  # noqa: PLC0415 - it takes a second
    from openapi_python_client.config import Config, ConfigFile, MetaType  # noqa: PLC0415

    source = folder / "openapi.json"
    source.write_text(json.dumps(view), encoding="utf-8")
    overrides = dict.fromkeys(opaque, "application/octet-stream")
    settings = ConfigFile(package_name_override=TARGET.name, post_hooks=[], content_type_overrides=overrides)
    target = folder / TARGET.name
    config = Config.from_sources(settings, MetaType.NONE, source, "utf-8", overwrite=False, output_path=target)
    reserve_names()
    templates = write_templates(folder / "templates")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            complaints = run(config=config, custom_template_path=templates)
    except Exception as error:  # noqa: BLE001 - it raises whatever, for documents that it has not foreseen
        return [Finding("", _plain(f"openapi-python-client cannot generate this: {error}"), is_error=True)]
    return [_finding(complaint, view) for complaint in complaints]


def _finding(error: GeneratorError, view: dict[str, Any]) -> Finding:
    """Return a complaint of the generator in one line, at the operation or schema that it names."""
    text = f"{error.header} {error.detail or ''}"
    if found := re.search(r"validation errors? for OpenAPI\n(?P<place>.+)\n\s*(?P<what>.+?) \[type=", text):
        name = found["place"].rpartition(".")[2]
        return Finding(_place_of(found["place"], view), f"{name}: {found['what']}", is_error=True)
    if found := re.search(r"parsing ([A-Z]+) (\S+) within", text):
        return Finding(pointer("paths", found[2], found[1].lower()), _plain(error.detail or ""), is_error=True)
    place = re.search(r"/components/\w+/[^\s:]+", text)
    return Finding(place[0] if place else "", _plain(text), is_error=True)


def _place_of(dotted: str, node: Any) -> str:
    """Return the JSON pointer of a place that the generator writes with dots, as far as it is in the document."""
    fits = [(str(key), part) for key, part in entries(node) if f"{dotted}.".startswith(f"{key}.")]
    if not fits:
        return ""
    key, part = max(fits, key=lambda each: len(each[0]))
    return pointer(key) + _place_of(dotted[len(key) + 1 :], part)


def _plain(text: str) -> str:
    """Return a text of the generator in one line, without the values that it writes as objects of Python."""
    text = re.sub(r"( for status code| named)? <[\w.]+ object at 0x\w+>", "", text)
    return " ".join(text.replace("Unable to parse this part of your OpenAPI document: :", "").split())


def _missing_operations(view: dict[str, Any], package: Path) -> Iterator[Finding]:
    """Find operations without a function, such as two whose functions have one name."""
    modules = [file.read_text("utf-8") for file in package.glob("api/*/*.py")]
    requests = [found for module in modules for found in _REQUEST.finditer(module)]
    made = {(found["method"], _shape(found["path"])) for found in requests}
    for path, method, operation in operations(view):
        if (method, _shape(path)) not in made:
            name = operation.get("operationId", "no operationId")
            text = f"no function is generated for this operation ({name}): another has the same name"
            yield Finding(pointer("paths", path, method), text, is_error=True)


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def examples(view: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each operation, with its first success if the document has an example for it, or if it has no body."""
    return [
        {
            "method": method.upper(),
            "path": path,
            "name": operation.get("operationId", f"{method} {path}"),
            "is_public": {} in (security := operation.get("security", view.get("security", []))) or not security,
            **_success(view, operation),
        }
        for path, method, operation in operations(view)
    ]


def _success(view: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
    status = next((each for each in operation.get("responses", {}) if str(each).startswith("2")), None)
    if status is None:
        return {}
    content = resolved(view, operation["responses"][status]).get("content", {})
    found = {name: value for name, each in content.items() for value in _examples(view, each)[:1]}
    success = {"status": int(str(status).replace("XX", "00"))}
    for name, value in found.items():
        is_text = isinstance(value, str) and "json" not in name
        return {**success, "media_type": name, "body": value if is_text else json.dumps(value)}
    return {} if content else success


def _examples(view: Mapping[str, Any], media_type: Mapping[str, Any]) -> list[Any]:
    """Return the examples of a media type, or of its schema."""
    named = [resolved(view, each) for each in media_type.get("examples", {}).values()]
    schema = resolved(view, media_type.get("schema", {}))
    own = [each["example"] for each in (media_type, schema) if isinstance(each, dict) and "example" in each]
    return [*(each["value"] for each in named if "value" in each), *own, *schema.get("examples", [])]


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
    print(f"{target.name} does not match the spec; run `make generate`:", *found, sep="\n  ", file=sys.stderr)
    return 1


def _publish(fresh: Path, target: Path) -> int:
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(fresh, target)
    print(f"{target.name} written, {len(_contents(target))} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
