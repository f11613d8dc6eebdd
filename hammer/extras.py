"""The extras of the distribution: which command needs one, and what it says where that is not installed."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import typer

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
