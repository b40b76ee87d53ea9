"""fleet: waits for any number of tasks, added and awaited one by one, that share one paced queue."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest

import kkiai_sdk as k
from kkiai_sdk import ConfigurationError, FleetClosedError, PollPolicy
from tests.support.canary import KEY
from tests.support.programs import run
from tests.support.waits import PATIENCE, fleet_of, wait_until
from tests.support.wire import HANG, FileHost, completed, error_reply, http, pattern, task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.behaviour.conftest import Serve
    from tests.support.adapter import Maker
    from tests.support.clock import FakeTime
    from tests.support.rawserver import RawReply, RawRequest

pytestmark = pytest.mark.fault("C-15")

EVEN = PollPolicy(min_interval=5, growth=0, max_interval=5, jitter=0)


class Gateway:
    """Answers each task by a script of its own, repeating the last answer; holds all answers until it is opened."""

    def __init__(self, **scripts: list[RawReply]) -> None:
        self.scripts, self.opened = scripts, threading.Event()

    def __call__(self, request: RawRequest) -> RawReply:
        """Answer one query."""
        assert self.opened.wait(PATIENCE)
        script = self.scripts[request.task_id]
        return script.pop(0) if len(script) > 1 else script[0]


def opened(**scripts: list[RawReply]) -> Gateway:
    """A gateway that answers at once."""
    gateway = Gateway(**scripts)
    gateway.opened.set()
    return gateway


def test_wait_returns_the_ended_task(make: Maker, serve: Serve) -> None:
    """A wait polls at once and then by the policy until the task has ended."""
    server = serve(task(), task(), completed())
    with fleet_of(make(server.url), poll=EVEN) as fleet:
        ended = fleet.wait("t")
    assert ended.is_succeeded
    assert server.times == [0, 5, 10]


ENDS: dict[str, tuple[list[RawReply], type[k.KkiaiError]]] = {
    "failed": ([task(), task("failed")], k.TaskFailedError),
    "timeout": ([task(), http(503), task()], k.TaskTimeoutError),
    "no video": ([task("completed")], k.VideoMissingError),
    "wrong key": ([error_reply(401)], k.AuthenticationError),
}


@pytest.mark.parametrize("name", ENDS)
def test_errors_are_those_of_a_wait(make: Maker, serve: Serve, name: str) -> None:
    """A fleet raises the same errors as ``wait`` of the client, with the same fields and notes."""
    script, kind = ENDS[name]
    found = []
    for many in (False, True):
        client = make(serve(each=opened(t=[*script])).url, max_retries=0)
        with fleet_of(client, poll=EVEN) as fleet, pytest.raises(kind) as caught:
            fleet.wait("t", timeout=12) if many else client.wait("t", timeout=12, poll=EVEN)
        fields = {name: value for name, value in vars(caught.value).items() if name not in {"task", "last_error"}}
        last = getattr(caught.value, "last_error", None)
        found.append((type(caught.value), str(caught.value), fields, type(last), str(last)))
    assert found[0] == found[1]


def test_failed_task_is_returned_if_wanted(make: Maker, serve: Serve) -> None:
    """With raise_on_failure=False a failed task is a result."""
    with fleet_of(make(serve(task("failed")).url)) as fleet:
        assert fleet.wait("t", raise_on_failure=False).is_failed


def test_waits_for_one_id_share_its_polls(make: Maker, serve: Serve) -> None:
    """Ten waits for one id cost one poll, and each gets the task."""
    gateway = Gateway(t=[completed()])
    server = serve(each=gateway)
    with fleet_of(make(server.url)) as fleet:
        handles = [fleet.start("t") for _ in range(10)]
        gateway.opened.set()
        assert all(fleet.result(handle).is_succeeded for handle in handles)
    assert len(server.requests) == 1


def test_errors_of_waits_for_one_id_are_objects_of_their_own(make: Maker, serve: Serve) -> None:
    """Each waiter can add notes to its error without changing that of another."""
    gateway = Gateway(t=[error_reply(401)])
    with fleet_of(make(serve(each=gateway).url)) as fleet:
        handles = [fleet.start("t") for _ in range(3)]
        gateway.opened.set()
        errors = [fleet.error(handle) for handle in handles]
    assert {type(error) for error in errors} == {k.AuthenticationError}
    assert len({id(error) for error in errors}) == 3
    assert all(len(getattr(error, "__notes__", [])) == 1 for error in errors)


def test_deadline_of_one_wait_does_not_end_another_for_the_same_id(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """The shorter wait times out in time; the longer one gets the task."""
    gateway = Gateway(t=[task(), task(), task(), completed()])
    with fleet_of(make(serve(each=gateway).url), poll=EVEN) as fleet:
        short, long = fleet.start("t", timeout=7), fleet.start("t", timeout=70)
        gateway.opened.set()
        error = fleet.error(short)
        assert isinstance(error, k.TaskTimeoutError)
        assert (error.elapsed, error.polls) == (7, 3)
        assert fleet.result(long).is_succeeded
    assert clock.elapsed == 12


def test_closing_ends_the_waits_that_are_left(make: Maker, serve: Serve) -> None:
    """Those that wait, those in the queue and later calls raise FleetClosedError; nothing is sent for them."""
    server = serve(HANG)
    client = make(server.url)
    with fleet_of(client, max_concurrency=1) as fleet:
        handles = [fleet.start(task_id) for task_id in ("a", "a", "b")]
    errors = [fleet.error(handle) for handle in handles]
    assert [type(error) for error in errors] == [FleetClosedError] * 3
    assert len({id(error) for error in errors}) == 3
    with pytest.raises(FleetClosedError, match="no task was cancelled"):
        fleet.wait("c")
    with pytest.raises(FleetClosedError):
        fleet.result(fleet.start("c"))
    assert len(server.requests) <= 1


class BrokenPolicy(PollPolicy):
    """A policy that raises an error of its own once it is told to."""

    is_broken = False

    def gap(self, elapsed: float) -> float:
        """Return the gap, or raise."""
        if BrokenPolicy.is_broken:
            raise ZeroDivisionError("mine")
        return super().gap(elapsed)


def test_crash_of_the_fleet_reaches_every_wait(
    make: Maker, serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All waits, and later calls, raise FleetClosedError with the exception as its cause; it is logged once."""
    monkeypatch.setattr(BrokenPolicy, "is_broken", True)
    gateway = Gateway(a=[task()], b=[task()])
    with fleet_of(make(serve(each=gateway).url), poll=BrokenPolicy()) as fleet:
        handles = [fleet.start(task_id) for task_id in ("a", "b", "b")]
        gateway.opened.set()
        errors = [fleet.error(handle) for handle in handles]
        with pytest.raises(FleetClosedError, match="crashed"):
            fleet.wait("c")
    assert [type(error) for error in errors] == [FleetClosedError] * 3
    assert {str(error.__cause__) for error in errors if error} == {"mine"}
    assert [each.message for each in caplog.records if each.levelno == logging.ERROR] == [
        "the fleet has crashed with ZeroDivisionError"
    ]


def test_cancelled_wait_makes_room(make: Maker, serve: Serve) -> None:
    """With one place, the next id is polled as soon as the wait before it is cancelled, though its poll hangs."""
    server = serve(each=opened(a=[HANG], b=[completed()]))
    with fleet_of(make(server.url), max_waiting=1) as fleet:
        first, second = fleet.start("a"), fleet.start("b")
        fleet.turn_until(lambda: bool(server.requests))
        fleet.cancel(first)
        assert fleet.result(second).is_succeeded


def test_one_of_two_waits_for_an_id_may_be_cancelled(make: Maker, serve: Serve) -> None:
    """The other one gets the task."""
    gateway = Gateway(t=[completed()])
    with fleet_of(make(serve(each=gateway).url)) as fleet:
        first, second = fleet.start("t"), fleet.start("t")
        fleet.cancel(first)
        gateway.opened.set()
        assert fleet.result(second).is_succeeded


def test_cancelled_future_is_done_for_concurrent_futures(serve: Serve) -> None:
    """``concurrent.futures.wait`` returns when the futures are cancelled, done or failed."""
    server = serve(each=lambda request: completed() if request.task_id == "a" else task("failed"))
    with k.Kkiai(KEY, base_url=server.url) as client, client.fleet(max_waiting=2) as fleet:
        futures = [fleet.submit("a"), fleet.submit("b")]
        hanging = fleet.submit("a", timeout=None, on_update=lambda _: None)
        hanging.cancel()
        done, pending = concurrent.futures.wait([*futures, hanging], timeout=PATIENCE)
    assert (len(done), pending) == (3, set())
    assert isinstance(futures[1].exception(), k.TaskFailedError)


def passes(kind: str, calls: list[int], error: Exception | None = None) -> Callable[[], object]:
    """A gate of a kind of client that counts its calls, and may raise."""

    def gate() -> None:
        calls.append(1)
        if error:
            raise error

    async def gate_async() -> None:
        await asyncio.sleep(0)
        gate()

    return gate if kind == "sync" else gate_async


def test_gate_is_called_before_each_request(make: Maker, kind: str, serve: Serve) -> None:
    """There are as many calls as requests; a coroutine function is awaited."""
    calls: list[int] = []
    server = serve(task(), task(), completed())
    with fleet_of(make(server.url), gate=passes(kind, calls)) as fleet:
        fleet.wait("t")
    assert len(calls) == len(server.requests) == 3


def test_exception_of_the_gate_ends_the_waits_for_that_task(make: Maker, kind: str, serve: Serve) -> None:
    """They raise ConfigurationError with the exception as its cause; nothing is sent; the fleet goes on."""
    error, server = RuntimeError("mine"), serve()
    with fleet_of(make(server.url), gate=passes(kind, [], error)) as fleet:
        for task_id in ("a", "b"):
            with pytest.raises(ConfigurationError, match="the gate of the fleet raised RuntimeError") as caught:
                fleet.wait(task_id)
            assert caught.value.__cause__ is error
    assert server.requests == []


def blocked(kind: str, free: threading.Event, calls: list[int]) -> Callable[[], object]:
    """A gate that counts its calls and blocks, in the synchronous client until it is freed."""

    def gate() -> None:
        calls.append(1)
        assert free.wait(PATIENCE)

    async def gate_async() -> None:
        calls.append(1)
        await asyncio.Event().wait()

    return gate if kind == "sync" else gate_async


def test_gate_that_blocks_stops_neither_deadlines_nor_closing(
    make: Maker, kind: str, serve: Serve, clock: FakeTime
) -> None:
    """A wait expires five seconds after its deadline, and the others end when the fleet is closed."""
    free, server, calls = threading.Event(), serve(), list[int]()
    with fleet_of(make(server.url), gate=blocked(kind, free, calls)) as fleet:
        short, long = fleet.start("a", timeout=10), fleet.start("b")
        for seconds, task_id in ((10, "c"), (5, "d")):
            clock.advance(seconds)
            fleet.start(task_id)
            fleet.turn_until(lambda: len(calls) == "abcd".index(task_id) + 1)  # noqa: B023 (called at once)
        error = fleet.error(short)
    assert isinstance(error, k.TaskTimeoutError)
    assert (error.elapsed, error.polls) == (15, 0)
    assert isinstance(fleet.error(long), FleetClosedError)
    free.set()
    assert server.requests == []


def test_query_behind_the_gate_is_not_sent_when_no_one_waits_any_more(serve: Serve) -> None:
    """The wait was cancelled while the gate blocked; a later one for the same id is polled as ever."""
    free, entered, server = threading.Event(), threading.Event(), serve(completed())

    def gate() -> None:
        entered.set()
        assert free.wait(PATIENCE)

    with k.Kkiai(KEY, base_url=server.url) as client, client.fleet(gate=gate, max_concurrency=1) as fleet:
        future = fleet.submit("a")
        assert entered.wait(PATIENCE)
        future.cancel()
        wait_until(lambda: not fleet._state.is_awaited("a"))
        other = fleet.submit("b")
        free.set()
        assert other.result(PATIENCE).is_succeeded
    assert [each.task_id for each in server.requests] == ["b"]


def test_ids_beyond_max_waiting_queue(make: Maker, serve: Serve) -> None:
    """They are polled in order when others have ended, and their deadlines hold in the queue."""
    gateway = Gateway(**{task_id: [completed()] for task_id in "abcd"})
    server = serve(each=gateway)
    with fleet_of(make(server.url), max_waiting=1) as fleet:
        handles = [fleet.start(task_id) for task_id in "abcd"]
        gateway.opened.set()
        assert all(fleet.result(handle).is_succeeded for handle in handles)
    assert [each.task_id for each in server.requests] == [*"abcd"]


def test_rate_limit_of_one_task_pauses_all(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """No request is sent during the Retry-After of a 429."""
    limited = http(429, b"{}", ("retry-after", "30"))
    gateway = opened(a=[limited, completed()], b=[completed()])
    server = serve(each=gateway)
    with fleet_of(make(server.url), max_concurrency=1) as fleet:
        first = fleet.start("a")
        assert fleet.result(first).is_succeeded
        assert fleet.wait("b").is_succeeded
    assert server.times[1] >= 30
    assert clock.elapsed < 60


def test_on_update_gets_each_changed_snapshot(make: Maker, serve: Serve) -> None:
    """It gets the snapshots of its own wait in order, the last one included."""
    server, heard = serve(task("queued"), task("queued"), task(), completed()), list[str | None]()
    with fleet_of(make(server.url)) as fleet:
        handle = fleet.start("t", on_update=lambda each: heard.append(each.status))
        assert fleet.result(handle).is_succeeded
        assert heard == ["queued", "processing", "completed"]
    assert heard == ["queued", "processing", "completed"]


@pytest.mark.parametrize("way", ["wait", "start"])
def test_exception_of_on_update_ends_that_wait_alone(make: Maker, serve: Serve, way: str) -> None:
    """It is raised unchanged; a wait for the same id goes on."""
    gateway, error = Gateway(t=[task(), completed()]), ValueError("mine")

    def fail(_: object) -> None:
        raise error

    with fleet_of(make(serve(each=gateway).url)) as fleet:
        other = fleet.start("t")
        if way == "start":
            handle = fleet.start("t", on_update=fail)
            gateway.opened.set()
            assert fleet.error(handle) is error
        else:
            gateway.opened.set()
            with pytest.raises(ValueError, match="mine"):
                fleet.wait("t", on_update=fail)
        assert fleet.result(other).is_succeeded


def test_on_update_may_be_a_coroutine_function(serve: Serve) -> None:
    """The asynchronous fleet awaits it before the next snapshot of that wait."""
    server, heard = serve(task(), completed()), list[str | None]()

    async def hear(each: k.VideoTask) -> None:
        await asyncio.sleep(0)
        heard.append(each.status)

    async def main() -> None:
        async with k.AsyncKkiai(KEY, base_url=server.url) as client, client.fleet() as fleet:
            await fleet.wait("t", on_update=hear)

    asyncio.run(main())
    assert heard == ["processing", "completed"]


def test_callbacks_that_block_stop_no_other_wait(serve: Serve) -> None:
    """While an on_update of a future blocks, ``wait`` returns."""
    free, entered = threading.Event(), threading.Event()

    def block(_: object) -> None:
        entered.set()
        assert free.wait(PATIENCE)

    server = serve(each=lambda _: completed())
    with k.Kkiai(KEY, base_url=server.url) as client, client.fleet() as fleet:
        future = fleet.submit("a", on_update=block)
        assert entered.wait(PATIENCE)
        assert fleet.wait("b").is_succeeded
        assert not future.done()
        free.set()
        assert future.result(PATIENCE).is_succeeded


def test_time_waited_before_counts(make: Maker, serve: Serve, clock: FakeTime) -> None:
    """After 590 of 600 seconds in another process ten are left, and the pace is that of a wait that old."""
    server = serve(each=lambda _: task())
    policy = PollPolicy(min_interval=1, growth=0.005, jitter=0)
    with fleet_of(make(server.url), poll=policy) as fleet, pytest.raises(k.TaskTimeoutError) as caught:
        fleet.wait("t", timeout=600, waited=590)
    assert (clock.elapsed, caught.value.elapsed, caught.value.polls) == (10, 600, 4)
    assert server.times == [0, pytest.approx(3.95), pytest.approx(7.91975), 10]


def test_fleet_must_be_entered_once(make: Maker, kind: str, serve: Serve) -> None:
    """Before it is entered, and when it is entered again, a ConfigurationError says what to do."""
    client: Any = make(serve().url)
    with fleet_of(client) as fleet:
        enter = fleet.fleet.__enter__ if kind == "sync" else fleet.fleet.__aenter__  # type: ignore[union-attr]
        with pytest.raises(ConfigurationError, match="entered once"):
            fleet._run(enter())
    target = client.fleet() if kind == "sync" else client.target.fleet()
    with pytest.raises(ConfigurationError, match="with statement"):
        fleet._run(target.wait("t"))


def test_fleet_of_a_closed_client_cannot_be_entered(make: Maker, serve: Serve) -> None:
    """The error is that of every call of a closed client."""
    client = make(serve().url)
    client.close()
    with pytest.raises(ConfigurationError, match="closed"), fleet_of(client):
        pass


def test_client_that_is_closed_ends_the_waits_of_its_fleet(make: Maker, serve: Serve) -> None:
    """A poll after that raises the error of a closed client."""
    client = make(serve(task()).url)
    with fleet_of(client) as fleet:
        client.close()
        with pytest.raises(ConfigurationError, match="closed"):
            fleet.wait("t")


def test_fleet_serves_one_event_loop(serve: Serve) -> None:
    """A call from another event loop raises ConfigurationError; the fleet goes on."""
    server = serve(completed())
    caught: list[BaseException] = []

    def elsewhere(fleet: k.AsyncFleet) -> None:
        try:
            asyncio.run(fleet.wait("t"))
        except ConfigurationError as error:
            caught.append(error)

    async def main() -> None:
        async with k.AsyncKkiai(KEY, base_url=server.url) as client, client.fleet() as fleet:
            await asyncio.to_thread(elsewhere, fleet)
            assert (await fleet.wait("t")).is_succeeded

    asyncio.run(main())
    assert ["event loop" in str(error) for error in caught] == [True]


#: The child prints the error and leaves the with statement; the parent goes on.
FORKED = {
    "sync": """
with Kkiai() as client:
    with client.fleet() as fleet:
        pid = os.fork()
        try:
            print(fleet.wait("t").state, flush=True)
        except ConfigurationError as error:
            print(error, flush=True)
        if pid:
            os.waitpid(pid, 0)
    if not pid:
        os._exit(0)
""",
    "async": """
async def main():
    async with AsyncKkiai() as client:
        async with client.fleet() as fleet:
            pid = os.fork()
            try:
                print((await fleet.wait("t")).state, flush=True)
            except ConfigurationError as error:
                print(error, flush=True)
            if pid:
                os.waitpid(pid, 0)
        if not pid:
            os._exit(0)
asyncio.run(main())
""",
}


def test_forked_process_cannot_use_the_fleet(kind: str, serve: Serve) -> None:
    """A call in it raises ConfigurationError and leaving the with statement does not hang; the parent goes on."""
    server = serve(completed())
    result = run(FORKED[kind], server.url)
    error = "a fleet belongs to the process and event loop that entered it: create another one"
    assert (result.returncode, sorted(result.stdout.splitlines())) == (0, [error, "succeeded"])
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"max_downloads": 0}, "max_downloads"),
        ({"max_waiting": 0}, "max_waiting"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"max_requests_per_second": 0}, "max_requests_per_second"),
        ({"poll": 5}, "poll"),
        ({"gate": "x"}, "gate"),
    ],
)
def test_invalid_option_of_a_fleet_is_refused(make: Maker, serve: Serve, options: dict[str, Any], name: str) -> None:
    """The error names the option."""
    with pytest.raises(ConfigurationError, match=name):
        make(serve().url).fleet(**options)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"timeout": -1}, "timeout"),
        ({"waited": -1}, "waited"),
        ({"waited": "1"}, "waited"),
        ({"on_update": "print"}, "on_update"),
    ],
)
def test_invalid_argument_of_a_wait_is_refused(make: Maker, serve: Serve, options: dict[str, Any], name: str) -> None:
    """The error names the argument; nothing is sent."""
    with fleet_of(make(serve().url)) as fleet:
        with pytest.raises(ConfigurationError, match=name):
            fleet.wait("t", **options)
        with pytest.raises(ConfigurationError, match="task id"):
            fleet.wait("a b")


def test_many_waits_from_many_threads(serve: Serve) -> None:
    """Two hundred waits from eight threads, every fourth for an id of others, all get their own task."""
    server = serve(each=lambda request: task("completed", id=request.task_id, video_url="http://a/b.mp4"))
    with (
        k.Kkiai(KEY, base_url=server.url) as client,
        client.fleet(max_requests_per_second=None) as fleet,
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):
        ids = [f"t{number - number % 4 // 3}" for number in range(200)]
        assert [each.id for each in pool.map(fleet.wait, ids)] == ids
    assert len(server.requests) <= 200


@pytest.mark.parametrize("way", ["wait", "start"])
@pytest.mark.parametrize("error", [k.TaskFailedError, k.AuthenticationError])
def test_error_of_a_wait_is_in_no_reference_cycle(
    make: Maker, serve: Serve, error: type[k.KkiaiError], way: str
) -> None:
    """No frame of the fleet holds the error in whose traceback it is, nor its future."""
    server = serve(task("failed") if error is k.TaskFailedError else error_reply(401))
    with fleet_of(make(server.url)) as fleet, pytest.raises(error) as caught:
        fleet.wait("t") if way == "wait" else fleet.result(fleet.start("t"))
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    ours = [frame for frame in frames if "_polling" in frame.f_code.co_filename]
    assert ours
    holders = [
        frame.f_code.co_qualname
        for frame in ours
        for value in frame.f_locals.values()
        if caught.value in (value, getattr(value, "error", None)) or isinstance(value, concurrent.futures.Future)
    ]
    assert holders == []


class TestDownloads:
    """wait_and_download: a few at a time, and queries of expired URLs in the queue."""

    def test_video_is_downloaded(self, make: Maker, serve: Serve, tmp_path: Path) -> None:
        """The path is that of the complete file."""
        host = serve(FileHost(pattern(1, 0, 900)))
        server = serve(task(), completed(f"{host.url}/v"))
        with fleet_of(make(server.url)) as fleet:
            path = fleet.download("t", tmp_path / "v.mp4")
        assert path.read_bytes() == pattern(1, 0, 900)

    def test_query_of_an_expired_url_passes_the_gate(
        self, make: Maker, kind: str, serve: Serve, tmp_path: Path
    ) -> None:
        """It is one of the polls of the fleet, with the retries of a wait."""
        host = serve(http(410), FileHost(pattern(1, 0, 900)))
        server = serve(completed(f"{host.url}/old"), http(503), completed(f"{host.url}/new"))
        calls: list[int] = []
        with fleet_of(make(server.url), gate=passes(kind, calls)) as fleet:
            fleet.download("t", tmp_path / "v.mp4")
        assert host.targets == ["/old", "/new"]
        assert len(calls) == len(server.requests) == 3

    def test_query_of_an_expired_url_does_not_wait_for_a_place(self, make: Maker, serve: Serve, tmp_path: Path) -> None:
        """It is sent although another task has taken the only place of the fleet."""
        host = serve(http(410), FileHost(pattern(1, 0, 900)))
        urls = iter(["/old", "/new"])
        server = serve(each=lambda request: completed(host.url + next(urls)) if request.task_id == "t" else HANG)
        others: list[Any] = []

        def start_other(_: object) -> object:
            target, is_sent = fleet.fleet, lambda: len(server.requests) == 2
            if isinstance(target, k.Fleet):
                others.append(target.submit("x"))
                wait_until(is_sent)
                return None
            others.append(asyncio.ensure_future(target.wait("x")))
            return asyncio.to_thread(wait_until, is_sent)

        with fleet_of(make(server.url), max_waiting=1) as fleet:
            fleet.download("t", tmp_path / "v.mp4", on_update=start_other)
        assert host.targets == ["/old", "/new"]
        assert [each.task_id for each in server.requests] == ["t", "x", "t"]
        assert isinstance(fleet.error(others[0]), FleetClosedError)

    def test_refused_query_of_an_expired_url_is_the_error(self, make: Maker, serve: Serve, tmp_path: Path) -> None:
        """It is raised as that of a query of the client."""
        host = serve(http(410))
        server = serve(completed(f"{host.url}/old"), error_reply(401))
        with fleet_of(make(server.url)) as fleet, pytest.raises(k.AuthenticationError):
            fleet.download("t", tmp_path / "v.mp4")

    def test_existing_destination_is_refused_before_the_wait(self, make: Maker, serve: Serve, tmp_path: Path) -> None:
        """Nothing is sent."""
        server, target = serve(), tmp_path / "v.mp4"
        target.write_bytes(b"")
        with fleet_of(make(server.url)) as fleet, pytest.raises(k.TargetExistsError):
            fleet.download("t", target)
        assert server.requests == []

    def test_no_more_downloads_run_than_allowed(self, serve: Serve, tmp_path: Path) -> None:
        """With one place the second download begins when the first has ended; closing ends the one that waits."""
        free, entered = threading.Event(), threading.Event()

        def slow(request: RawRequest) -> RawReply:
            entered.set()
            assert free.wait(PATIENCE)
            return FileHost(pattern(1, 0, 900))(request)

        host = serve(each=slow)
        server = serve(each=lambda _: completed(f"{host.url}/v"))
        with k.Kkiai(KEY, base_url=server.url) as client, concurrent.futures.ThreadPoolExecutor(2) as pool:
            with client.fleet(max_downloads=1) as fleet:
                first = pool.submit(fleet.wait_and_download, "a", tmp_path / "a.mp4")
                assert entered.wait(PATIENCE)
                second = pool.submit(fleet.wait_and_download, "b", tmp_path / "b.mp4")
                wait_until(lambda: len(server.requests) == 2)
            with pytest.raises(FleetClosedError):
                second.result(PATIENCE)
            free.set()
            assert first.result(PATIENCE).is_file()
        assert len(host.requests) == 1

    def test_no_more_downloads_run_than_allowed_in_tasks(self, serve: Serve, tmp_path: Path) -> None:
        """The same for the asynchronous client; a cancelled one gives its place back."""
        free, entered = threading.Event(), threading.Event()

        def slow(request: RawRequest) -> RawReply:
            entered.set()
            assert free.wait(PATIENCE)
            return FileHost(pattern(1, 0, 900))(request)

        host = serve(each=slow)
        server = serve(each=lambda _: completed(f"{host.url}/v"))

        async def main() -> None:
            async with k.AsyncKkiai(KEY, base_url=server.url) as client:
                async with client.fleet(max_downloads=1) as fleet:
                    first = asyncio.create_task(fleet.wait_and_download("a", tmp_path / "a.mp4"))
                    await asyncio.to_thread(entered.wait, PATIENCE)
                    others = [
                        asyncio.create_task(fleet.wait_and_download(each, tmp_path / f"{each}.mp4")) for each in "bc"
                    ]
                    await asyncio.to_thread(wait_until, lambda: len(server.requests) == 3)
                    others[0].cancel()
                    await asyncio.gather(others[0], return_exceptions=True)
                with pytest.raises(FleetClosedError):
                    await others[1]
                free.set()
                assert (await first).is_file()

        asyncio.run(main())
        assert len(host.requests) == 1
