"""The outcome of every scripted task of the mock gateway, with both clients."""

from __future__ import annotations

from contextlib import ExitStack
from importlib import resources
from typing import TYPE_CHECKING

import pytest

import kkiai_sdk as k
from kkiai_sdk.mock import MockGateway, scenarios
from tests.support.canary import KEY
from tests.support.waits import fleet_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

VIDEO = "the video"
PLACES = (
    "detail-upsample-video-url detail-video-url detail-url detail-draft-info-downloadable-url output-url "
    "output-video-url url result-url metadata-url data-0-url video-url"
)
#: Files that come late or by a detour, and arrive.
FILES = "late late-400 late-403 late-409 late-202 late-empty late-json by-json cookie unsized gzip aws-chunked data-url"
HICCUPS = (
    "400 401 402 403 404 404-router not-exist upstream challenge maintenance empty-200 code-429 code-500 code-502 "
    "rate-limit server-error overloaded busy busy-chinese"
)
FORMS = (
    "list object camel-case markdown quoted entity no-scheme json-text several state chinese number operation "
    "envelopes decoys large"
)
#: The outcome of each scenario: the whole video on disk, or the error.
ENDS: dict[str, str | type[k.KkiaiError]] = {
    "normal": VIDEO,
    "fails": k.TaskFailedError,
    "cancelled": k.TaskFailedError,
    "expires": k.TaskFailedError,
    "stalls": k.TaskTimeoutError,
    "slow": VIDEO,
    "minimal": VIDEO,
    "seconds": VIDEO,
    "wrapped": VIDEO,
    "wrapped-fails": k.TaskFailedError,
    "wrapped-null": VIDEO,
    "bare-id": VIDEO,
    "other-id": VIDEO,
    "task-id": VIDEO,
    "odd-case": VIDEO,
    "new-status": VIDEO,
    "unknown-status": VIDEO,
    "missing-status": VIDEO,
    "error-text-on-success": VIDEO,
    "no-url": k.VideoMissingError,
    "late-url": VIDEO,
    "relative-url": VIDEO,
    "redirect-url": VIDEO,
    "signed-url": VIDEO,
    "spaced-url": VIDEO,
    "expired-url": VIDEO,
    "html-video": k.NotAVideoError,
    "truncated-video": VIDEO,
    "other-url": VIDEO,
    **{f"other-url-{place}": VIDEO for place in PLACES.split()},
    **{f"file-{name}": VIDEO for name in FILES.split()},
    **{f"file-{name}": k.NotAVideoError for name in ("playlist", "gif", "zip")},
    "not-found-first": VIDEO,
    "not-exist-first": VIDEO,
    "never-found": k.TaskNotFoundError,
    "flaky": VIDEO,
    "http-400": k.BadRequestError,
    "http-401": k.AuthenticationError,
    "http-401-quota": k.QuotaExceededError,
    "http-402": k.QuotaExceededError,
    "http-403": k.PermissionDeniedError,
    "http-403-quota": k.QuotaExceededError,
    "http-403-saturated": VIDEO,
    "http-404": k.NotFoundError,
    "http-408": k.APIStatusError,
    "http-409": k.ConflictError,
    "http-422": k.UnprocessableEntityError,
    "http-425": k.APIStatusError,
    "http-429": k.RateLimitError,
    "http-429-quota": k.QuotaExceededError,
    "http-429-retry-after": VIDEO,
    **dict.fromkeys(["http-500", "http-501", "http-502", "http-503", "http-504"], k.ServerError),
    **{f"http-{status}": k.ServerError for status in range(520, 530)},
    "http-503-model-not-found": k.ServerError,
    "html-502": k.ServerError,
    "html-200": k.APIResponseError,
    "empty-200": k.APIResponseError,
    "not-json-200": k.APIResponseError,
    "error-200": VIDEO,
    **{f"hiccup-{name}": VIDEO for name in HICCUPS.split()},
    **{f"forms-{name}": VIDEO for name in FORMS.split()},
    "forms-negation": k.TaskTimeoutError,
    "forms-fails": k.TaskFailedError,
    "forms-fails-inside": k.TaskFailedError,
    "hiccup-401-stays": k.AuthenticationError,
    "hiccup-402-stays": k.QuotaExceededError,
    "hiccup-not-exist-stays": k.TaskNotFoundError,
    "hiccup-empty-200-stays": k.APIResponseError,
}
#: A fleet polls ever more rarely while the gateway refuses, so the deadline comes first.
ENDS_IN_A_FLEET = ENDS | {"http-429": k.TaskTimeoutError}
#: The gateway really waits before each answer of these, so it must be a fast one.
REALLY_SLOW = {"slow": 500}


@pytest.mark.parametrize("way", ["client", pytest.param("fleet", marks=pytest.mark.deep)])
@pytest.mark.parametrize("name", scenarios())
def test_scenario_ends_with_video_or_its_error(
    make: Maker, clock: FakeTime, tmp_path: Path, name: str, way: str
) -> None:
    """The scenario ends with the sample on disk, or with exactly its error and nothing on disk, also in a fleet."""
    target = tmp_path / "v.mp4"
    speed = REALLY_SLOW.get(name, 1)
    with MockGateway(api_key=KEY, cdn=True, clock=clock.monotonic, speed=speed) as gateway, ExitStack() as stack:
        client = make(gateway.base_url)
        call = client.wait_and_download if way == "client" else stack.enter_context(fleet_of(client)).download
        end: object = VIDEO
        try:
            assert call(f"grok:scenario-{name}", target, timeout=600) == target
        except k.KkiaiError as error:
            end = type(error)
        stack.close()
        client.close()
    assert end == (ENDS if way == "client" else ENDS_IN_A_FLEET)[name]
    sample = resources.files("kkiai_sdk.mock").joinpath("sample.mp4").read_bytes()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([sample] if end == VIDEO else [])


def test_table_of_ends_has_every_scenario() -> None:
    """Every scenario has a row, and every row a scenario."""
    assert set(ENDS) == set(scenarios())
