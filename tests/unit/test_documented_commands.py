"""Every command that a document names exists, with its options; tests/integration runs those of Hammer."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from hammer.__main__ import application
from tests.deployment.aws_command import given_to
from tests.readme import part_of

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    path
    for pattern in ("*.md", "docs/**/*.md", "docs/examples/*.yaml", "deployment/*.md")
    for path in sorted(ROOT.glob(pattern))
    if path.name != "CHANGELOG.md"
]
OWN_MODULE = r"python3? -m ((?:hammer|library|identification|reporting|remediation|deployment|tests)[a-z_.]*)"
CODE = re.compile(r"^```.*?\n(?P<block>.*?)^```|`(?P<span>[^`\n]+)`", re.MULTILINE | re.DOTALL)


def code(path: Path) -> Iterator[str]:
    """Yield what a document shows as code; the lines of an example that is a program."""
    text = path.read_text("utf-8")
    if path.suffix != ".md":
        yield from (line.partition("run: ")[2] or line.strip() for line in text.splitlines())
        return
    for found in CODE.finditer(text):
        yield from (found["block"] or found["span"]).splitlines()


def commands_in(path: Path) -> Iterator[str]:
    for line in code(path):
        if found := re.match(r"\s*(?:[$] )?(?:\.venv/bin/|sudo )?hammer (?P<rest>[a-z-].*)", line):
            yield re.split(r"\s+(?:#|\||&&|\|\||;|>)", found["rest"])[0].strip()


@cache
def options() -> dict[str, set[str]]:
    """The options of each command; those of the program itself under an empty name."""
    names = [str(command.name) for command in application([]).registered_commands]
    known = {}
    for name in names:
        command = get_command(application([name])).commands[name]  # type: ignore[attr-defined]
        known[name] = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    root = get_command(application([]))
    known[""] = {option for parameter in root.params for option in parameter.opts} | {"--help"}
    return known


def mistake(command: str) -> str | None:
    """What is wrong with a documented command, or None."""
    name, *words = command.split()
    if name.startswith("-"):
        name, words = "", [name]
    if name not in options():
        return f"no command {name!r}"
    unknown = {word.partition("=")[0].strip("[]") for word in words if word.strip("[").startswith("--")} - options()[
        name
    ]
    return f"{name}: no option {', '.join(sorted(unknown))}" if unknown else None


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_hammer_exists_with_its_options(path: Path) -> None:
    assert [f"{command}: {reason}" for command in commands_in(path) if (reason := mistake(command))] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_target_and_module_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    lines = list(code(path))
    made = {name for line in lines for name in re.findall(r"^\s*make ([a-z-]+)", line)}
    modules = {name for line in lines for name in re.findall(OWN_MODULE, line)}
    assert sorted(made - targets) == []
    assert sorted(name for name in modules if find_spec(name) is None) == []


# Of the AWS command line itself, not of an API.
HIGH_LEVEL = ("aws s3 ", "aws sso ")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_sdk_knows_every_call_of_aws(path: Path) -> None:
    for line in code(path):
        if line.strip().startswith("aws ") and not line.strip().startswith(HIGH_LEVEL):
            # A placeholder is one word; `invoke` is followed by a file.
            words = shlex.split(re.sub(r"<[^>]*>", "X", line).removesuffix("/dev/stdout"))
            given_to(words[1], words[2], *words[3:])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_terraform_has_every_address(path: Path) -> None:
    written = "".join(file.read_text("utf-8") for file in (ROOT / "deployment" / "terraform").rglob("*.tf"))
    for line in code(path):
        for module, type_, name in re.findall(r"\bmodule\.(\w+)(?:\.(aws_\w+)\.(\w+))?", line):
            assert f'module "{module}"' in written
            assert not type_ or f'resource "{type_}" "{name}"' in written


def test_the_configuration_of_the_tutorial_is_valid(tmp_path: Path) -> None:
    part = part_of((ROOT / "docs" / "tutorial.md").read_text("utf-8"), "minimal")
    (tmp_path / "config.json").write_text(part.removeprefix("```json\n").removesuffix("```"))
    result = CliRunner().invoke(application(["check-config"]), ["check-config", "--config", str(tmp_path)])
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, f"{tmp_path} is valid.")


def test_the_commands_are_found() -> None:
    readme = set(commands_in(ROOT / "README.md"))
    assert {"--version", "scan --format html --output report.html", "check-config --config config"} <= readme
    assert mistake("scan --frobnicate") == "scan: no option --frobnicate"
    assert mistake("frobnicate") == "no command 'frobnicate'"
    assert mistake("restore [--backup KEY] --release") is None
