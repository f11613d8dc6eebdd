"""The parts of the documents that programs write: `python -m tests.readme` writes them anew.

A part stands between `<!-- name -->` and `<!-- /name -->`. A test compares it with what the program prints.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from typer.models import CommandInfo
from typer.testing import CliRunner

from hammer.__main__ import application

ROOT = Path(__file__).parent.parent
_WIDTH = 110


def demo() -> str:
    """What the demo prints."""
    command = [sys.executable, "-m", "hammer", "demo"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def overview() -> str:
    """The table of commands."""
    rows = [f"| `hammer {command.name}` | {_first_sentence(command.callback)} |" for command in _commands()]
    return "\n".join(["| | |", "|---|---|", *rows])


def manual() -> str:
    """Every command's help."""
    names = [str(command.name) for command in _commands()]
    return "\n\n".join(f"## hammer {name}\n\n```\n{_help(name)}\n```" for name in names)


def fenced(program: Callable[[], str]) -> Callable[[], str]:
    """A program's output as a block of code, without the blanks at the ends of lines."""
    return lambda: "```\n" + "\n".join(line.rstrip() for line in program().strip("\n").splitlines()) + "\n```"


PARTS: Mapping[tuple[str, str], Callable[[], str]] = {
    ("README.md", "demo"): fenced(demo),
    ("README.md", "commands"): overview,
    ("docs/commands.md", "manual"): manual,
}


def _commands() -> list[CommandInfo]:
    return list(application([]).registered_commands)


def _first_sentence(function: Callable[..., object] | None) -> str:
    return ((function.__doc__ if function else None) or "").strip().splitlines()[0].removesuffix(".")


def _help(name: str) -> str:
    result = CliRunner().invoke(application([name]), [name, "--help"], terminal_width=_WIDTH, prog_name="hammer")
    return "\n".join(line.rstrip() for line in result.stdout.strip().splitlines())


def part_of(text: str, name: str) -> str:
    """What stands in a part. Raises ValueError where there is none."""
    match = re.search(f"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", text, re.DOTALL)
    if match is None:
        raise ValueError(f"there is no part {name!r}")
    return match[1]


def main() -> None:
    """Write every part."""
    for (document, name), program in PARTS.items():
        path = ROOT / document
        text = path.read_text()
        path.write_text(text.replace(part_of(text, name), program()))


if __name__ == "__main__":
    main()
