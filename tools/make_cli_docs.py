"""Writes `docs/cli.md`, the reference of the `kkiai` command, from what the command says of itself.

Run it from anywhere with `python tools/make_cli_docs.py`; it needs the extra `cli`. A test holds the file up to date.
"""

from __future__ import annotations

import io
import os
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

from kkiai_sdk.cli.codes import MEANINGS, SERIOUSNESS
from kkiai_sdk.cli.main import main as kkiai

TARGET = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
#: Cells of a line of help: what fits into a code block without a scroll bar.
WIDTH = 96

_HEAD = """\
# The command line

`pip install "kkiai-sdk[cli]"` brings the command `kkiai`; `python -m kkiai_sdk` is the same.

This file is written by `python tools/make_cli_docs.py`; do not edit it.

## Key and address

The key is read from `KKIAI_API_KEY`, or from a file that `--api-key-file` names. There is no option for the key itself:
other users of a machine can read command lines. The address is `--base-url`, else `KKIAI_BASE_URL`, else the documented
server.

## Output

Results go to stdout, progress and messages to stderr. If stderr is a terminal, progress is a live display; else it is
one line per change. `--quiet` silences it; a problem that stdout does not tell is told on stderr even then. Nothing is
coloured when `NO_COLOR` is set or when the output is not a terminal.

| stdout is | `query`, `wait`, `watch` | `download` |
|---|---|---|
| a terminal | a line per result, and below it the URL or the reason | the same, with the path |
| a pipe or a file | `ID`, `STATE`, `DETAIL` with tabs between them | the path |
| with `--json` | one JSON object per line, ASCII | one JSON object per line, ASCII |

`STATE` is `pending`, `running`, `unknown`, `succeeded` or `failed`; `timeout` when a wait ran out of time; `error` when
there is no answer. `DETAIL` is the URL, the reason, or the gateway's status and progress. Control characters in text
from the gateway are shown as escapes.

A JSON result is `VideoTask.to_dict()`, or `{"task_id", "path", "bytes"}` for a file. A JSON error has the keys
`task_id` (null when it is about no task), `error` (the class), `message`, `exit_code`, `task` (the last snapshot or
null) and, if known, `status_code`, `code`, `request_id`, `retry_after` and `transient`. Wrong usage, such as an unknown
option, is told on stderr only.

Ids come from the command line or, where `-` stands, from stdin: one per line, blank lines and lines that begin with `#`
skipped. An id that is given twice counts once. Durations are `30s`, `10m`, `2h`, `1h30m` or plain seconds.

Ctrl-C ends a command at once. The tasks go on at the gateway, and a part of a download stays for the next run.

## Exit codes

| code | meaning |
|---|---|
"""


def help_of(*words: str) -> str:
    """What `kkiai WORDS --help` prints."""
    out = io.StringIO()
    with patch.dict(os.environ, {"COLUMNS": str(WIDTH + 2)}), redirect_stdout(out):
        kkiai([*words, "--help"])
    return out.getvalue().rstrip()


def commands() -> list[str]:
    """The names of all commands, in the order of the help."""
    listed = help_of().partition("Commands:\n")[2].partition("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines()]


def document() -> str:
    """The whole file."""
    rows = "".join(f"| {code.value} | {meaning} |\n" for code, meaning in MEANINGS.items())
    order = ", ".join(str(code.value) for code in SERIOUSNESS)
    parts = [_HEAD, rows, f"\nOf several tasks the most serious decides, in this order: {order}.\n"]
    parts += [f"\n## kkiai\n\n```text\n{help_of()}\n```\n"]
    parts += [f"\n## kkiai {name}\n\n```text\n{help_of(name)}\n```\n" for name in commands()]
    return "".join(parts)


def main() -> None:
    """Write the file."""
    TARGET.write_text(document(), encoding="utf-8")
    print(f"{TARGET} is up to date")


if __name__ == "__main__":
    main()
