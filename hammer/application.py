"""The program that `hammer` is: its commands in groups, each imported only when it is run or asked for help.

`--help`, `--version`, a typing error and a shell that completes a command's name need what each command is about, and
nothing of what it does: they read the docstring of its `command` as text. Everything that brings an SDK along is
imported in functions here.

What needs an extra of the distribution that is not installed says so, with the command that installs it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import typer
from typer.core import TyperGroup

import hammer._private_packages  # noqa: F401 - before any other import of ours: it makes `library` importable
from hammer import __version__
from library.jobs.standard_streams import open_closed_streams, output_errors_told

DISTRIBUTION = "hammer-security-groups"
"""The name under which pip knows Hammer; `hammer` is another project's. The command is `hammer`."""

_SOURCE = ("tree_sitter", "tree_sitter_hcl")
_HOST = (*_SOURCE, "jira", "slack_sdk", "watchtower")
EXTRAS: Mapping[str, tuple[str, ...]] = {"source": _SOURCE, "host": _HOST, "demo": (*_HOST, "moto", "flask")}
"""The packages that each extra of pyproject.toml brings, as they are imported."""

NEEDED_BY: Mapping[str, str] = {
    "decide": "host",
    "demo": "demo",
    "exemptions": "host",
    "immediate": "host",
    "listen": "host",
    "publish": "host",
    "report": "host",
    "remediate": "host",
    "restore": "host",
    "usage": "host",
}
"""The extra that a command needs. The other commands need none."""

# A command that is not installed takes whatever it is given, so that its message comes before any other.
ANY_ARGUMENTS = {"ignore_unknown_options": True, "allow_extra_args": True}


def missing_extra(command: str) -> str | None:
    """The extra that a command needs and that is not installed, or None."""
    extra = NEEDED_BY.get(command)
    if extra is None or all(find_spec(package) for package in EXTRAS[extra]):
        return None
    return extra


def not_installed(command: str, extra: str) -> Callable[[], None]:
    """What stands in for a command whose extra is not installed: it names the extra in one line and exits with 1."""

    def stand_in() -> None:
        advice = advice_for(extra)
        print(f"hammer {command} needs the extra {extra!r}, which is not installed: {advice}", file=sys.stderr)
        raise typer.Exit(1)

    stand_in.__doc__ = f"(Not installed: it needs the extra {extra!r}; run it to see how to install that.)"
    return stand_in


def advice_for(extra: str) -> str:
    """The command that installs an extra where Hammer is installed now, and from where that came."""
    try:
        url = json.loads(distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        url = {}
    clone = Path(__file__).parent.parent
    return install_command(
        extra,
        url,
        python=sys.executable,
        by_pipx=(Path(sys.prefix) / "pipx_metadata.json").exists(),
        clone=str(clone) if (clone / "pyproject.toml").exists() else "",
    )


def install_command(extra: str, direct_url: Mapping[str, Any], *, python: str, by_pipx: bool, clone: str) -> str:
    """A command that can be pasted.

    Args:
        extra: the extra.
        direct_url: what pip recorded of a distribution that came from no index (PEP 610); empty: it came from one.
        python: the interpreter that runs Hammer.
        by_pipx: whether pipx made its environment.
        clone: the clone that Hammer runs in; empty: none.
    """
    location, folder = str(direct_url.get("url") or ""), direct_url.get("dir_info")
    if folder is not None or (clone and not location):
        path = url2pathname(urlsplit(location).path) if location else clone
        requirement = shlex.quote(f"{path}[{extra}]")
        if (folder or {}).get("editable") or not location:
            requirement = f"--editable {requirement}"
    elif location:
        requirement = shlex.quote(f"{DISTRIBUTION}[{extra}] @ {location}")
    else:
        requirement = shlex.quote(f"{DISTRIBUTION}[{extra}]")
    return f"pipx install --force {requirement}" if by_pipx else f"{shlex.quote(python)} -m pip install {requirement}"


HELP = {"help_option_names": ["-h", "--help"]}
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "Look": ("scan", "issues", "explain", "status", "source", "exemptions", "demo"),
    "Act": ("report", "remediate", "restore", "decide"),
    "Set up": ("init", "check-config", "bootstrap"),
}
_OTHERS = "Operate"  # what a deployment runs by itself
_COMMAND_DOC = re.compile(r'^def command\(.*?\) -> [\w.]+:\n    """(.*?)(?:\n\n|""")', re.MULTILINE | re.DOTALL)


class CommandGroups(TyperGroup):
    """The list of commands in groups, the daily ones first."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list."""
        names = self.list_commands(ctx)
        grouped = {title: [name for name in wanted if name in names] for title, wanted in _GROUPS.items()}
        grouped[_OTHERS] = [name for name in names if not any(name in listed for listed in grouped.values())]
        for title, listed in grouped.items():
            commands = [(name, self.get_command(ctx, name)) for name in listed]
            rows = [(name, command.get_short_help_str(10_000)) for name, command in commands if command]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"hammer {__version__}")
        raise typer.Exit


_ROLE_ARN = re.compile(r"arn:aws[\w-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII)


def _checked_role(role_arn: str | None) -> str | None:
    if role_arn is not None and not _ROLE_ARN.fullmatch(role_arn):
        raise typer.BadParameter("write the ARN of a role: arn:aws:iam::<account>:role/<name>")
    return role_arn


def _use_profile(name: str | None) -> None:
    if name == "":
        raise typer.BadParameter("names no profile")
    if name:
        # `library.aws.session` says what the second is for.
        os.environ.update({"AWS_PROFILE": name, "HAMMER_PROFILE": name})


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            callback=_use_profile,
            help="The AWS profile; before the command's name.",
        ),
    ] = None,
    role_arn: Annotated[
        str | None,
        typer.Option(
            "--role-arn",
            metavar="ARN",
            callback=_checked_role,
            help="A role to assume first, for an hour; before the command's name.",
        ),
    ] = None,
) -> None:
    if role_arn and not {"-h", "--help"} & set(sys.argv):
        # Only here: the SDK takes longer to import than the list of commands to print.
        from library.aws.session import role_environment

        os.environ.update(role_environment(role_arn))
        os.environ.pop("HAMMER_PROFILE", None)  # that profile has assumed the role


def build(commands: Mapping[str, str], arguments: Sequence[str]) -> typer.Typer:
    """The program.

    Args:
        commands: the module of each command, by the command's name; each has a function `command`.
        arguments: of the command line. The commands that they name are imported; where they name none, each stands
            there with what its docstring says.
    """
    app = typer.Typer(
        cls=CommandGroups,
        help="Finds security groups that let the Internet reach restricted ports, reports them and closes them.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=HELP,
    )
    # With a callback typer keeps the command's name as an argument even where there is only one command.
    app.callback()(_options)
    named = [name for name in commands if name in arguments]
    for name in named or commands:
        if extra := missing_extra(name):
            app.command(name, context_settings=ANY_ARGUMENTS)(not_installed(name, extra))
        elif named:
            _add(app, name, import_module(commands[name]).command)
        else:
            app.command(name)(_described(commands[name]))
    return app


def _add(app: typer.Typer, name: str, command: Callable[..., None]) -> None:
    from library.jobs.command_line import Command

    app.command(name, cls=Command, context_settings=HELP)(command)


def _described(module: str) -> Callable[[], None]:
    """What stands in for a command in the list of commands."""

    def stand_in() -> None:
        pass

    stand_in.__doc__ = _first_paragraph(module)
    return stand_in


@cache
def _first_paragraph(module: str) -> str:
    """What the docstring of a module's `command` begins with, read without importing the module."""
    spec = find_spec(module)
    source = Path(spec.origin).read_text("utf-8") if spec and spec.origin else ""
    found = _COMMAND_DOC.search(source)
    return re.sub(r"\s+", " ", found[1]) if found else ""


def words_of(arguments: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """The words of the command line; where a shell asks for what completes one, those of that line."""
    if "_HAMMER_COMPLETE" in environ:
        line = environ.get("_TYPER_COMPLETE_ARGS") or environ.get("COMP_WORDS") or ""
        return line.split()[1:]
    return list(arguments)


def start(commands: Mapping[str, str], arguments: Sequence[str]) -> None:
    """Run the command line, and exit."""
    open_closed_streams()
    if arguments[:1] == ["help"]:  # `hammer help scan`
        arguments = [*arguments[1:], "--help"]
        sys.argv[1:] = arguments
    words = words_of(arguments, os.environ)
    app = build(commands, words)
    if any(name in words for name in commands):
        from library.jobs.command_line import run

        run(app)
    with output_errors_told():
        app()
