"""`hammer`: one door to every job. A job is imported only when it is run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from inspect import getdoc
from typing import Annotated

import typer

import hammer._private_packages  # noqa: F401 - first: it makes `library` importable
from hammer import __version__
from hammer.extras import ANY_ARGUMENTS, missing_extra, not_installed
from library.jobs.command_line import Command, run

# Each module has `command`, which `python -m` of that module runs as well.
_COMMANDS = {
    "demo": "hammer.demo",
    "scan": "hammer.scan",
    "issues": "hammer.issues",
    "explain": "hammer.explain",
    "source": "hammer.source",
    "check-config": "hammer.check_config",
    "identify": "hammer.identify",
    "bootstrap": "hammer.bootstrap",
    "report": "reporting.create_security_groups_tickets",
    "remediate": "remediation.clean_security_groups",
    "restore": "remediation.restore_security_groups",
    "usage": "identification.read_security_group_usage",
    "decide": "hammer.decide",
    "exemptions": "hammer.exemptions",
    "listen": "reporting.listen_for_decisions",
    "immediate": "hammer.immediate",
    "publish": "hammer.publish",
    "status": "hammer.status",
    "inspector": "hammer.inspector",
}


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"hammer {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def _first_paragraph(command: Callable[..., None]) -> str:
    """What the list of commands says of one: without this, the first sentence, cut to what fits on a line."""
    return (getdoc(command) or "").partition("\n\n")[0].replace("\n", " ")


def application(arguments: Sequence[str]) -> typer.Typer:
    """The program with the commands that these arguments name, or with all of them where they name none."""
    app = typer.Typer(
        help="Finds security groups that let the Internet reach restricted ports, reports them and closes them.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    # With a callback typer keeps the command's name as an argument even where there is only one command.
    app.callback()(_options)
    for name in [name for name in _COMMANDS if name in arguments] or _COMMANDS:
        if extra := missing_extra(name):
            app.command(name, context_settings=ANY_ARGUMENTS)(not_installed(name, extra))
        else:
            command = import_module(_COMMANDS[name]).command
            app.command(name, cls=Command, short_help=_first_paragraph(command))(command)
    return app


def main() -> None:
    """Run the command line."""

    def program() -> None:
        application(sys.argv[1:])()

    # Ctrl-C may come while the commands are imported, too.
    run(program)


if __name__ == "__main__":
    main()
