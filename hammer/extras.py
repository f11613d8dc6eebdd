"""The extras of the distribution: which command needs one, and what it says where that is not installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec

import typer

_SOURCE = ("tree_sitter", "tree_sitter_hcl")
_HOST = (*_SOURCE, "jira", "slack_sdk", "watchtower")
EXTRAS: Mapping[str, tuple[str, ...]] = {"source": _SOURCE, "host": _HOST, "demo": (*_HOST, "moto", "flask")}
"""The packages that each extra of pyproject.toml brings, as they are imported."""

NEEDED_BY: Mapping[str, str] = {
    "decide": "host",
    "demo": "demo",
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
    advice = f"pip install 'hammer[{extra}]'"

    def stand_in() -> None:
        print(f"hammer {command} needs the extra {extra!r}, which is not installed: {advice}", file=sys.stderr)
        raise typer.Exit(1)

    stand_in.__doc__ = f"(Not installed: {advice})"
    return stand_in
