"""The commands about tasks: ``kkiai query``, ``wait``, ``watch`` and ``download``."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from inspect import signature
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kkiai_sdk import ConfigurationError, KkiaiError, TaskState, VideoTask, WaitResult
from kkiai_sdk.cli.options import (
    COMMON_OPTIONS,
    IDS,
    WAIT_OPTIONS,
    byte_count,
    command,
    option,
    request_timeout,
    words_to_resume,
)
from kkiai_sdk.cli.output import OutputOptions, run
from kkiai_sdk.cli.results import Emit, Received, Saved, failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kkiai_sdk import Kkiai
    from kkiai_sdk.cli.exit_codes import ExitCode
    from kkiai_sdk.cli.options import Connection

#: Concurrent downloads: enough to use the bandwidth, and few enough for servers that limit connections per client.
MAX_DOWNLOADS = 3


@command(
    "kkiai query grok:eee6faa8-9dee-455c-aa82-02ac623adf3a",
    "kkiai query --json - < ids.txt",
    params=[IDS, request_timeout("30s", "one request"), *COMMON_OPTIONS],
)
def query(ids: list[str], request_timeout: float, connection: Connection, output: OutputOptions) -> ExitCode:
    """Query the state of tasks once.

    Pass - to read ids from stdin, one per line. Prints a line per id, in order: ID, STATE, and the URL, reason or
    status, separated by tabs unless stdout is a terminal. STATE is pending, running, unknown, succeeded, failed, or
    error if the query failed.
    """
    work = partial(_query, ids=ids)
    return run(work, partial(connection.client, timeout=request_timeout), ids, "query", output)


def _query(client: Kkiai, emit: Emit, ids: Sequence[str]) -> None:
    def query_one(task_id: str) -> WaitResult:
        try:
            return WaitResult(task_id, client.query(task_id))
        except KkiaiError as error:
            return failure(task_id, error)

    concurrency = signature(client.as_completed).parameters["max_concurrency"].default
    with ThreadPool(min(concurrency, len(ids))) as pool:
        for result in pool.imap(query_one, ids):
            emit(result)


@command(
    "kkiai wait grok:eee6faa8-9dee-455c-aa82-02ac623adf3a",
    "kkiai wait --timeout 2h - < ids.txt | cut -f1,2",
    params=[IDS, *WAIT_OPTIONS, *COMMON_OPTIONS],
)
def wait(ids: list[str], timeout: float, connection: Connection, output: OutputOptions) -> ExitCode:
    """Wait for tasks to end.

    Pass - to read ids from stdin, one per line. Prints a line per id as its task ends: ID, STATE, and the URL or
    reason, separated by tabs unless stdout is a terminal. STATE is succeeded, failed, timeout or error.
    """
    work = partial(wait_for_tasks, ids=ids, timeout=timeout)
    return run(work, connection.client, ids, "wait", output, resumed_by=words_to_resume())


@command(
    "kkiai watch grok:eee6faa8-9dee-455c-aa82-02ac623adf3a",
    params=[click.Argument(["task_id"], metavar="ID"), *WAIT_OPTIONS, *COMMON_OPTIONS],
)
def watch(task_id: str, timeout: float, connection: Connection, output: OutputOptions) -> ExitCode:
    """Print every change of a task until it ends.

    The lines have the format of `kkiai query`.
    """

    def work(client: Kkiai, emit: Emit) -> None:
        for task in client.watch(task_id, timeout=timeout):
            emit(task)

    return run(work, connection.client, [task_id], "watch", output, resumed_by=words_to_resume())


OUTPUT_HELP = "Target file or directory. A missing directory is created for several ids, or if the path ends with /."


@command(
    "kkiai download grok:eee6faa8-9dee-455c-aa82-02ac623adf3a -o cow.mp4",
    "kkiai download -o videos/ - < ids.txt",
    params=[
        IDS,
        option("--output", "-o", "target", metavar="FILE|DIR", default=".", help=OUTPUT_HELP),
        option("--overwrite", help="Replace existing files."),
        option("--skip-existing", help="Keep existing files and do not query their tasks."),
        option("--max-bytes", metavar="SIZE", help="Refuse videos larger than this, such as 200MB."),
        option(
            "--allow-file-host",
            metavar="HOST",
            multiple=True,
            help="Allow downloads from this host, address or network; repeatable.",
        ),
        *WAIT_OPTIONS,
        *COMMON_OPTIONS,
    ],
)
def download(
    *,
    ids: list[str],
    target: str,
    overwrite: bool,
    skip_existing: bool,
    max_bytes: str | None,
    allow_file_host: tuple[str, ...],
    timeout: float,
    connection: Connection,
    output: OutputOptions,
) -> ExitCode:
    """Download the videos of tasks, waiting for unfinished ones first.

    Pass - to read ids from stdin, one per line. Prints the path of each finished file. An interrupted download leaves a
    partial file; run the same command again to resume it.
    """
    if overwrite and skip_existing:
        raise ConfigurationError("--overwrite and --skip-existing cannot be used together")
    dest = _target_path(target, is_directory=len(ids) > 1)
    limit = byte_count("--max-bytes", max_bytes) if max_bytes else None
    options: dict[str, Any] = {"overwrite": "skip" if skip_existing else overwrite, "max_bytes": limit}
    work = partial(download_videos, ids=ids, timeout=timeout, dest=dest, **options)
    make_client = partial(connection.client, allow_file_hosts=allow_file_host)
    return run(work, make_client, ids, "download", output, resumed_by=words_to_resume())


def _target_path(text: str, *, is_directory: bool) -> Path:
    if text == "-":
        raise ConfigurationError("-o must be a file or a directory: a download to stdout could not be resumed")
    path = Path(text)
    if is_directory and path.suffix and not (text.endswith(("/", os.sep)) or path.is_dir()):
        raise ConfigurationError(
            f"-o must be a directory for several ids; {text!a} looks like a file (end a directory with /)"
        )
    if is_directory or text.endswith(("/", os.sep)):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"-o: cannot create the directory {text!a}: {error.strerror}") from None
    return path


def wait_for_tasks(client: Kkiai, emit: Emit, ids: Sequence[str], timeout: float) -> None:
    """Wait for every id; emits the changes of each task and its result."""
    for result in client.as_completed(ids, timeout=timeout, on_update=emit):
        emit(result)


def download_videos(client: Kkiai, emit: Emit, ids: Sequence[str], timeout: float, dest: Path, **options: Any) -> None:
    """Wait for every id and download its video; emits progress, and a Saved or a failure for each."""

    def save(task_id: str, fetch: Callable[..., Path], *, is_kept: bool = False) -> None:
        path = fetch(dest, progress=lambda count, total: emit(Received(task_id, count, total)), **options)
        emit(Saved(task_id, str(path), path.stat().st_size, is_kept))

    def is_kept(task_id: str) -> bool:
        # Nothing is sent for a failed task. Only the client knows whether a file exists, because it chooses the name.
        failed = VideoTask(id=task_id, state=TaskState.FAILED)
        with suppress(KkiaiError):
            save(task_id, partial(client.download, failed), is_kept=True)
            return True
        return False

    def save_result(result: WaitResult) -> None:
        emit(result)
        if result.task is not None and result.error is None:
            try:
                save(result.task_id, partial(client.download, result.task))
            except KkiaiError as error:
                emit(failure(result.task_id, error))

    missing = ids if options["overwrite"] != "skip" else [each for each in ids if not is_kept(each)]
    if len(ids) == 1:
        # Unlike the separate calls, this one checks the target before the wait.
        for task_id in missing:
            save(task_id, partial(client.wait_and_download, task_id, timeout=timeout, on_update=emit))
        return
    with ThreadPool(MAX_DOWNLOADS) as pool:
        # A pool that iterates over the results itself would delay the exit after Ctrl-C until the next one.
        results = client.as_completed(missing, timeout=timeout, on_update=emit)
        for download in [pool.apply_async(save_result, [result]) for result in results]:
            download.get()
