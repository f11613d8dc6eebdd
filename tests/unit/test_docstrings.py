"""What docstrings promise exists: the names under "Attributes:" and "Args:", which a renaming leaves behind."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import library.errors

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("deployment", "hammer", "identification", "library", "remediation", "reporting")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
_NAME = re.compile(r"^( *)\**(\w+): ", re.MULTILINE)


def listed(docstring: str, heading: str) -> Iterator[str]:
    """The names that a section of a docstring explains."""
    _, found, rest = docstring.partition(f"{heading}:\n")
    if not found:
        return
    section = rest.split("\n\n", 1)[0]
    names = list(_NAME.finditer(section))
    indent = min((len(name[1]) for name in names), default=0)
    yield from (name[2] for name in names if len(name[1]) == indent)


def attributes(node: ast.ClassDef) -> set[str]:
    """The attributes that a class defines."""
    found: set[str] = set()
    for each in ast.walk(node):
        if isinstance(each, ast.AnnAssign | ast.Assign):
            targets = [each.target] if isinstance(each, ast.AnnAssign) else each.targets
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
            found |= {target.attr for target in targets if isinstance(target, ast.Attribute)}
        elif isinstance(each, ast.FunctionDef):
            found.add(each.name)
    return found


def arguments(node: ast.FunctionDef) -> set[str]:
    """The arguments that a function takes."""
    given = node.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return {each.arg for each in every if each is not None}


def mistakes(module: Path) -> Iterator[str]:
    """The names that a module explains and does not have."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef):
            lacking = set(listed(ast.get_docstring(node) or "", "Args")) - arguments(node)
        elif isinstance(node, ast.ClassDef) and not _inherits(node):
            lacking = set(listed(ast.get_docstring(node) or "", "Attributes")) - attributes(node)
        else:
            continue
        yield from (f"{module.relative_to(ROOT)}:{node.lineno}: {node.name} has no {name}" for name in sorted(lacking))


def _inherits(node: ast.ClassDef) -> bool:
    """Whether attributes may come from another class of Hammer's."""
    known = {"NamedTuple", "Protocol", "StrEnum", "Enum", "ABC", "HammerError", "Exception", "TypedDict"}
    return any(not (isinstance(base, ast.Name) and base.id in known) for base in node.bases)


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_docstring_explains_exists(package: str) -> None:
    found = [line for module in MODULES if module.is_relative_to(ROOT / package) for line in mistakes(module)]
    assert found == []


def test_a_name_that_is_left_behind_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    module = tmp_path / "page.py"
    module.write_text(
        'class Page:\n    """A page.\n\n    Attributes:\n        nameless: why.\n            more: of it.\n    """\n\n'
        "    without_id: str\n\n\n"
        'def read(page):\n    """Read.\n\n    Args:\n        pages: them.\n    """\n',
        "utf-8",
    )
    assert list(mistakes(module)) == ["page.py:1: Page has no nameless", "page.py:12: read has no pages"]


def test_every_error_of_hammers_is_in_the_table() -> None:
    """Those with a leading underscore are caught where they are raised, and kinds of one error stand in its row."""
    table = str(library.errors.__doc__)
    kinds = ("Jira", "Slack", "Webhook")
    errors = [
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
        if "HammerError" in map(ast.unparse, node.bases) and not node.name.startswith(("_", *kinds))
    ]
    assert len(errors) > 20
    assert [name for name in errors if f"`{name}`" not in table] == []
