"""The pytest plugin: its fixtures and its marker, alongside other plugins, and that it is inert."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from kkiai_sdk.mock import faults, scenarios

if TYPE_CHECKING:
    from tests.testing.conftest import Run

#: Notes all that a run has loaded when it ends.
SPY = """
import os, sys

def pytest_sessionfinish():
    heavy = {"httpx", "httpcore", "attr", "kkiai_api", "kkiai_sdk.mock", "kkiai_sdk.testing.gateway"}
    found = sorted(heavy & {*sys.modules})
    print("loaded:", found, [name for name in os.environ if name.startswith("KKIAI")])
"""
#: Tests with all fixtures; each waits for a task of a minute.
TESTS = """
import asyncio, os
import pytest
from kkiai_sdk import Kkiai
from kkiai_sdk.testing import assert_all_downloaded

pytestmark = pytest.mark.kkiai(tasks={"grok:a": [{"state": "processing", "seconds": 60}, "completed"]})

def test_client(kkiai_client, kkiai_gateway, tmp_path):
    assert_all_downloaded(kkiai_gateway, [kkiai_client.wait_and_download("grok:a", tmp_path / "v.mp4")])

def test_environment(tmp_path):
    with Kkiai() as client:
        client.wait_and_download("grok:a", tmp_path / "v.mp4")

async def save(client, tmp_path):
    await client.wait_and_download("grok:a", tmp_path / "v.mp4")
    [result] = await client.wait_many(["grok:a"])
    assert result.is_succeeded

def test_own_loop(kkiai_async_client, kkiai_gateway, tmp_path):
    asyncio.run(save(kkiai_async_client, tmp_path))
    assert_all_downloaded(kkiai_gateway)

@pytest.mark.asyncio
async def test_pytest_asyncio(kkiai_async_client, tmp_path):
    await save(kkiai_async_client, tmp_path)

@pytest.mark.asyncio
async def test_many_at_once(kkiai_async_client, kkiai_gateway, tmp_path):
    await asyncio.gather(*(kkiai_async_client.wait("grok:a") for _ in range(3)))
    assert 60 <= kkiai_gateway.elapsed < 70

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_anyio(kkiai_async_client, tmp_path):
    await save(kkiai_async_client, tmp_path)
"""


def test_plugin_is_found_by_its_entry_point() -> None:
    """The distribution has an entry point by which pytest finds the plugin."""
    (found,) = [each for each in entry_points(group="pytest11") if each.name == "kkiai"]
    assert found.value == "kkiai_sdk.testing.plugin"


def test_plugin_without_a_use_loads_nothing(run: Run, pytester: pytest.Pytester) -> None:
    """In a run that uses no fixture of it, the plugin loads no HTTP library and sets no variable."""
    pytester.makeconftest(SPY)
    pytester.makepyfile("def test_nothing(): pass")
    result = run("-s", plugins=("kkiai_sdk.testing.plugin",))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*loaded: [[]] [[]]*"])


def test_plugin_after_a_use_leaves_no_variable(run: Run, pytester: pytest.Pytester) -> None:
    """After a test with the gateway the environment is as before, and the next client needs a key of its own."""
    pytester.makeconftest(SPY)
    pytester.makepyfile(
        """
        import pytest
        from kkiai_sdk import ConfigurationError, Kkiai

        def test_with(kkiai_gateway):
            Kkiai().close()

        def test_without():
            with pytest.raises(ConfigurationError, match="KKIAI_API_KEY"):
                Kkiai()
        """
    )
    result = run("-s")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*loaded: [[]'attr'* [[]]*"])


@pytest.mark.parametrize(
    "options", [("-n0",), ("-n2",), ("-n0", "-oasyncio_mode=auto")], ids=["alone", "xdist", "auto"]
)
def test_fixtures_work_with_both_asynchronous_plugins(
    run: Run, pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    """Each fixture works in plain tests, with pytest-asyncio in both modes and with anyio, also with pytest-xdist;
    warnings, those about resources too, are errors.
    """
    pytester.makepyfile(TESTS)
    run(*options).assert_outcomes(passed=6)


def test_fixtures_work_beside_all_installed_plugins(run: Run, pytester: pytest.Pytester) -> None:
    """The plugin is loaded by itself and gets along with all that are installed, respx and pytest-httpx too."""
    pytester.makepyfile(TESTS + "def test_mocks(respx_mock, httpx_mock): pass\n")
    run("-n0", plugins=None).assert_outcomes(passed=7)


def test_marker_is_registered(run: Run, pytester: pytest.Pytester) -> None:
    """`pytest --markers` explains the marker."""
    run("--markers", plugins=("kkiai_sdk.testing.plugin",)).stdout.fnmatch_lines(["@pytest.mark.kkiai(tasks={}, *"])


def test_markers_of_class_and_test_are_merged(run: Run, pytester: pytest.Pytester) -> None:
    """A test has the tasks of all its markers; the closest one decides about a task, and about the faults."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.kkiai(tasks={"grok:a": "fails", "grok:b": "fails"}, faults=["close"])
        class TestTasks:
            @pytest.mark.kkiai(tasks={"grok:a": "normal"})
            def test_merged(self, kkiai_client):
                results = kkiai_client.wait_many(["grok:a", "grok:b"])
                assert [result.is_succeeded for result in results] == [True, False]

            @pytest.mark.kkiai(faults=[])
            def test_without_faults(self, kkiai_client, kkiai_gateway):
                assert kkiai_client.query("grok:a", max_retries=0).id == "grok:a"
        """
    )
    run().assert_outcomes(passed=2)


def test_marker_starts_the_gateway_of_its_own_tests_only(run: Run, pytester: pytest.Pytester) -> None:
    """A marked test has the gateway without naming it, in classes of unittest too; the next parameter does not."""
    pytester.makepyfile(
        """
        import os, unittest
        import pytest

        @pytest.mark.parametrize("number", [pytest.param(1, marks=pytest.mark.kkiai), 2])
        def test_parameters(number):
            assert ("KKIAI_BASE_URL" in os.environ) is (number == 1)

        class TestOld(unittest.TestCase):
            @pytest.mark.kkiai
            def test_marked(self):
                assert "KKIAI_BASE_URL" in os.environ

            def test_plain(self):
                assert "KKIAI_BASE_URL" not in os.environ
        """
    )
    run().assert_outcomes(passed=4)


def test_faults_of_marker_hit_the_first_requests(run: Run, pytester: pytest.Pytester) -> None:
    """The faults of a marker are those of the first requests, in order."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.kkiai(tasks={"grok:a": "normal"}, faults=["close", None, "reset"])
        def test_faults(kkiai_client, kkiai_gateway):
            for _ in range(2):
                kkiai_client.query("grok:a")
            assert len(kkiai_gateway.requests) == 4
        """
    )
    run().assert_outcomes(passed=1)


#: Arguments of a marker, and the error.
INVALID = [
    (
        "tasks={'grok:a': 'normall'}",
        "script of 'grok:a': there is no script named 'normall'; known: normal, fails, *",
    ),
    (
        "tasks={'grok:a': 'fault-moo'}",
        "script of 'grok:a': there is no script named 'fault-moo'; known: normal*or *close",
    ),
    (
        "tasks={'grok:a': 'fails', 'b': [{'stat': 1}]}",
        "script of 'b': step 1 has the unknown key 'stat'; known: *",
    ),
    ("faults=['closed']", "faults must not contain 'closed'; known: close, *"),
    ("task={}", "only accepts tasks={*} and faults=[[]*], not task"),
    ("{'grok:a': 'fails'}", "only accepts tasks={*} and faults=[[]*], not {'grok:a': 'fails'}"),
    ("tasks=['grok:a']", "tasks must be a dict of scripts by task id, not [[]'grok:a']"),
]


def test_invalid_marker_is_an_error_in_one_line(run: Run, pytester: pytest.Pytester) -> None:
    """An unknown name or key in a marker is an error before the test starts, which names the task and lists the known
    ones, without a traceback.
    """
    tests = [f"@pytest.mark.kkiai({marker})\ndef test_{n}(): assert False" for n, (marker, _) in enumerate(INVALID)]
    pytester.makepyfile("\n".join(["import pytest", *tests]))
    result = run(plugins=("kkiai_sdk.testing.plugin",))
    result.assert_outcomes(errors=len(INVALID))
    for number, (_, error) in enumerate(INVALID):
        result.stdout.fnmatch_lines([f"pytest.mark.kkiai of *test_{number}: {error}*"])
    result.stdout.no_fnmatch_line("*plugin.py*")


def test_names_of_the_marker_are_those_of_the_mock_gateway() -> None:
    """No scenario is called like a fault, so a name in a marker means one script."""
    assert {f"{kind}fault-{name}" for kind in ("", "video-") for name in faults()} & {*scenarios()} == set()
