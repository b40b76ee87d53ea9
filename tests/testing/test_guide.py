"""docs/testing.md: every block of it runs as it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk.mock import MockGateway
from kkiai_sdk.testing import Gateway
from kkiai_sdk.testing.steps import Step
from tests.testing.conftest import PLUGINS

if TYPE_CHECKING:
    from tests.testing.conftest import Run

GUIDE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
APP = next(code for code in PYTHON if code.startswith("# app.py\n"))
RECORDING, PROGRAM = (code for code in PYTHON if "def " not in code)
VCR = next(code for code in PYTHON if "import vcr" in code)
ALL_PLUGINS = (*PLUGINS, "pytest_httpx", "respx.plugin")


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester) -> Path:
    """The folder of the recordings that the guide makes, and its code to be tested."""
    pytester.makepyfile(app=APP)
    with Gateway() as gateway:
        monkeypatch.setenv("KKIAI_API_KEY", gateway.api_key)
        monkeypatch.setenv("KKIAI_BASE_URL", gateway.base_url)
        exec(compile(RECORDING, "recording", "exec"), {})
    return pytester.path / "recordings"


def test_guide_has_ten_tests_and_a_recipe_for_each_tool() -> None:
    """The guide has the ten tests, and more; each is numbered."""
    assert re.findall(r"^\*\*(\d+)\. ", GUIDE, re.MULTILINE) == [str(number) for number in range(1, 11)]
    assert {tool for tool in ("respx", "httpx_mock", "vcr") for code in PYTHON if tool in code} == {
        "respx",
        "httpx_mock",
        "vcr",
    }
    assert len(PYTHON) == len([code for code in PYTHON if "def test_" in code]) + len([APP, RECORDING, PROGRAM])


def test_all_tests_of_the_guide_pass(run: Run, recorded: Path, pytester: pytest.Pytester) -> None:
    """Every test of the guide passes as it stands, those for mocks of other tools too."""
    tests = [code for code in PYTHON if "def test_" in code and code != VCR]
    for number, code in enumerate(tests):
        (pytester.path / f"test_{number:02d}.py").write_text(code, "utf-8")
    run("-n0", plugins=ALL_PLUGINS).assert_outcomes(passed=len(tests))


def test_program_of_the_guide_needs_no_pytest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The gateway of the kit works as a context manager alone, and saves a video."""
    monkeypatch.chdir(tmp_path)
    exec(compile(PROGRAM, "program", "exec"), {})
    assert [path.name for path in tmp_path.iterdir()] == ["without-pytest.mp4"]


def test_cassette_of_the_guide_is_played_without_the_gateway(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe for VCR.py records at first, and passes again once the gateway is gone; the key is not recorded."""
    pytester.makepyfile(VCR)
    with MockGateway(api_key="sk-a-secret") as gateway:
        monkeypatch.setenv("KKIAI_API_KEY", gateway.api_key)
        monkeypatch.setenv("KKIAI_BASE_URL", gateway.base_url)
        run().assert_outcomes(passed=1)
    run().assert_outcomes(passed=1)
    assert "sk-a-secret" not in (pytester.path / "cassettes" / "query.yaml").read_text("utf-8")


def test_recorded_error_of_the_guide_is_played(tmp_path: Path) -> None:
    """The file that the guide writes by hand is an error of the gateway, and what is recorded after it goes on."""
    (error,) = (code for language, code in BLOCKS if language == "json")
    (tmp_path / "1.json").write_text(error, "utf-8")
    (tmp_path / "2.json").write_text(json.dumps({"task_id": "grok:a", "state": "completed"}), "utf-8")
    with Gateway() as gateway, gateway.client() as client:
        assert gateway.play(tmp_path) == ["grok:a"]
        assert client.wait("grok:a").is_succeeded
        assert len(gateway.requests) == 2


def test_words_of_steps_are_all_in_the_guide() -> None:
    """The table of the guide has every key of a step, and no other."""
    table = GUIDE.partition("| key | value | default |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == [*Step.__annotations__]
