"""The ``kkiai`` command: what can be typed, and which piece of work it means.

The command line uses the public package only. Typing is read by :mod:`kkiai_sdk.cli.input`, work is done by
:mod:`kkiai_sdk.cli.work` in the background, and what it tells goes through :mod:`kkiai_sdk.cli.output` to the two
streams. Needs the extra ``cli`` (Typer and rich).
"""
# ruff: noqa: FBT002, PLR0917
# The parameters of a command are its options, as Typer wants them.

import functools
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from kkiai_sdk import __version__
from kkiai_sdk.cli import options as o
from kkiai_sdk.cli.codes import MEANINGS, Code

_EXIT_CODES = "\b\nExit codes; of several tasks the most serious decides:\n" + "\n".join(
    f"  {code.value:<4} {meaning}" for code, meaning in MEANINGS.items()
)

app = typer.Typer(
    add_completion=False,
    # A traceback with values in it could show a key.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EXIT_CODES,
)


def _command(*examples: str) -> Callable[[Callable[..., Code]], Callable[..., None]]:
    """Register a command; its errors and its result become the exit code."""

    def register(function: Callable[..., Code]) -> Callable[..., None]:
        @functools.wraps(function)
        def guarded(**options: Any) -> None:
            from kkiai_sdk import KkiaiError
            from kkiai_sdk.cli import parts as p

            try:
                code = function(**options)
            except KkiaiError as error:
                code = p.refuse(error, json=options.get("json", False))
            except KeyboardInterrupt:
                sys.stderr.write("kkiai: interrupted\n")
                code = Code.INTERRUPTED
            except BrokenPipeError:
                # Caught here because Typer makes another exit code of it.
                code = Code.PIPE_CLOSED
            raise typer.Exit(int(code))

        epilog = "\b\nExamples:\n" + "\n".join(f"  {example}" for example in examples)
        app.command(function.__name__, epilog=f"{epilog}\n")(guarded)
        return guarded

    return register


def run(argv: Sequence[str]) -> int:
    """Run a command line; gives the exit code."""
    try:
        app(list(argv), prog_name="kkiai")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


@app.callback(invoke_without_command=True)
def _kkiai(context: typer.Context, version: o.Version = False) -> None:
    """Query, wait for and download the video tasks of a kkiai gateway.

    Results go to stdout, progress and messages to stderr. The key comes from the environment variable
    KKIAI_API_KEY or from a file, never from the command line, which others on the same machine can see.
    """
    if version:
        typer.echo(f"kkiai {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@_command("kkiai query grok:eee6faa8-9dee-455c-aa82-02ac623adf3a", "kkiai query --json - < ids.txt")
def query(
    ids: o.Ids,
    timeout: o.QueryTimeout = "30s",
    base_url: o.BaseUrl = None,
    api_key_file: o.KeyFile = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> Code:
    """Ask once how tasks are doing.

    Prints a line per id, in their order: ID, STATE and URL, reason or status, with tabs between them unless
    stdout is a terminal. STATE is pending, running, unknown, succeeded or failed, or error when there is no answer.
    """
    from kkiai_sdk.cli import parts as p

    seconds, known = p.duration("--timeout", timeout), p.task_ids(ids)
    work = p.work.query(p.connection(base_url, api_key_file), known, seconds)
    return p.execute(work, known, p.Report(snapshots=True, timed=False), p.Manner(json, quiet, verbose))


@_command("kkiai wait grok:eee6faa8-9dee-455c-aa82-02ac623adf3a", "kkiai wait --timeout 2h - < ids.txt | cut -f1,2")
def wait(
    ids: o.Ids,
    timeout: o.WaitTimeout = "30m",
    poll_interval: o.Interval = "3s",
    base_url: o.BaseUrl = None,
    api_key_file: o.KeyFile = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> Code:
    """Wait for tasks to end.

    Prints a line per id as it ends: ID, STATE and URL or reason, with tabs between them unless stdout is a
    terminal. STATE is succeeded, failed, timeout or error.
    """
    from kkiai_sdk.cli import parts as p

    seconds, known = p.duration("--timeout", timeout, unlimited=True), p.task_ids(ids)
    work = p.work.wait(p.connection(base_url, api_key_file, poll_interval), known, seconds)
    return p.execute(work, known, p.Report(), p.Manner(json, quiet, verbose), again="kkiai wait {}")


@_command("kkiai watch grok:eee6faa8-9dee-455c-aa82-02ac623adf3a")
def watch(
    task_id: o.OneId,
    timeout: o.WaitTimeout = "30m",
    poll_interval: o.Interval = "3s",
    base_url: o.BaseUrl = None,
    api_key_file: o.KeyFile = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> Code:
    """Print every change of a task until it ends.

    The lines have the form of those of `kkiai query`.
    """
    from kkiai_sdk.cli import parts as p

    seconds = p.duration("--timeout", timeout, unlimited=True)
    work = p.work.watch(p.connection(base_url, api_key_file, poll_interval), task_id, seconds)
    return p.execute(work, [task_id], p.Report(snapshots=True), p.Manner(json, quiet, verbose), again="kkiai watch {}")


@_command(
    "kkiai download grok:eee6faa8-9dee-455c-aa82-02ac623adf3a -o cow.mp4", "kkiai download -o videos/ - < ids.txt"
)
def download(
    ids: o.Ids,
    output: o.Output = ".",
    overwrite: o.Overwrite = False,
    max_bytes: o.MaxBytes = None,
    timeout: o.WaitTimeout = "30m",
    poll_interval: o.Interval = "3s",
    base_url: o.BaseUrl = None,
    api_key_file: o.KeyFile = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> Code:
    """Fetch the videos of tasks, waiting for those that go on.

    Prints the path of each finished file. A download that is broken off leaves a part beside it; the same
    command goes on from there.
    """
    from kkiai_sdk.cli import parts as p

    seconds, known = p.duration("--timeout", timeout, unlimited=True), p.task_ids(ids)
    limit, connection = (
        p.byte_count("--max-bytes", max_bytes),
        p.connection(base_url, api_key_file, poll_interval),
    )
    fetching = p.work.Fetching(p.destination(output, many=len(known) > 1), overwrite, limit)
    work = p.work.download(connection, known, seconds, fetching)
    again = f"kkiai download {{}} -o {shlex.quote(output)}"
    return p.execute(work, known, p.Report(files=True), p.Manner(json, quiet, verbose), again=again)


@_command("kkiai mock --speed 10", "kkiai mock --fault close --fault reset-mid-body", "kkiai mock --list")
def mock(
    port: o.Port = 0,
    host: o.Host = "127.0.0.1",
    speed: o.Speed = 1.0,
    fault: o.Faults = None,
    cdn: o.Cdn = False,
    list_: o.ListThem = False,
    api_key_file: o.OnlyKey = None,
) -> Code:
    """Run a mock gateway on this machine until Ctrl-C.

    Its tasks follow scripts. Prints its address and a command to try.
    """
    from kkiai_sdk.cli import parts as p

    if list_:
        return p.mock.list_scenarios()
    key = None if api_key_file is None else p.key_in(api_key_file)
    return p.mock.serve(port=port, host=host, speed=speed, faults=fault or (), cdn=cdn, api_key=key)


@_command("kkiai demo", "kkiai demo grok:eee6faa8-9dee-455c-aa82-02ac623adf3a -o videos")
def demo(
    task_id: o.DemoId = None,
    output: o.Folder = Path("demo"),
    speed: o.Speed = 1.0,
    timeout: o.WaitTimeout = "30m",
    base_url: o.BaseUrl = None,
    api_key_file: o.KeyFile = None,
) -> Code:
    """Wait for a task, fetch its video and say where it lies.

    Without an id it plays against a mock gateway, in about ten seconds; with one, against the real gateway. A video of
    the same name is replaced.
    """
    from kkiai_sdk.cli import parts as p

    seconds = p.duration("--timeout", timeout, unlimited=True)
    connection = p.connection(base_url, api_key_file, "3s" if task_id else p.mock.DEMO_INTERVAL)
    return p.mock.demonstrate(connection, task_id, output, timeout=seconds, speed=speed)


@_command("kkiai doctor", "kkiai doctor --json --base-url http://127.0.0.1:8000")
def doctor(
    timeout: o.StepTimeout = "10s",
    base_url: o.BaseUrl = None,
    api_key_file: o.KeyFile = None,
    json: o.Json = False,
) -> Code:
    """Check the way to the gateway, step by step.

    Looks at versions, key, address and network, and makes one query, if there is a key: for a
    task that cannot exist, so it costs nothing. Every line begins with ok, warn or fail.
    """
    from kkiai_sdk.cli import doctor
    from kkiai_sdk.cli import parts as p

    connection = p.connection(base_url, api_key_file)
    return doctor.examine(connection, p.duration("--timeout", timeout), json=json)


@_command(
    "kkiai contract",
    "kkiai contract --base-url https://gateway.example.com --task-id grok:eee6faa8-9dee-455c-aa82-02ac623adf3a",
)
def contract(
    base_url: o.Gateway = None,
    task_id: o.KnownIds = None,
    fuzz: o.Fuzz = None,
    spec: o.SpecFile = None,
    junit: o.JUnit = None,
    sarif: o.Sarif = None,
    html: o.Html = None,
    json: o.Json = False,
    baseline: o.Baseline = None,
    write_baseline: o.WriteBaseline = None,
    time_limit: o.TimeLimit = "60s",
    rate: o.Rate = None,
    fail_on: o.FailOn = "breaking",
    seed: o.Seed = 1,
    api_key_file: o.KeyFile = None,
) -> Code:
    """Hold a gateway to the contract, openapi.yaml, and say where it strays.

    Only asks: nothing is made or changed there. Without --base-url it checks a mock gateway of its own;
    KKIAI_BASE_URL is not looked at, so that no live gateway is checked by accident. A gateway that is not on this
    machine is sent at most 12 requests, unless --fuzz is given. Needs the extra `contract`.

    \b
    Exit codes of this command:
      0  the contract is kept
      1  it is broken
      2  wrong usage
      3  not checked, or not in full: no key or no credit, out of reach, in trouble, too busy to
         answer a question (429), or ended by --time-limit or Ctrl-C before it found a breach
      6  checked, but the report could not be printed
    """  # noqa: D301 (the escape is meant: it keeps the lines apart)
    from kkiai_sdk.cli import contract as checking
    from kkiai_sdk.cli import parts as p

    key = None if api_key_file is None else p.key_in(api_key_file)
    limit = p.duration("--time-limit", time_limit, unlimited=True)
    target = checking.Target(base_url, key, tuple(task_id or ()), fuzz, rate)
    options = checking.Options(target, spec, limit, baseline, checking.severity("--fail-on", fail_on), seed, json)
    return checking.run(options, checking.Files(junit, sarif, html, write_baseline))
