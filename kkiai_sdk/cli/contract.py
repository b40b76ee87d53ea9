"""``kkiai contract``: runs the contract check, prints its result and writes its reports."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from kkiai_sdk import ConfigurationError
from kkiai_sdk.cli.exit_codes import ExitCode
from kkiai_sdk.cli.options import API_KEY_FILE, JSON, Connection, command, duration, option
from kkiai_sdk.cli.output import OutputOptions, make_console
from kkiai_sdk.cli.results import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kkiai_sdk.contract import Finding, Report, Severity

EXIT_CODES_HELP = """\
\b
Exit codes of this command:
  0  the gateway conforms to the contract
  1  it does not conform to it
  2  invalid usage
  3  not checked, or not in full: no key or no credit, no --task-id, an
     operation of the contract that was not requested or never succeeded,
     a gateway that is unreachable, failing or too busy to answer a query
     (429), or a check ended by --time-limit or Ctrl-C before a violation
     was found
  6  checked, but the report could not be printed

"""
FUZZ_HELP = "Send many generated requests, or only a few. [default: many to a gateway on this machine]"
ONLY_HELP = "Check only this operation: its operationId, or 'GET /path'; repeatable. [default: all operations]"
WRITES_HELP = "Also send requests that may create, change or delete something, or cost money."
TIME_LIMIT_HELP = "Stop after this time and report an incomplete check; 'none' for no limit."
#: Set so that Hypothesis creates no directory where the command runs.
STORAGE = "HYPOTHESIS_STORAGE_DIRECTORY"
SEVERITIES = click.Choice(["breaking", "drift"])
COLOURS = {"breaking": "bold red", "drift": "bold yellow", "advice": "bold blue"}


@command(
    "kkiai contract",
    "kkiai contract --base-url https://gateway.example.com \\\n"
    "      --task-id grok:eee6faa8-9dee-455c-aa82-02ac623adf3a",
    params=[
        option("--base-url", metavar="URL", help="Gateway URL. [default: a mock gateway]"),
        option("--task-id", "task_ids", metavar="ID", multiple=True, help="A task that the gateway knows; repeatable."),
        option("--fuzz/--no-fuzz", default=None, help=FUZZ_HELP),
        option("--only", metavar="OPERATION", multiple=True, help=ONLY_HELP),
        option("--allow-writes", help=WRITES_HELP),
        option("--spec", metavar="FILE", type=Path, help="The contract. [default: the SDK's openapi.yaml]"),
        option("--junit", metavar="FILE", type=Path, help="Write a JUnit report."),
        option("--sarif", metavar="FILE", type=Path, help="Write a SARIF report."),
        option("--html", metavar="FILE", type=Path, help="Write an HTML report."),
        JSON,
        option("--baseline", metavar="FILE", type=Path, help="File of known findings, which do not fail the check."),
        option("--write-baseline", metavar="FILE", type=Path, help="Write the findings to a baseline file."),
        option("--time-limit", metavar="DURATION", default="60s", help=TIME_LIMIT_HELP),
        option("--rate", metavar="N/UNIT", help="Requests per s, m or h. [default: 5/s; no limit on this machine]"),
        option("--fail-on", type=SEVERITIES, default="breaking", help="Lowest severity that fails the check."),
        option("--seed", metavar="NUMBER", type=int, default=1, help="Seed for the generated requests."),
        API_KEY_FILE,
    ],
    notes=EXIT_CODES_HELP,
)
def contract(
    *, connection: Connection, output: OutputOptions, fail_on: str, time_limit: str, **options: Any
) -> ExitCode:
    """Check a gateway against the contract, openapi.yaml.

    Read-only: creates, changes and deletes nothing, unless --allow-writes is given. Without --base-url it checks a
    built-in mock gateway; KKIAI_BASE_URL is ignored, so that no live gateway is checked by accident. A gateway that is
    not on this machine is sent at most 12 requests, unless --fuzz is given. Needs the extra `contract`.
    """
    from kkiai_sdk import contract as checker  # noqa: PLC0415 (needs the extra)

    severity = checker.Severity(fail_on)
    renderers: dict[str, Callable[[Report], str]] = {
        "junit": lambda report: checker.junit(report, severity),
        "sarif": checker.sarif,
        "html": lambda report: checker.html(report, severity),
        "write_baseline": lambda report: checker.baseline_text(report.findings),
    }
    targets = {name: path for name in renderers if (path := options.pop(name))}
    for path in targets.values():
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise ConfigurationError(f"{str(path)!a} cannot be written: name a file in an existing directory")
    options["time_limit"] = duration("--time-limit", time_limit, unlimited=True)
    with make_console(sys.stderr).status("Checking …") as status, ExitStack() as stack:
        if STORAGE not in os.environ:
            os.environ[STORAGE] = stack.enter_context(TemporaryDirectory(prefix="kkiai-", ignore_cleanup_errors=True))
            stack.callback(os.environ.pop, STORAGE)
        options["announce"] = lambda sentence: status.console.print(Text(f"kkiai: {sentence}"), soft_wrap=True)
        options["progress"] = lambda count: status.update(f"Checking: {count} responses")
        report = checker.check(connection.base_url, connection.api_key, **options)
    for name, path in targets.items():
        try:
            path.write_text(renderers[name](report), encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{str(path)!a} cannot be written: {error.strerror}") from None
    _print(report, severity, checker.workflow_commands(report), as_json=output.json)
    # The meanings are those of EXIT_CODES_HELP.
    return ExitCode(report.exit_code(severity))


def _print(report: Report, severity: Severity, annotations: Iterable[str], *, as_json: bool) -> None:
    out = make_console(sys.stdout)
    if as_json:
        out.file.write("".join(f"{line}\n" for line in report.json_lines(severity)))
        if report.obstacle:
            sys.stderr.write(f"kkiai: {visible(report.obstacle)}\n")
    else:
        for line in _lines(report, severity):
            out.print(line, soft_wrap=not out.is_terminal or bool(line.no_wrap))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # The runner reads both streams; with --json, stdout holds JSON only.
        stream = sys.stderr if as_json else out.file
        stream.write("".join(f"{line}\n" for line in annotations))


def _lines(report: Report, severity: Severity) -> Iterator[Text]:
    kind = "gentle" if report.is_gentle else "full"
    yield Text.assemble((report.base_url, "bold"), f" against {report.spec}, {kind} check")
    if report.findings:
        yield Text.assemble(("- what the gateway sent", "red"), "  ", ("+ what the contract requires", "green"))
    for finding in report.findings:
        yield from _finding_lines(finding)
    yield Text()
    for each in report.operations:
        if each.reason:
            extent = f"{each.requests} requests" if each.requests else "not requested"
            yield Text(visible(f"{each.name}: {extent}; {each.reason}"), "yellow" if each.is_in_scope else "dim")
    if report.exchanges:
        exercised = ", ".join(f"{name} {seen}/{total}" for name, (seen, total) in report.exercised().items())
        yield Text(f"Exercised: {exercised}")
        missing = [each.name for each in report.coverage if each.count == 0 and each.kind != "media type"]
        yield from [Text(f"Not seen: {', '.join(missing)}", "dim")] if missing else []
    yield from (Text(f"note: {visible(note)}", "yellow") for note in report.notes)
    counts = ", ".join(f"{count} {name}" for name, count in report.counts().items() if count) or "no findings"
    yield Text(f"{len(report.exchanges)} requests in {report.elapsed:.1f} s: {counts}")
    color = {0: "bold green", 1: "bold red"}.get(report.exit_code(severity), "bold yellow")
    yield Text(visible(report.verdict(severity)), color)


def _finding_lines(finding: Finding) -> Iterator[Text]:
    times = f", {finding.count} times" if finding.count > 1 else ""
    known = ", known" if finding.is_known else ""
    head = f" {finding.rule}  {visible(finding.place)}{times}{known}"
    yield Text.assemble("\n", (f"{finding.severity}", COLOURS[finding.severity]), head)
    yield Text(f"  {visible(finding.title)}")
    yield Text(f"  - {visible(finding.got)}", "red")
    yield Text(f"  + {visible(finding.expected)}", "green")
    yield Text(f"  The SDK {visible(finding.sdk)}.", "" if finding.survives else "bold red")
    if finding.curl:
        # Not indented: a long word continues at the start of the next line.
        yield from (Text(visible(line), "dim", no_wrap=True) for line in finding.curl_lines)
