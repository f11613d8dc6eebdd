"""The parts of the documents that programs write: `python -m tests.readme` writes them anew.

A part stands between `<!-- name -->` and `<!-- /name -->`. A test compares it with what the program prints.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic.fields import FieldInfo
from typer.models import CommandInfo
from typer.testing import CliRunner

from hammer.__main__ import application
from hammer.check_config import port_set_text
from library.config import DEFAULT_RESTRICTED_PORTS, load_configuration
from library.config.models import ConfigFile
from library.config.types import Section
from tests import tutorial_texts
from tests.output_shapes import schemas

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


def keys() -> str:
    """Every key of the file `config`, with its default."""
    rows = ["| key | default | |", "|---|---|---|"]
    return "\n".join([*rows, *_keys_of(ConfigFile, "")])


def _keys_of(section: type[Section], prefix: str) -> list[str]:
    rows = []
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            rows += _keys_of(inner, f"{prefix}{name}.")
        else:
            rows.append(_key(f"{prefix}{field.alias or name}", field))
    return rows


def _key(path: str, field: FieldInfo) -> str:
    shown = {"secgrp_unrestricted_access.restricted_ports": port_set_text(DEFAULT_RESTRICTED_PORTS)}.get(path)
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if shown is None and field.is_required():
        shown = "required"
    elif shown is None:
        shown = json.dumps(default) if default or default is False else ""
    return f"| `{path}` | {shown} | {field.description} |"


def fenced(program: Callable[[], str]) -> Callable[[], str]:
    """A program's output as a block of code, without the blanks at the ends of lines."""
    return lambda: "```\n" + "\n".join(line.rstrip() for line in program().strip("\n").splitlines()) + "\n```"


PARTS: Mapping[tuple[str, str], Callable[[], str]] = {
    ("README.md", "demo"): fenced(demo),
    ("README.md", "source"): fenced(tutorial_texts.source),
    ("README.md", "commands"): overview,
    ("docs/commands.md", "manual"): manual,
    ("docs/configuration.md", "keys"): keys,
    ("docs/tutorial.md", "ticket"): fenced(tutorial_texts.ticket),
    ("docs/tutorial.md", "slack"): fenced(lambda: tutorial_texts.slack(load_configuration(str(ROOT / "config")))),
}


def _commands() -> list[CommandInfo]:
    return list(application([]).registered_commands)


def _first_sentence(function: Callable[..., object] | None) -> str:
    text = ((function.__doc__ if function else None) or "").strip().splitlines()[0]
    return text.partition(". ")[0].removesuffix(".")


def _help(name: str) -> str:
    result = CliRunner().invoke(application([name]), [name, "--help"], terminal_width=_WIDTH, prog_name="hammer")
    return "\n".join(line.rstrip() for line in result.stdout.strip().splitlines())


def part_of(text: str, name: str) -> str:
    """What stands in a part. Raises ValueError where there is none."""
    match = re.search(f"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
    if match is None:
        raise ValueError(f"there is no part {name!r}")
    return match[1].strip("\n")


def schema_files() -> dict[Path, str]:
    """The JSON Schemas of the outputs, by file."""
    return {
        ROOT / "docs" / "schemas" / f"{name}.schema.json": json.dumps(schema, indent=2) + "\n"
        for name, schema in schemas().items()
    }


def main() -> None:
    """Write every part, and the schemas."""
    for path, text in schema_files().items():
        path.write_text(text)
    for (document, name), program in PARTS.items():
        path = ROOT / document
        before, opening, rest = path.read_text().partition(f"<!-- {name} -->\n")
        _, closing, after = rest.partition(f"<!-- /{name} -->")
        path.write_text(f"{before}{opening}{program()}\n{closing}{after}")


if __name__ == "__main__":
    main()
