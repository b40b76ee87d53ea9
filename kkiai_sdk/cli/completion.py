"""Shell completion: the script of click for bash, zsh and fish, and the place where a shell looks for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from click.shell_completion import get_completion_class

from kkiai_sdk import ConfigurationError

if TYPE_CHECKING:
    import click

#: Variable by which the scripts request completions.
VARIABLE = "_KKIAI_COMPLETE"
#: Where each shell looks for the script of a command, below the home directory.
PLACES = {
    "bash": ".local/share/bash-completion/completions/kkiai",
    "zsh": ".zfunc/_kkiai",
    "fish": ".config/fish/completions/kkiai.fish",
}
#: Further steps that a shell needs.
STEPS = {
    "bash": "The package bash-completion must be installed.",
    "zsh": "Add these lines to ~/.zshrc if they are missing:\n  fpath+=~/.zfunc\n  autoload -Uz compinit; compinit",
    "fish": "",
}


def script(command: click.Command, shell: str) -> str:
    """Return the completion script for a shell, such as ``bash`` or ``/bin/zsh``. Raises ConfigurationError."""
    name = Path(shell).name
    if name not in PLACES:
        known = ", ".join(PLACES)
        raise ConfigurationError(f"SHELL must be one of {known} for completion, not {name[:40]!a}")
    return answer(command, f"{name}_source")


def answer(command: click.Command, request: str) -> str:
    """Return the response to a script: words that complete a line, or for ``…_source`` the script itself."""
    shell, _, kind = request.partition("_")
    found = get_completion_class(shell)
    if found is None:
        return ""
    completer = found(command, {}, "kkiai", VARIABLE)
    return completer.source() if kind == "source" else completer.complete()


def install(command: click.Command) -> str:
    """Write the script for the shell in ``SHELL``; return what was done and the steps that remain."""
    shell = os.environ.get("SHELL", "")
    text, name = script(command, shell), Path(shell).name
    path = Path.home() / PLACES[name]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write {str(path)!a}: {error.strerror}") from None
    return "\n".join(filter(None, [f"Completion for {name} is in {path}. Open a new shell to use it.", STEPS[name]]))
