"""The contract check against gateways on this machine: the mock gateway, and small ones with faults."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from contract_tests.faulty_gateway import gateway
from contract_tests.mutants.gateways import IDS, serve
from kkiai_sdk.cli.main import main
from kkiai_sdk.contract import Report, check
from tests.support.canary import KEY
from tests.support.query_spec import use_query_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contract_tests.faulty_gateway import Mutation

#: The key that the faulty gateways accept.
GATEWAY_KEY = "sk-honest"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KKIAI_BASE_URL", "GITHUB_ACTIONS", "HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KKIAI_API_KEY", GATEWAY_KEY)


@pytest.fixture(autouse=True, scope="module")
def _query_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Gateways that these tests make play the query alone, so they are held to nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        use_query_spec(patch, tmp_path_factory.mktemp("query"))
        yield


def gentle_check(mutation: Mutation, **options: Any) -> Report:
    """The gentle check of a gateway whose every reply went through ``mutation``."""
    with gateway(serve(mutation)) as base_url:
        defaults: dict[str, Any] = {"task_ids": IDS, "fuzz": False}
        return check(base_url, **defaults | options)


class Ended:
    """The outcome of a command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects of stdout, which holds nothing else."""
        assert self.out.isascii()
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def kkiai(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs ``kkiai contract`` with these words, both streams in pipes."""

    def run(*words: str) -> Ended:
        ended = Ended(main(["contract", *words]), *capsys.readouterr())
        for text in (ended.out, ended.err):
            assert "\x1b" not in text
            assert KEY not in text
        return ended

    return run
