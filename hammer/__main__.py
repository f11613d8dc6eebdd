"""`hammer`: one door to every job. A job is imported only when it is run."""

from __future__ import annotations

from importlib import import_module

import typer
from click import Command, Context
from typer.core import TyperGroup

from library.command_line import run

# Each module has `app`, the same program that `python -m` runs, and a help text in its command's docstring.
_COMMANDS = {
    "demo": "hammer.demo",
    "scan": "hammer.scan",
    "check-config": "hammer.check_config",
    "bootstrap": "hammer.bootstrap",
    "report": "reporting.create_security_groups_tickets",
    "remediate": "remediation.clean_security_groups",
    "restore": "remediation.restore_security_groups",
}


class _Commands(TyperGroup):
    """The subcommands, each imported when it is asked for."""

    def list_commands(self, ctx: Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = typer.main.get_command(import_module(_COMMANDS[cmd_name]).app)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=_Commands,
    help="Finds security groups that let the Internet reach restricted ports, reports them and closes them.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _hammer() -> None:
    """Without a callback typer takes an application without commands of its own for a mistake."""


def main() -> None:
    """Run the command line."""
    run(app)


if __name__ == "__main__":
    main()
