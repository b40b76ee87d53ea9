"""``kkiai contract``: runs the check, tells the result, and writes the reports that were asked for."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from attrs import field, frozen
from rich.text import Text

from kkiai_sdk import ConfigurationError
from kkiai_sdk.cli.codes import Code
from kkiai_sdk.cli.output import console
from kkiai_sdk.cli.text import middle_cut, visible
from kkiai_sdk.contract import Severity, baseline_text, check, html, junit, sarif, workflow_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.console import Console

    from kkiai_sdk.contract import Finding, Report

_COLOURS = {Severity.BREAKING: "bold red", Severity.DRIFT: "bold yellow", Severity.ADVICE: "bold blue"}
#: For the codes of this command, which are its own: 3 says that the check could not be made.
_CODES = {0: Code.DONE, 1: Code.FAILED, 3: Code.TIMED_OUT}


@frozen
class Target:
    """Which gateway, and how it is asked."""

    base_url: str | None
    api_key: str | None = field(repr=False)
    task_ids: tuple[str, ...]
    fuzz: bool | None
    rate: str | None


@frozen
class Options:
    """What was asked for."""

    target: Target
    spec: Path | None
    #: Seconds.
    time_limit: float
    baseline: Path | None
    fail_on: Severity
    seed: int
    json: bool


@frozen
class Files:
    """Where reports go; None for those that were not asked for."""

    junit: Path | None
    sarif: Path | None
    html: Path | None
    baseline: Path | None

    def check(self) -> None:
        """Raise ConfigurationError for a file that cannot be written, before anything is sent."""
        for path in (self.junit, self.sarif, self.html, self.baseline):
            if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
                raise ConfigurationError(f"{str(path)!a} cannot be written: name a file in a folder that exists")

    def write(self, report: Report, fail_on: Severity) -> None:
        """Write them. Raises ConfigurationError."""
        _write(self.junit, lambda: junit(report, fail_on))
        _write(self.sarif, lambda: sarif(report))
        _write(self.html, lambda: html(report, fail_on))
        _write(self.baseline, lambda: baseline_text(report.findings))


def _write(path: Path | None, text: Callable[[], str]) -> None:
    if path is not None:
        try:
            path.write_text(text(), encoding="utf-8")
        except OSError as problem:
            raise ConfigurationError(f"{str(path)!a} cannot be written: {problem.strerror}") from None


def severity(option: str, text: str) -> Severity:
    """``breaking`` or ``drift``. Raises ConfigurationError."""
    if text not in {Severity.BREAKING, Severity.DRIFT}:
        raise ConfigurationError(f"{option} must be breaking or drift, not {text[:40]!a}")
    return Severity(text)


def run(options: Options, files: Files) -> Code:
    """Check, tell, write; gives the exit code."""
    files.check()
    target = options.target
    with _counting() as count, _storage():
        report = check(
            target.base_url,
            target.api_key,
            task_ids=target.task_ids,
            fuzz=target.fuzz,
            spec=options.spec,
            rate=target.rate,
            time_limit=options.time_limit,
            baseline=options.baseline,
            seed=options.seed,
            progress=count,
        )
    files.write(report, options.fail_on)
    _tell(report, options)
    return _CODES[report.exit_code(options.fail_on)]


@contextmanager
def _storage() -> Iterator[None]:
    """Keeps Hypothesis, which generates the requests, from leaving a folder where the command was run."""
    name = "HYPOTHESIS_STORAGE_DIRECTORY"
    if name in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="kkiai-", ignore_cleanup_errors=True) as folder:
        os.environ[name] = folder
        try:
            yield
        finally:
            del os.environ[name]


@contextmanager
def _counting() -> Iterator[Callable[[int], object]]:
    """Shows the number of answers on stderr while it grows, if that is a terminal."""
    err = console(sys.stderr)
    if not err.is_terminal or err.is_dumb_terminal:
        yield lambda _: None
        return
    with err.status("Checking …") as status:
        yield lambda count: status.update(f"Checking: {count} answers")


def _tell(report: Report, options: Options) -> None:
    out = console(sys.stdout)
    if options.json:
        out.file.writelines(f"{line}\n" for line in report.json_lines(options.fail_on))
    else:
        for line in _lines(report, options.fail_on, out):
            out.print(line, soft_wrap=not out.is_terminal or bool(line.no_wrap))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # The runner reads both streams; with --json stdout is for objects alone.
        stream = sys.stderr if options.json else out.file
        stream.writelines(f"{line}\n" for line in workflow_commands(report))
    if report.obstacle and options.json:
        sys.stderr.write(f"kkiai: {visible(report.obstacle)}\n")


def _lines(report: Report, fail_on: Severity, out: Console) -> Iterator[Text]:
    kind = "gentle" if report.is_gentle else "full"
    yield Text.assemble((report.base_url, "bold"), f" against {report.spec}, {kind} check")
    for finding in report.findings:
        yield Text()
        yield from _finding(finding, out.width if out.is_terminal else None)
    yield Text()
    yield from _coverage(report)
    yield from (Text(f"note: {visible(note)}", "yellow") for note in report.notes)
    yield Text(_counts(report))
    colour = {0: "bold green", 1: "bold red"}.get(report.exit_code(fail_on), "bold yellow")
    yield Text(visible(report.verdict(fail_on)), colour)


def _finding(finding: Finding, width: int | None) -> Iterator[Text]:
    times = f", {finding.count} times" if finding.count > 1 else ""
    known = ", known" if finding.is_known else ""
    head = f" {finding.rule}  {visible(finding.place)}{times}{known}"
    yield Text.assemble((f"{finding.severity}", _COLOURS[finding.severity]), head)
    yield Text(f"  {visible(finding.title)}")
    room = max(width - 4, 20) if width else None
    for mark, text, colour in (("-", finding.expected, "red"), ("+", finding.got, "green")):
        yield Text(f"  {mark} {_cut(visible(text), room)}", colour)
    yield Text(f"  The SDK {visible(finding.sdk)}.", "" if finding.survives else "bold red")
    if finding.curl:
        # Never cut: it is there to be copied.
        yield Text(f"  {visible(finding.curl)}", "dim", no_wrap=True)


def _cut(text: str, room: int | None) -> str:
    return text if room is None else middle_cut(text, room)


def _coverage(report: Report) -> Iterator[Text]:
    if not report.exchanges:
        return
    parts = [f"{name} {seen}/{total}" for name, (seen, total) in report.exercised().items()]
    yield Text(f"Exercised: {', '.join(parts)}")
    missing = [each.name for each in report.coverage if each.count == 0 and each.kind != "media type"]
    if missing:
        yield Text(f"Not seen: {', '.join(missing)}", "dim")


def _counts(report: Report) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in report.counts().items() if count) or "no findings"
    return f"{len(report.exchanges)} requests in {report.elapsed:.1f} s: {counts}"
