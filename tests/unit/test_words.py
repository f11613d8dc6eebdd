"""Names are words that an engineer who knows AWS, pip and Terraform would guess.

The words below were names here once, and each sent a reader to the definition. docs/architecture.md has the words that
took their place.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["root_packages"]
SCANS = {"look", "looks", "looked", "once", "settlement", "conclude", "conclusion"}
NOTIFICATIONS = {
    *("tell", "told", "told_of", "events_told", "say", "ask", "news", "remembered", "heard", "nobody", "attend"),
    *("filing", "filings", "would_do", "would_say"),
}
RULES = {"reach", "stretch", "traffic_place", "place", "places", "hit", "rules_hit", "minded"}
OBSERVED = {"lagging", "lingering", "soon", "late", "trust", "doubtful", "stranded"}
OTHERS = {
    *("one", "why", "refusal", "could_not", "knowledge", "nameless", "fitting", "adopt", "foreign_answers"),
    *("unsteady_error", "room"),
}
WORDS = SCANS | NOTIFICATIONS | RULES | OBSERVED | OTHERS


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip("_")


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.alias(asname=str(name)):
                yield node.lineno, name


def old_words() -> Iterator[str]:
    for path in sorted(path for package in (*PACKAGES, "tests") for path in (ROOT / package).rglob("*.py")):
        if "node_modules" in path.parts:
            continue
        for line, name in names(ast.parse(path.read_text("utf-8"))):
            if name.strip("_").lower() in WORDS or snake(name) in WORDS:
                yield f"{path.relative_to(ROOT)}:{line}: {name}"


def test_no_name_is_an_old_word() -> None:
    assert list(old_words()) == []


def test_the_names_of_a_module_are_found() -> None:
    text = "from x import y as told\nclass Why: pass\ndef news(heard, *, ask):\n    for one in heard: LATE = one"
    found = {name for _, name in names(ast.parse(text))}
    assert found == {"told", "Why", "news", "heard", "ask", "one", "LATE"}
