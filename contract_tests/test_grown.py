"""Documents of APIs as they grow: each is generated, type-checked, and called against a server that keeps it."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import types
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin
from urllib.parse import unquote
from uuid import UUID

import pytest

from codegen.generate import ROOT, generate
from codegen.spec_document import parse
from contract_tests.schema_server import BYTES, Operation, operations_of, serve
from kkiai_sdk.contract._spec import Spec
from tests.support.adapter import SyncAdapter
from tests.support.wire import json_reply, plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from kkiai_sdk import Kkiai
    from tests.support.adapter import Maker

GROWN = Path(__file__).parent / "grown"
DOCUMENTS = sorted(file.name for file in GROWN.iterdir())
#: Those that are generated in every run of the tests; the others take a second each.
QUICK = {"fastapi.json", "videos.yaml"}
EACH = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.deep]) for name in DOCUMENTS]
#: Warnings, by document; all others give none.
WARNINGS = {
    "bodies.yaml": [
        "a body is sent as application/json, never as application/x-www-form-urlencoded",
        "a body is sent as application/json, never as application/xml",
    ],
    "security.yaml": [
        "servers of one path are not used: requests go to the base URL of the client",
        "the client sends its key as Authorization: Bearer, but 1 operation want apiKey header X-Key",
        "the client sends its key as Authorization: Bearer, but 1 operation want apiKey cookie session",
    ],
}
_REQUEST = re.compile(r'"method": "(\w+)",\s+"url": "([^"]*)"')


def package_name(document: str) -> str:
    """The name of the package that a document is generated into."""
    return "grown_" + document.partition(".json")[0].removesuffix(".yaml").replace(".", "_")


class Generated:
    """Packages of documents, generated on demand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warnings: dict[str, list[str]] = {}

    def __call__(self, document: str) -> str:
        """The name of the package of a document."""
        name = package_name(document)
        if document not in self.warnings:
            made = self.folder / f"{name}.making"
            made.mkdir()
            with contextlib.redirect_stderr(io.StringIO()) as said:
                shutil.move(generate(GROWN / document, made), self.folder / name)
            self.warnings[document] = said.getvalue().splitlines()
        return name


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    """Generates documents, each once, into a folder that modules are found in."""
    made = Generated(tmp_path_factory.mktemp("grown"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(made.folder))
        yield made
        for name in [name for name in sys.modules if name.startswith("grown_")]:
            del sys.modules[name]


def functions(package: str) -> dict[tuple[str, str], ModuleType]:
    """The modules of generated functions, by method and path with the names of parameters left out."""
    found: dict[tuple[str, str], ModuleType] = {}
    folder = importlib.import_module(f"{package}.api").__path__
    for each in pkgutil.walk_packages(folder, f"{package}.api."):
        module = importlib.import_module(each.name)
        if request := _REQUEST.search(inspect.getsource(module)):
            found[request[1], shape(request[2])] = module
    return found


def shape(path: str) -> str:
    """A path without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def value_of(wanted: Any, sample: Any) -> Any:
    """A value of an annotated type; objects are read from the sample."""
    if isinstance(wanted, types.UnionType):
        inner = [each for each in get_args(wanted) if each.__name__ not in {"Unset", "NoneType"}]
        return value_of(inner[0], sample)
    if get_origin(wanted) is list:
        items = sample if isinstance(sample, list) else [None]
        return [value_of(get_args(wanted)[0], each) for each in items]
    if hasattr(wanted, "from_dict"):
        return wanted.from_dict(sample)
    if wanted is not Any and issubclass(wanted, Enum):
        return next(iter(wanted))
    plain = {str: "a b/c", int: 4, float: 2.5, bool: True, UUID: UUID(int=5), date: date(2026, 1, 2)}
    return {**plain, datetime: datetime(2026, 1, 2, 3, tzinfo=UTC)}.get(wanted, sample)


def arguments(module: ModuleType, operation: Operation) -> dict[str, Any]:
    """A value for each parameter of a generated function but the client."""
    _, sample = operation.request
    wanted = inspect.signature(module.sync_detailed).parameters
    made = {name: value_of(each.annotation, sample) for name, each in wanted.items() if name != "client"}
    file = importlib.import_module(module.__name__.partition(".")[0] + ".types").File
    is_file = [name for name, each in wanted.items() if file in {each.annotation, *get_args(each.annotation)}]
    return made | {name: file(payload=io.BytesIO(BYTES), file_name="a.mp4") for name in is_file}


def call(client: Kkiai, module: ModuleType, **options: Any) -> Any:
    """The detailed response of a generated function, through a client of either kind."""
    if isinstance(client, SyncAdapter):
        return client.run(module.asyncio_detailed(client=client.raw, **options))
    return module.sync_detailed(client=client.raw, **options)


@pytest.mark.parametrize("document", EACH)
def test_grown_document_is_called_with_nothing_lost(generated: Generated, make: Maker, document: str) -> None:
    """Each operation of a document has a function; what it sends and what it gives is what the document says."""
    found = operations_of(GROWN / document)
    modules = functions(generated(document))
    assert modules.keys() == {(each.method, shape(each.path)) for each in found}
    with serve(found) as server:
        client = make(server.url)
        for operation in found:
            module = modules[operation.method, shape(operation.path)]
            response = call(client, module, **arguments(module, operation))
            status, media_type, value = operation.response
            assert (response.status_code, plain(response.parsed)) == (status, value)
            request = server.requests[-1]
            assert (request.header("accept") or "").startswith(media_type.partition(";")[0])
            sent, sample = operation.request
            if "json" in sent:
                assert json.loads(request.body) == sample
            elif sent:
                assert request.body
            assert operation.pattern.fullmatch(unquote(request.target.replace("%2F", "-")))
    assert len(server.requests) == len(found) > 0


@pytest.mark.parametrize("document", EACH)
def test_grown_document_warns_in_one_line_each(generated: Generated, document: str) -> None:
    """A part that is not generated as written is reported in one line with its place, and nothing else is."""
    generated(document)
    said = generated.warnings[document]
    places = [re.fullmatch(r"warning: (.*) at (/\S+) \((\S+):(\d+)\)", line) for line in said]
    assert [place and place[1] for place in places] == WARNINGS.get(document, [])
    assert all(place and place[3] == document and int(place[4]) > 1 for place in places)


#: Programs that read, change and write back, which must type-check.
PROGRAMS = """
from grown_shared.api.settings import read_settings, read_watchers, write_settings, write_watchers
from grown_shared.client import AuthenticatedClient
from grown_shared.models import Settings, SettingsLimits, SettingsQuality
from grown_fastapi.api.items import replace_item_items_item_id_put as replace
from grown_unions.api.unions import read_event, send_event
from grown_fastapi.client import Client as FastClient
from grown_fastapi.models import Label, LabelRead
from grown_unions.client import Client

def change(client: AuthenticatedClient) -> None:
    settings = read_settings.sync(client=client)
    watchers = read_watchers.sync(client=client)
    assert settings is not None and watchers is not None
    settings.name = "other"
    write_settings.sync(client=client, body=settings)
    write_watchers.sync_detailed(client=client, body=watchers)
    if isinstance(settings.watchers, list):
        limits = SettingsLimits(per_day=5)
        made = Settings(name="n", quality=SettingsQuality.LOW, limits=limits, watchers=settings.watchers)
        write_settings.sync(client=client, body=made)

def replace_label(client: FastClient, other: Client) -> None:
    label = replace.sync(1, client=client, body=Label(text="a"))
    if isinstance(label, LabelRead):
        label.text = "b"
        replace.sync(1, client=client, body=label)
    event = read_event.sync(1, client=other)
    if event is not None:
        send_event.sync_detailed(client=other, body=event)
"""


@pytest.mark.deep
def test_grown_documents_are_well_typed(generated: Generated) -> None:
    """mypy, as the project runs it over `generated/`, finds nothing in any document, nor in a program that reads,
    changes and writes back.
    """
    names = [generated(document) for document in DOCUMENTS]
    settings = (ROOT / "pyproject.toml").read_text("utf-8")
    patterns = ", ".join(f'"{name}.*"' for name in names)
    (generated.folder / "pyproject.toml").write_text(settings.replace('"kkiai_api.*"', patterns), "utf-8")
    (generated.folder / "program.py").write_text(PROGRAMS, "utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", *names, "program.py"]
    run = subprocess.run(command, cwd=generated.folder, capture_output=True, text=True, check=False)
    assert re.fullmatch(r"Success: no issues found in \d+ source files\n", run.stdout), run.stdout


#: Fields of `Everything` in unions.yaml: a value, and the class that it is read as.
ALTERNATIVES = [
    ("event", {"type": "task.started", "at": 1}, "StartedRead"),
    ("event", {"type": "task.ended"}, "EndedRead"),
    ("event", {"type": "task.lost", "at": 1}, "dict"),
    ("event", {"at": 1}, "dict"),
    ("part", {"kind": "text", "text": "a"}, "Text"),
    ("part", {"kind": "drawing"}, "Picture"),
    ("part", {"kind": "film"}, "dict"),
    ("source", {"path": "/a", "more": 1}, "File"),
    ("source", {"href": "/a"}, "Link"),
    ("source", {}, "dict"),
    ("spot", {"x": 1.5, "y": 2.5}, "dict"),
    ("many", [{"href": "/a"}], "list"),
    ("many", "none", "str"),
    ("plain", {"path": "/a"}, "File"),
    ("plain", {}, "File"),
    ("plain", 7, "int"),
    ("inline", {"radius": 3}, "EverythingInlineType0Type1"),
    ("inline", {"width": 3}, "EverythingInlineType0Type0"),
]


@pytest.mark.parametrize(("field", "value", "kind"), ALTERNATIVES)
def test_alternatives_are_told_apart(generated: Generated, field: str, value: Any, kind: str) -> None:
    """An alternative of an answer is read as the class that it is, or stays as it came if nothing says which."""
    models = importlib.import_module(f"{generated('unions.yaml')}.models")
    read = models.Everything.from_dict({field: value})
    assert type(getattr(read, field)).__name__ == kind
    assert read.to_dict() == {field: value}
    items = models.Everything.from_dict({"parts": [value, None]})
    assert items.to_dict() == {"parts": [value, None]}


@pytest.mark.parametrize(("answer", "kind"), [({"type": "task.ended"}, "EndedRead"), ({"type": "new"}, "dict")])
def test_alternatives_of_a_body_are_told_apart(
    generated: Generated, make: Maker, answer: dict[str, Any], kind: str
) -> None:
    """A body that is one of several objects is read as the one that it is; one of a kind to come stays a dict."""
    modules = functions(generated("unions.yaml"))
    with serve(operations_of(GROWN / "unions.yaml"), lambda *_: json_reply(answer)) as server:
        response = call(make(server.url), modules["get", "/events/{}"], id=1)
    assert (type(response.parsed).__name__, plain(response.parsed)) == (kind, answer)


def test_values_of_yaml_are_those_of_version_1_2(generated: Generated) -> None:
    """A ratio such as 16:9 and words such as on and no are text, as they are for every other reader of the spec."""
    models = importlib.import_module(f"{generated('yaml12.yaml')}.models")
    assert {each.value for each in models.ReadFormatRatio} == {"16:9", "1:1", "on", "off"}
    assert {each.value for each in models.FormatCountryType0} == {"no", "se", "y", "n"}


def test_parameters_of_other_styles_are_text(generated: Generated, make: Maker) -> None:
    """Lists that are not written one by one, and parameters as JSON, are texts that arrive as they were given."""
    found = operations_of(GROWN / "parameters.yaml")
    modules = functions(generated("parameters.yaml"))
    ratio = importlib.import_module("grown_parameters.models").ByRatioRatio.VALUE_0
    with serve(found) as server:
        client = make(server.url)
        call(client, modules["get", "/search"], ids="a,b", sizes="1|2", tag=["x", "y"])
        call(client, modules["get", "/{}/{}"], owner="a/b", ratio=ratio, filter_='{"a": 1}')
    assert [unquote(target.replace("+", " ")) for target in server.targets] == [
        "/search?ids=a,b&sizes=1|2&tag=x&tag=y",
        '/a/b/16:9?filter={"a": 1}',
    ]


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name != "openapi30.yaml"])
def test_generator_and_contract_check_read_the_same(document: str) -> None:
    """The generator and the contract check read the same values."""
    text = (GROWN / document).read_text("utf-8")
    assert parse(text, document).root.value == Spec(text, document).document
