"""Files, classes and functions stay short enough to be read at once, and one name is one class."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["root_packages"]
MODULE, CLASS, FUNCTION = 350, 200, 60


def too_long() -> Iterator[str]:
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        text = path.read_text("utf-8")
        place = str(path.relative_to(ROOT))
        if len(text.splitlines()) > MODULE:
            yield place
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                most = CLASS if isinstance(node, ast.ClassDef) else FUNCTION
                if (node.end_lineno or 0) - node.lineno + 1 > most:
                    yield f"{place}:{node.name}"


def test_no_two_classes_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.parse(path.read_text("utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_nothing_is_too_long() -> None:
    assert list(too_long()) == []
