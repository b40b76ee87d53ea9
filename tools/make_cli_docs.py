"""Writes `docs/cli.md`, the reference of the `kkiai` command, from the command's own help.

Run it from anywhere with `python tools/make_cli_docs.py`; it needs the extra `cli`. With `--check` it only
fails if the file is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from click.testing import CliRunner

from kkiai_sdk.cli.app import COMMANDS, kkiai
from kkiai_sdk.cli.exit_codes import SEVERITY_ORDER, ExitCode
from kkiai_sdk.cli.fleet import fleet

TARGET = Path(__file__).resolve().parent.parent / "docs" / "cli.md"

TEXT = """\
# The command line

`pip install "kkiai-sdk[cli]"` installs the command `kkiai`; `python -m kkiai_sdk` is the same.
`kkiai contract` needs the extra `contract`, and `kkiai fleet` the extra `dbos`; both include `cli`.

This file is written by `python tools/make_cli_docs.py`; do not edit it.

## Key and address

The key is read from `KKIAI_API_KEY`, or from the file given by `--api-key-file`. There is no option for the key itself,
because other users of the machine can read command lines. The address is taken from `--base-url`, else from
`KKIAI_BASE_URL`; the default is `https://www.kkiai.com`.

## Output

Results go to stdout, progress and messages to stderr. If stderr is a terminal, progress is a live display; otherwise it
is one line per change, and one a minute if nothing changes. If the gateway has not responded for two seconds, a notice
says so; in the live display it stays until the gateway responds. `--quiet` silences all this, except for problems that
stdout does not show. There are no colors if `NO_COLOR` is set or the output is not a terminal. `KKIAI_LOG` sets the log
level on stderr for every command: `debug` (each request and poll, as with `--verbose`), `info`, `warning` (the default)
or `error`.

| stdout is | `query`, `wait`, `watch` | `download` |
|---|---|---|
| a terminal | a line per result, and below it the URL or the reason | the same, with the path |
| a pipe or a file | `ID`, `STATE`, `DETAIL`, separated by tabs | the path |
| with `--json` | one JSON object per line, in ASCII | one JSON object per line, in ASCII |

`STATE` is `pending`, `running`, `unknown`, `succeeded` or `failed`; `timeout` if a wait ran out of time; `error` if a
query failed. `DETAIL` is the URL, the reason, or the gateway's status and progress. Control characters in text from the
gateway are shown as escapes.

A JSON result is `VideoTask.to_dict()`, or `{{"task_id", "path", "bytes"}}` for a file. A JSON error has the keys
`task_id` (null if it is not about a task), `error` (the class), `message`, `exit_code`, `task` (the last snapshot or
null) and, if known, `status_code`, `code`, `request_id`, `retry_after` and `transient`. Wrong usage, such as an unknown
option, is reported on stderr only.

Ids come from the command line or, in place of `-`, from stdin: one per line; blank lines and lines that begin with `#`
are skipped. A repeated id counts once. Durations are `30s`, `10m`, `2h`, `1h30m` or plain seconds.

Ctrl-C ends a command immediately. The tasks keep running at the gateway, and a partial download is kept for the next
run. The last line on stderr is the command that continues, including all options; paste it into a shell.

## Shell completion

`kkiai --install-completion` installs the completion script for the shell named in `SHELL` (bash, zsh or fish) where
that shell looks for it, and says what else the shell needs; `kkiai --show-completion` only prints the script.

## Environment variables

The SDK reads them in Python code as well, except those that are marked as the command line's.

| variable | meaning |
|---|---|
| `KKIAI_API_KEY` | the key |
| `KKIAI_BASE_URL` | the address of the gateway |
| `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` | [proxies](cookbook/connection.md#proxy) |
| `SSL_CERT_FILE`, `SSL_CERT_DIR` | a [certificate authority](cookbook/connection.md#custom-ca) of your own |
| `KKIAI_LOG` | the level of the log; command line |
| `KKIAI_FLEET_DB` | the database of [`kkiai fleet`](durable.md#with-a-database); command line |
| `NO_COLOR` | no colors; command line |

## Exit codes

| code | meaning |
|---|---|
{codes}

For several tasks, the most serious outcome counts, in this order: {order}.

## kkiai

```text
{help}
```
"""


def help_of(*words: str) -> str:
    """Return the output of `kkiai WORDS --help`, at most 80 columns wide."""
    return CliRunner().invoke(kkiai, [*words, "--help"], prog_name="kkiai").stdout.rstrip()


def document() -> str:
    """Return the whole file."""
    codes = "\n".join(f"| {code.value} | {code.meaning} |" for code in ExitCode)
    text = TEXT.format(codes=codes, order=", ".join(map(str, SEVERITY_ORDER)), help=help_of())
    within = {"fleet": [f"fleet {name}" for name in fleet.commands]}
    parts = [part for name in COMMANDS for part in (name, *within.get(name, ()))]
    return text + "".join(f"\n## kkiai {name}\n\n```text\n{help_of(*name.split())}\n```\n" for name in parts)


if __name__ == "__main__":
    if "--check" not in sys.argv:
        TARGET.write_text(document(), encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != document():
        sys.exit(f"{TARGET} is out of date: run python tools/make_cli_docs.py")
