"""The outcome of every fault of the mock gateway, with both clients."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pytest

import kkiai_sdk as k
from kkiai_sdk.mock import MockGateway, faults
from tests.support.canary import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime

#: Timeout in seconds of requests that end by it; a fault without end takes a test so long.
TIMEOUT = 0.5
SAMPLE = resources.files("kkiai_sdk.mock").joinpath("sample.mp4").read_bytes()

#: Faults without effect: the response is read.
HARMLESS = {
    "bom",
    "close-after",
    "gzip-members",
    "json-keys",
    "json-surrogate",
    "json-twice",
    "json-types",
    "long-body",
    "unframed",
}
SLOW = {"stall", "drip-headers", "endless-103", "stall-mid-body", "drip-body"}
BROKEN = {
    *("close", "reset", "close-in-headers", "reset-in-headers"),
    *("short-body", "reset-mid-body", "huge-length", "cut-chunk", "bad-chunk-size"),
    *("not-http", "two-lengths", "negative-length", "huge-headers"),
}
#: The outcome of a query of a task with the fault.
QUERIES: dict[str, type[k.APIError] | None] = {
    **dict.fromkeys(HARMLESS),
    **dict.fromkeys(SLOW, k.APITimeoutError),
    **dict.fromkeys(BROKEN, k.APIConnectionError),
    **dict.fromkeys(faults().keys() - HARMLESS - SLOW - BROKEN, k.APIResponseError),
}
#: Content codings of a video that are not undone.
PACKED = {"gzip-corrupt", "gzip-truncated", "gzip-chain"}
#: The outcome of a download whose first attempt has the fault. A dripping one would rightly take hours.
VIDEOS: dict[str, type[k.DownloadError] | None] = {
    **dict.fromkeys(faults().keys() - {"drip-body"}),
    **dict.fromkeys(PACKED, k.DownloadError),
    "cut-unframed": k.IncompleteDownloadError,
    "huge-body": k.NotAVideoError,
}


@pytest.mark.fault("N-05", "N-06", "N-07", "N-08", "N-10", "N-11", "N-12", "N-13", "N-14")
@pytest.mark.fault(
    "B-01", "B-02", "B-03", "B-04", "B-05", "B-06", "B-07", "B-08", "B-09", "B-10", "B-11", "B-12", "B-13"
)
@pytest.mark.fault("J-03", "J-04", "J-05", "J-06", "J-07", "J-08", "J-09", "J-10", "J-11", "J-13", "J-14")
@pytest.mark.parametrize("name", faults())
def test_query_with_a_mock_fault_has_its_outcome_and_the_next_one_succeeds(
    make: Maker, clock: FakeTime, name: str
) -> None:
    """A query of a task with the fault gives a task or exactly its error; the next query succeeds."""
    error = QUERIES[name]
    with MockGateway(api_key=KEY, clock=clock.monotonic) as gateway:
        client = make(gateway.base_url, max_retries=0)
        timeout = TIMEOUT if name in SLOW else None
        if error is None:
            assert client.query(f"grok:fault-{name}", timeout=timeout).state is k.TaskState.PENDING
        else:
            with pytest.raises(k.APIError) as caught:
                client.query(f"grok:fault-{name}", timeout=timeout)
            assert type(caught.value) is error
        assert client.query("grok:scenario-normal").id == "grok:scenario-normal"


@pytest.mark.parametrize("name", ["close", "reset-in-headers", "short-body", "stall", "gzip-truncated", "json-cut"])
def test_mock_fault_of_the_first_request_alone_is_retried(make: Maker, clock: FakeTime, name: str) -> None:
    """A fault of the first request alone is overcome by the second, without an error."""
    with MockGateway(api_key=KEY, faults=[name], clock=clock.monotonic) as gateway:
        client = make(gateway.base_url, timeout=TIMEOUT, max_retries=1)
        assert client.query("grok:scenario-normal").state is k.TaskState.PENDING
        assert len(gateway.requests) == 2


@pytest.mark.fault("B-01", "B-03", "B-04", "B-05", "B-07", "B-13", "N-10", "N-11", "D-11", "D-12", "D-18", "D-20")
@pytest.mark.parametrize("name", sorted(VIDEOS))
def test_video_with_a_mock_fault_is_saved_whole_or_an_error(
    make: Maker, clock: FakeTime, tmp_path: Path, name: str
) -> None:
    """A video whose first download has the fault is saved whole, or the error names the fault."""
    error, target = VIDEOS[name], tmp_path / "v.mp4"
    with MockGateway(api_key=KEY, clock=clock.monotonic) as gateway:
        client = make(gateway.base_url, **({"timeout": TIMEOUT} if name in SLOW else {}))
        client.wait(f"grok:video-fault-{name}")
        if error is None:
            assert client.download(f"grok:video-fault-{name}", target).read_bytes() == SAMPLE
        else:
            with pytest.raises(k.DownloadError) as caught:
                client.download(f"grok:video-fault-{name}", target)
            assert type(caught.value) is error
            assert not target.exists()
