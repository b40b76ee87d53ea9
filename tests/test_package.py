"""The wheel and the source distribution: their contents, and that they work when installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from hashlib import sha256
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from kkiai_sdk import __version__
from kkiai_sdk.mock import MockGateway

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
#: Sun, 10 May 2026 12:00:00 GMT, in the place of the commit's time.
EPOCH = "1778414400"
#: What a build may take from: a second copy of it must come to the same bytes.
SOURCES = (
    "kkiai_sdk",
    "generated",
    "openapi.yaml",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "hatch_build.py",
    ".gitignore",
)

CODE = r"(kkiai_sdk|{}kkiai_api)/([\w/]+\.py|py\.typed)|kkiai_sdk/mock/sample\.mp4|kkiai_sdk/contract/\w+\.(html|css)"
IN_WHEEL = re.compile(
    CODE.format("") + r"|kkiai_sdk/openapi\.yaml|kkiai_api/examples\.json"
    r"|kkiai_sdk-[\d.]+\.dist-info/(METADATA|WHEEL|RECORD|entry_points\.txt|licenses/LICENSE)"
)
IN_SDIST = re.compile(
    rf"kkiai_sdk-{re.escape(__version__)}/(" + CODE.format("generated/") + r"|openapi\.yaml"
    r"|generated/kkiai_api/examples\.json|pyproject\.toml|PKG-INFO"
    r"|README\.md|CHANGELOG\.md|LICENSE|hatch_build\.py|\.gitignore|generated/[\w.-]*\.(toml|md))"
)


def build(source: Path, folder: Path) -> dict[str, bytes]:
    """Build the wheel and the source distribution of a checkout; what came out, by name."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    environ = os.environ | {"SOURCE_DATE_EPOCH": EPOCH}
    subprocess.run(command, cwd=source, check=True, capture_output=True, env=environ)
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the source distribution of this checkout."""
    folder = tmp_path_factory.mktemp("built")
    build(ROOT, folder)
    return folder


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    """The wheel of this checkout."""
    return next(built.glob("*.whl"))


@pytest.fixture(scope="session")
def sdist(built: Path) -> Path:
    """The source distribution of this checkout."""
    return next(built.glob("*.tar.gz"))


def requirements_of(wheel: Path) -> list[Requirement]:
    """The requirements of a wheel, those of its extras too."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        return [Requirement(line) for line in message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])]


def _runtime(requirement: Requirement, extras: set[str], found: dict[str, Distribution]) -> None:
    """Add the installed distributions that a requirement brings in here."""
    name = f"{requirement.name}{sorted(requirement.extras)}"
    if name in found or not any(_applies(requirement, extra) for extra in extras | {""}):
        return
    found[name] = distribution(requirement.name)
    for below in found[name].requires or []:
        _runtime(Requirement(below), set(requirement.extras), found)


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def install(wheel: Path, folder: Path, *extras: str) -> Path:
    """A virtual environment with the wheel, installed by pip, and links to what it needs; its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "--no-index", "--no-deps", str(wheel)], check=True)
    found: dict[str, Distribution] = {}
    requirements, wanted = requirements_of(wheel), {*extras}
    own = [each for each in requirements if each.name == "kkiai-sdk"]
    while (
        more := {extra for each in own if any(_applies(each, name) for name in wanted) for extra in each.extras}
        - wanted
    ):
        wanted |= more
    for requirement in requirements:
        if requirement not in own:
            _runtime(requirement, wanted, found)
    packages = next(folder.glob("lib/python*/site-packages"))
    for needed in found.values():
        for top in {file.parts[0] for file in needed.files or [] if file.parts[0] not in {"..", "__pycache__"}}:
            if not (packages / top).exists():
                (packages / top).symlink_to(Path(str(needed.locate_file(top))))
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the wheel and no extras."""
    return install(wheel, tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="session")
def full(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the wheel and the extra cli."""
    return install(wheel, tmp_path_factory.mktemp("full"), "cli")


@pytest.fixture
def gateway() -> Iterator[MockGateway]:
    """A gateway to ask."""
    with MockGateway() as running:
        yield running


def run(*command: str | Path, gateway: MockGateway | None = None) -> tuple[int, str, str]:
    """Run a command with an empty environment, but for the gateway: exit code, stdout, stderr."""
    environ = {"PATH": os.environ["PATH"]}
    if gateway:
        environ |= {"KKIAI_API_KEY": gateway.api_key, "KKIAI_BASE_URL": gateway.base_url}
    words = [str(word) for word in command]
    done = subprocess.run(words, env=environ, cwd="/", capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.fault("P-01")
def test_declared_dependencies_are_httpx_attrs_and_sniffio() -> None:
    """At run time the SDK needs httpx and attrs, and sniffio, which httpcore looks for; no more."""
    requires = [line for line in distribution("kkiai-sdk").requires or [] if "extra ==" not in line]
    assert sorted(Requirement(line).name for line in requires) == ["attrs", "httpx", "sniffio"]


@pytest.mark.parametrize("extra", ["contract", "dbos"])
def test_extras_of_commands_bring_the_command_line(extra: str) -> None:
    """An extra whose part has a command installs the command line, too."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert "kkiai-sdk[cli]" in extras[extra]


@pytest.mark.deep
@pytest.mark.fault("P-05")
def test_two_builds_are_equal_byte_for_byte(tmp_path: Path) -> None:
    """Wheel and source distribution are the same from any folder, whatever the times and modes of the files there."""
    results = []
    for number, name in enumerate(["here", "somewhere else"]):
        source = tmp_path / name
        source.mkdir()
        for each in SOURCES:
            take = shutil.copytree if (ROOT / each).is_dir() else shutil.copy
            take(ROOT / each, source / each)
        for file in source.rglob("*"):
            os.utime(file, (1_000_000_000 + number, 1_500_000_000 + number))
            file.chmod((0o755 if file.is_dir() else 0o644) & (0o700 if number else 0o777))
        results.append(
            {built: sha256(data).hexdigest() for built, data in build(source, tmp_path / f"{number}").items()}
        )
    assert [name.partition("-")[2] for name in results[0]] == [
        f"{__version__}-py3-none-any.whl",
        f"{__version__}.tar.gz",
    ]
    assert results[0] == results[1]


@pytest.mark.deep
@pytest.mark.fault("P-07")
def test_wheel_has_the_expected_files_only(wheel: Path) -> None:
    """Code, types, the spec, the sample video and the licence; no tests, tools, caches or secrets."""
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if not IN_WHEEL.fullmatch(name)] == []
    needed = {"kkiai_sdk/py.typed", "kkiai_api/py.typed", "kkiai_sdk/openapi.yaml", "kkiai_sdk/mock/sample.mp4"}
    needed |= {"kkiai_api/examples.json"}
    assert needed <= set(names)
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "kkiai_sdk").rglob("*.py")}
    assert {name for name in names if name.startswith("kkiai_sdk/") and name.endswith(".py")} == code


@pytest.mark.deep
@pytest.mark.fault("P-07")
def test_source_distribution_has_the_files_for_a_build_only(sdist: Path) -> None:
    """The sources of the wheel and the papers, and nothing else; no link and no file that belongs to anybody."""
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert [each.name for each in members if not IN_SDIST.fullmatch(each.name)] == []
    assert all(each.isfile() and (each.uid, each.gid, each.uname, each.gname) == (0, 0, "", "") for each in members)


@pytest.mark.deep
@pytest.mark.fault("P-05")
def test_source_distribution_builds_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    """The wheel built from the source distribution equals the published one."""
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    rebuilt = build(next(tmp_path.iterdir()), tmp_path / "dist")
    assert rebuilt[wheel.name] == wheel.read_bytes()


@pytest.mark.deep
def test_released_readme_has_links_that_work_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that knows where the project lives has its URLs, and no relative link; one from its source distribution
    has the same without knowing.
    """
    monkeypatch.setenv("PROJECT_URL", "https://git.example/owner/kkiai-sdk/")
    build(ROOT, tmp_path / "dist")
    monkeypatch.delenv("PROJECT_URL")
    with tarfile.open(next((tmp_path / "dist").glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    built, rebuilt = (
        metadata(next(folder.glob("*.whl"))) for folder in (tmp_path / "dist", _rebuilt(tmp_path, tmp_path / "again"))
    )
    assert built == rebuilt
    assert "Project-URL: Source, https://git.example/owner/kkiai-sdk\n" in built
    targets = re.findall(r"\]\(([^)]+)\)", built)
    assert f"https://git.example/owner/kkiai-sdk/raw/v{__version__}/docs/kkiai-wait.svg" in targets
    assert [target for target in targets if not target.startswith("https://")] == []
    paths = re.findall(r"https://git\.example/owner/kkiai-sdk/(?:raw|blob)/v[^/]+/([^)#\s]+)", built)
    assert {"docs/index.md", "CHANGELOG.md", "LICENSE", "docs/cli.md"} <= set(paths)
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def _rebuilt(extracted: Path, folder: Path) -> Path:
    build(next(extracted.glob("kkiai_sdk-*")), folder)
    return folder


def metadata(wheel: Path) -> str:
    """The metadata of a wheel, README included."""
    (name,) = (name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("/METADATA"))
    return zipfile.ZipFile(wheel).read(name).decode()


@pytest.mark.deep
def test_packaged_spec_equals_the_spec(wheel: Path) -> None:
    """The contract in the wheel is the contract in the repository."""
    assert zipfile.ZipFile(wheel).read("kkiai_sdk/openapi.yaml") == (ROOT / "openapi.yaml").read_bytes()


@pytest.mark.deep
@pytest.mark.fault("P-11")
def test_wheel_without_extras_queries_a_task(bare: Path, gateway: MockGateway) -> None:
    """Without any extra, the SDK imports and both clients query."""
    code = (
        "import asyncio\nfrom kkiai_sdk import AsyncKkiai, Kkiai\n"
        "print(Kkiai().query('grok:scenario-minimal').state)\n"
        "print(asyncio.run(AsyncKkiai().query('grok:scenario-minimal')).state)"
    )
    assert run(bare, "-W", "error::DeprecationWarning", "-c", code, gateway=gateway) == (0, "pending\npending\n", "")


@pytest.mark.deep
@pytest.mark.parametrize("argv", [[], ["--help"], ["query", "grok:x"]])
@pytest.mark.parametrize("command", [["python", "-m", "kkiai_sdk"], ["kkiai"]], ids=lambda words: words[-1])
@pytest.mark.fault("P-11")
def test_command_without_its_extra_names_the_extra(bare: Path, command: list[str], argv: list[str]) -> None:
    """Without the cli extra, kkiai names it, in one line and with exit code 2."""
    code, out, err = run(bare.with_name(command[0]), *command[1:], *argv)
    assert (code, out) == (2, "")
    assert 'pip install "kkiai-sdk[cli]"' in err
    assert err.count("\n") == 1


@pytest.mark.deep
@pytest.mark.fault("P-11")
def test_optional_part_without_its_extra_names_the_extra(bare: Path) -> None:
    """Without its extra, an optional part of the package names it instead of failing with an ImportError."""
    code = (
        "from kkiai_sdk import ConfigurationError\n"
        "try:\n    from kkiai_sdk.contract import check; check()\n"
        "except ConfigurationError as error: print(error)"
    )
    assert 'pip install "kkiai-sdk[contract]"' in run(bare, "-c", code)[1]


#: An extra, and arguments of Python that need all that it brings, with {} for an empty folder.
AIOHTTP = (
    "import asyncio, httpx_aiohttp, kkiai_sdk\n"
    "async def query():\n"
    "    async with kkiai_sdk.AsyncKkiai(httpx_args={'transport': httpx_aiohttp.AiohttpTransport()}) as client:\n"
    "        return await client.query('grok:scenario-minimal')\n"
    "asyncio.run(query())"
)
EXTRAS = {
    "cli": ["-m", "kkiai_sdk", "query", "grok:scenario-minimal"],
    "contract": ["-m", "kkiai_sdk", "contract", "--only", "queryVideoTask", "--no-fuzz", "--fail-on", "breaking"],
    "dbos": ["-m", "kkiai_sdk", "fleet", "status", "--db", "{}/fleet.sqlite"],
    "aiohttp": ["-c", AIOHTTP],
}


@pytest.mark.deep
@pytest.mark.fault("P-11")
@pytest.mark.parametrize("extra", EXTRAS)
def test_each_extra_suffices_alone(wheel: Path, gateway: MockGateway, tmp_path: Path, extra: str) -> None:
    """Installed with one extra and no other, the package does what the extra is for."""
    python = install(wheel, tmp_path / "env", extra)
    code, _, err = run(python, *(word.replace("{}", str(tmp_path)) for word in EXTRAS[extra]), gateway=gateway)
    assert code == 0, err


@pytest.mark.deep
@pytest.mark.fault("P-05")
def test_installed_command_shows_version_and_help_and_queries(full: Path, gateway: MockGateway) -> None:
    """With its extras the installed command says its version, shows its help and queries."""
    kkiai = full.with_name("kkiai")
    assert run(kkiai, "--version") == (0, f"kkiai {__version__}\n", "")
    code, out, err = run(full, "-m", "kkiai_sdk", "--help")
    assert (code, err) == (0, "")
    assert "query" in out
    code, out, err = run(kkiai, "query", "--json", "grok:scenario-minimal", gateway=gateway)
    assert (code, err) == (0, "")
    assert '"state": "pending"' in out
