"""Shell completion: the script of click for bash, zsh and fish, and the place where a shell looks for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete

#: Where each shell looks for the script of a command, below the home directory, and the further steps that it needs.
SHELLS = {
    "bash": (".local/share/bash-completion/completions/kkiai", "The package bash-completion must be installed.\n"),
    "zsh": (
        ".zfunc/_kkiai",
        "Add these lines to ~/.zshrc if they are missing:\n  fpath+=~/.zfunc\n  autoload -Uz compinit; compinit\n",
    ),
    "fish": (".config/fish/completions/kkiai.fish", ""),
}


def completer(command: click.Command, shell: str) -> ShellComplete:
    """Return the completion of click for a shell. Raises UsageError for one that has none."""
    found = get_completion_class(shell)
    if found is None or shell not in SHELLS:
        raise click.UsageError(f"SHELL must be one of {', '.join(SHELLS)} for completion, not {shell[:40]!a}")
    return found(command, {}, "kkiai", "_KKIAI_COMPLETE")


def script(command: click.Command, *, install: bool) -> str:
    """Return the script for the shell in ``SHELL``; with ``install`` write it, and return the steps that remain."""
    shell = Path(os.environ.get("SHELL", "")).name
    text = completer(command, shell).source()
    if not install:
        return text
    place, steps = SHELLS[shell]
    path = Path.home() / place
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot write {str(path)!a}: {error.strerror}") from None
    return f"Completion for {shell} is in {path}. Open a new shell to use it.\n{steps}"
