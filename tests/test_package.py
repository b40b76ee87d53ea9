"""The wheel, as a stranger gets it: what is in it, and that it works with its runtime dependencies alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from kkiai_sdk.mock import MockGateway

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def _runtime(requirement: str, found: dict[str, Distribution]) -> dict[str, Distribution]:
    """The installed distributions that a requirement brings in here, without extras."""
    parsed = Requirement(requirement)
    if parsed.name not in found and (parsed.marker is None or parsed.marker.evaluate({"extra": ""})):
        found[parsed.name] = distribution(parsed.name)
        for below in found[parsed.name].requires or []:
            _runtime(below, found)
    return found


@pytest.fixture(scope="session")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content and, linked, the distributions that it needs at run time; nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    zipfile.ZipFile(wheel).extractall(folder)
    for needed in [*_runtime("httpx", {}).values(), distribution("attrs")]:
        for top in {file.parts[0] for file in needed.files or [] if ".." not in file.parts}:
            link = folder / top
            if not link.exists():
                link.symlink_to(Path(str(needed.locate_file(top))))
    return folder


def _python(folder: Path, code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run code without site-packages: only what lies in the folder can be imported."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), **environ}
    command = [sys.executable, "-S", "-W", "error", "-c", code]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


def test_the_declared_dependencies_are_these() -> None:
    """At run time the SDK needs httpx and attrs, and sniffio, which httpcore looks for; no more."""
    requires = [line for line in distribution("kkiai-sdk").requires or [] if "extra ==" not in line]
    assert sorted(Requirement(line).name for line in requires) == ["attrs", "httpx", "sniffio"]


def test_the_wheel_holds_what_it_should_and_nothing_else(wheel: Path) -> None:
    """Code, types, the spec, the sample video and the licence; no tests, tools, caches or secrets."""
    allowed = re.compile(
        r"(kkiai_sdk|kkiai_api)/[\w/]+\.py|(kkiai_sdk|kkiai_api)/py\.typed|kkiai_sdk/openapi\.yaml"
        r"|kkiai_sdk/mock/sample\.mp4|kkiai_sdk/contract/\w+\.(html|css)"
        r"|kkiai_sdk-[\d.]+\.dist-info/(METADATA|WHEEL|RECORD|entry_points\.txt|licenses/LICENSE)"
    )
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if not allowed.fullmatch(name)] == []
    for needed in ("kkiai_sdk/py.typed", "kkiai_api/py.typed", "kkiai_sdk/openapi.yaml", "kkiai_sdk/mock/sample.mp4"):
        assert needed in names


def test_the_packaged_spec_is_the_spec(wheel: Path) -> None:
    """The contract in the wheel is the contract in the repository."""
    assert zipfile.ZipFile(wheel).read("kkiai_sdk/openapi.yaml") == (ROOT / "openapi.yaml").read_bytes()


def test_the_wheel_alone_queries_a_task(bare: Path) -> None:
    """With httpx and attrs and nothing else, the SDK imports and queries."""
    with MockGateway() as gateway:
        code = "from kkiai_sdk import Kkiai\nwith Kkiai() as client: print(client.query('grok:scenario-minimal').state)"
        done = _python(bare, code, KKIAI_API_KEY=gateway.api_key, KKIAI_BASE_URL=gateway.base_url)
    assert (done.stdout, done.stderr) == ("pending\n", "")


@pytest.mark.parametrize("argv", [[], ["--help"], ["query", "grok:x"]])
def test_the_command_without_its_extra_says_what_to_install(bare: Path, argv: list[str]) -> None:
    """Without the cli extra, kkiai names it, in one line and with exit code 2."""
    done = _python(bare, f"import sys\nfrom kkiai_sdk._main import main\nsys.exit(main({argv!r}))")
    assert done.returncode == 2
    assert done.stdout == ""
    assert 'pip install "kkiai-sdk[cli]"' in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("module", ["mock"])
def test_a_part_without_its_extra_says_what_to_install(bare: Path, module: str) -> None:
    """Without its extra, an optional part of the package names it instead of failing with an ImportError."""
    code = (
        "from kkiai_sdk import ConfigurationError\n"
        f"try:\n    from kkiai_sdk.{module} import MockGateway; MockGateway()\n"
        "except ConfigurationError as error: print(error)"
    )
    done = _python(bare, code)
    assert f'pip install "kkiai-sdk[{module}]"' in done.stdout, done.stderr
