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
Cdn = Annotated[bool, typer.Option("--cdn", help="Serve the videos from a second port, as a CDN would.")]
ListThem = Annotated[bool, typer.Option("--list", help="Print the scripted tasks and exit.")]
OnlyKey = Annotated[Path | None, typer.Option(metavar="FILE", help="Take only the key in this file. [default: any]")]
DemoId = Annotated[
    str | None,
    typer.Argument(metavar="[ID]", help="A task of yours; without it, one of a mock gateway.", show_default=False),
]
Folder = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the video goes; made if missing.")]
StepTimeout = Annotated[str, typer.Option("--timeout", metavar="DURATION", help="How long each step may take.")]
Version = Annotated[bool, typer.Option("--version", help="Show the version.")]
