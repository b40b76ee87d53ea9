"""CONTRIBUTING's tutorial: an endpoint is added, generated and called as it is written there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from codegen import generate

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (generate.ROOT / "CONTRIBUTING.md").read_text("utf-8")
TUTORIAL = TEXT[TEXT.index("### … add an endpoint") : TEXT.index("### … support a gateway's deviation")]
(YAML_PART,) = re.findall(r"```yaml\n(.*?)```", TUTORIAL, re.DOTALL)
(PROGRAM,) = re.findall(r"```python\n(.*?)```", TUTORIAL, re.DOTALL)


def joined(base: Any, more: Any) -> Any:
    """A mapping with the members of another one, through all levels."""
    if not isinstance(base, dict) or not isinstance(more, dict):
        return more
    return {**base, **{key: joined(base[key], part) if key in base else part for key, part in more.items()}}


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the spec as the tutorial extends it, and the client that is generated from it."""
    folder = tmp_path_factory.mktemp("tutorial")
    yaml = YAML(typ="safe")
    yaml.dump(joined(yaml.load(generate.SPEC), yaml.load(YAML_PART)), folder / "openapi.yaml")
    assert generate.main([], spec=folder / "openapi.yaml", target=folder / "kkiai_api") == 0
    return folder


def run(grown: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python where the grown client takes the place of the one that is committed."""
    path = os.pathsep.join([str(grown), str(generate.ROOT)])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.deep
def test_the_tutorial_runs_from_edit_to_call(grown: Path) -> None:
    """Create, list, content and delete come to what the comments say, against the mock gateway."""
    expected = [line.partition("  # ")[2] for line in PROGRAM.splitlines() if "  # " in line]
    found = run(grown, "-c", PROGRAM)
    assert (found.stdout.splitlines(), found.stderr, found.returncode) == (expected, "", 0)


@pytest.mark.deep
def test_the_tutorial_breaks_no_caller(grown: Path) -> None:
    """The endpoints of the tutorial are additions, so that the version need not be raised for them."""
    found = run(grown, "-m", "codegen.spec_diff", str(generate.SPEC), str(grown / "openapi.yaml"))
    assert found.returncode == 0
    assert " 0 breaking, " in found.stdout.splitlines()[-1]


@pytest.mark.deep
def test_the_reference_documents_the_endpoints_of_the_tutorial(grown: Path) -> None:
    """The documentation of the generated client has every new function and model, with its text, and no warning."""
    settings = ["root_doc=docs/api/index", "include_patterns=docs/api/*"]
    options = [word for setting in settings for word in ("-D", setting)]
    folders = ["--conf-dir", str(generate.ROOT / "docs"), "--doctree-dir", str(grown / "doctrees"), str(generate.ROOT)]
    built = run(grown, "-m", "sphinx", "--quiet", "--builder", "text", *options, *folders, str(grown / "site"))
    text = (grown / "site" / "docs" / "api" / "generated.txt").read_text("utf-8")
    assert built.returncode == 0
    assert [line for line in built.stderr.splitlines() if "kkiai_api" in line] == []
    for name in ("create_video", "list_videos", "delete_video", "get_content", "query_video_task"):
        assert f"kkiai_api.api.video.{name}.asyncio_detailed(" in text
    assert "class kkiai_api.models.NewVideo(" in text
    assert "Create a video." in text
