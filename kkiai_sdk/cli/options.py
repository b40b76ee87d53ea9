"""The arguments and options of the command line, as Typer reads them from annotations."""

from pathlib import Path
from typing import Annotated

import typer

Ids = Annotated[
    list[str],
    typer.Argument(metavar="ID...", help="Task ids; - reads them from stdin, one per line.", show_default=False),
]
OneId = Annotated[str, typer.Argument(metavar="ID", help="The task id.", show_default=False)]
BaseUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="The gateway. [default: $KKIAI_BASE_URL, else the documented one]")
]
KeyFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A file that holds the key. [default: $KKIAI_API_KEY]")
]
WaitTimeout = Annotated[
    str, typer.Option("--timeout", metavar="DURATION", help="How long to wait: 30s, 10m, 2h, 1h30m or none.")
]
QueryTimeout = Annotated[str, typer.Option("--timeout", metavar="DURATION", help="How long one request may take.")]
Interval = Annotated[
    str,
    typer.Option(
        "--poll-interval", metavar="DURATION", help="The first pause between two queries; pauses grow to 15s."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line on stdout, for errors too.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log every request to stderr.")]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|DIR",
        help="Where to. A folder that is missing is made for several ids, or if it ends with /.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
MaxBytes = Annotated[str | None, typer.Option(metavar="SIZE", help="Refuse larger videos, such as 200MB.")]
Port = Annotated[int, typer.Option("--port", metavar="PORT", min=0, max=65_535, help="The port; 0 for a free one.")]
Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; only this machine can connect.")]
Speed = Annotated[float, typer.Option("--speed", metavar="FACTOR", help="How many times faster tasks live.")]
Faults = Annotated[
    list[str] | None,
    typer.Option(
        "--fault", metavar="NAME", help="What befalls the first request; repeated: the next ones. --list names them."
    ),
]
Cdn = Annotated[bool, typer.Option("--cdn", help="Serve the videos from a second port, as a CDN would.")]
ListThem = Annotated[bool, typer.Option("--list", help="Print the scripted tasks and faults, and exit.")]
OnlyKey = Annotated[Path | None, typer.Option(metavar="FILE", help="Take only the key in this file. [default: any]")]
DemoId = Annotated[
    str | None,
    typer.Argument(metavar="[ID]", help="A task of yours; without it, one of a mock gateway.", show_default=False),
]
Folder = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the video goes; made if missing.")]
StepTimeout = Annotated[str, typer.Option("--timeout", metavar="DURATION", help="How long each step may take.")]
Gateway = Annotated[str | None, typer.Option("--base-url", metavar="URL", help="The gateway. [default: a mock]")]
KnownIds = Annotated[
    list[str] | None, typer.Option("--task-id", metavar="ID", help="A task that the gateway knows; may be repeated.")
]
Fuzz = Annotated[
    bool | None,
    typer.Option(
        "--fuzz/--no-fuzz",
        help="Send many generated requests, or a handful. [default: many if it is on this machine]",
        show_default=False,
    ),
]
SpecFile = Annotated[
    Path | None, typer.Option("--spec", metavar="FILE", help="The contract. [default: the SDK's own openapi.yaml]")
]
JUnit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write a JUnit report.")]
Sarif = Annotated[Path | None, typer.Option("--sarif", metavar="FILE", help="Write a SARIF report.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a report for people.")]
Baseline = Annotated[
    Path | None, typer.Option("--baseline", metavar="FILE", help="Findings that are known fail nothing.")
]
WriteBaseline = Annotated[
    Path | None, typer.Option("--write-baseline", metavar="FILE", help="Write what is found as a baseline.")
]
TimeLimit = Annotated[
    str,
    typer.Option(
        "--time-limit",
        metavar="DURATION",
        help="Report what is known by then, as not checked in full; none for no limit.",
    ),
]
Rate = Annotated[
    str | None,
    typer.Option("--rate", metavar="N/UNIT", help="Requests per s, m or h. [default: 5/s, unless on this machine]"),
]
FailOn = Annotated[
    str, typer.Option("--fail-on", metavar="SEVERITY", help="The mildest finding that fails: breaking or drift.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="NUMBER", help="Decides what is generated.")]
Version = Annotated[bool, typer.Option("--version", help="Show the version.")]
