"""The ``kkiai`` command group. Each command's module is imported when the command runs, so that help is quick."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, cast

import click

from kkiai_sdk import __version__
from kkiai_sdk.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Module and summary of each command.
COMMANDS = {
    "query": ("tasks", "Query the state of tasks once."),
    "wait": ("tasks", "Wait for tasks to end."),
    "watch": ("tasks", "Print every change of a task until it ends."),
    "download": ("tasks", "Download the videos of tasks, waiting for unfinished ones first."),
    "fleet": ("fleet", "Wait for tasks and download their videos, across restarts."),
    "mock": ("mock", "Run a mock gateway on this machine until Ctrl-C."),
    "demo": ("mock", "Wait for a task and download its video."),
    "doctor": ("doctor", "Diagnose the connection to the gateway, step by step."),
    "contract": ("contract", "Check a gateway against the contract, openapi.yaml."),
}
EXIT_CODES = "\b\nExit codes (of several tasks, the most serious outcome counts):"


class LazyGroup(click.Group):
    """A command group that imports a command on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the command names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (as above)
        """Import a command. Returns None for an unknown one."""
        if cmd_name not in COMMANDS:
            return None
        return cast("click.Command", getattr(import_module(f"kkiai_sdk.cli.{COMMANDS[cmd_name][0]}"), cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (as above)
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    epilog="\n".join([EXIT_CODES, *(f"  {code.value:<4} {code.meaning}" for code in ExitCode)]),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True},
)
@click.option("--install-completion", is_flag=True, help="Install shell completion for the shell in $SHELL, and exit.")
@click.option("--show-completion", is_flag=True, help="Print the completion script for the current shell, and exit.")
@click.version_option(__version__, message="kkiai %(version)s", help="Show the version and exit.")
@click.pass_context
def kkiai(context: click.Context, *, install_completion: bool, show_completion: bool) -> None:
    """Query, wait for and download the video tasks of a kkiai gateway.

    Results go to stdout, progress and messages to stderr. The key is read from the environment variable
    KKIAI_API_KEY or from a file, never from the command line, which other users of the machine can see. With
    KKIAI_LOG=debug, every command logs its requests to stderr.
    """
    if install_completion or show_completion:
        from kkiai_sdk.cli import completion  # noqa: PLC0415 (imported on demand)

        click.echo(completion.script(kkiai, install=install_completion), nl=False)
        context.exit()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(argv: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    try:
        # The script asks with "bash_complete", or for a script with "bash_source".
        if request := os.environ.get("_KKIAI_COMPLETE"):
            from kkiai_sdk.cli import completion  # noqa: PLC0415 (imported on demand)

            shell, _, kind = request.partition("_")
            found = completion.completer(kkiai, shell)
            click.echo(found.source() if kind == "source" else found.complete())
            return ExitCode.SUCCESS
        with kkiai.make_context("kkiai", list(argv)) as context:
            return cast("ExitCode | None", kkiai.invoke(context)) or ExitCode.SUCCESS
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
