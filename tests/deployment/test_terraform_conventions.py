"""What tflint's rules for Terraform itself ask (its `recommended` and `all` presets), of each module and example."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import pytest

from tests.deployment.terraform import TERRAFORM_CODE

FOLDERS = sorted({file.parent for file in TERRAFORM_CODE.rglob("*.tf")})
FILES = {"main.tf", "variables.tf", "versions.tf"}
SNAKE = re.compile(r"[a-z][a-z0-9_]*")


@cache
def source(folder: Path) -> str:
    """The code of a folder, without comments."""
    text = "\n".join(file.read_text("utf-8") for file in sorted(folder.glob("*.tf")))
    return re.sub(r"(?m)^\s*#.*$", "", text)


@cache
def parsed(file: Path) -> Mapping[str, Any]:
    return hcl2.loads(file.read_text("utf-8"))


def blocks(folder: Path, kind: str) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """The blocks of a kind: their labels, without quotes, and their bodies."""
    labels = 2 if kind in ("resource", "data") else 1 if kind in ("variable", "output", "module") else 0
    for file in sorted(folder.glob("*.tf")):
        for block in parsed(file).get(kind, []):
            yield from _labelled(block, labels, ())


def _labelled(block: Any, labels: int, so_far: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if not labels:
        yield so_far, {name.strip('"'): value for name, value in block.items() if not name.startswith("__")}
        return
    for label, inner in block.items():
        yield from _labelled(inner, labels - 1, (*so_far, label.strip('"')))


def used(folder: Path, name: str) -> bool:
    return bool(re.search(rf"(?<![\w.]){re.escape(name)}\b", source(folder)))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(TERRAFORM_CODE)))
def test_the_conventions(folder: Path) -> None:
    mistakes = [
        f"variable {name} has no {what}"
        for (name,), body in blocks(folder, "variable")
        for what in ("description", "type")
        if not body.get(what)
    ]
    mistakes += [
        f"output {name} has no description" for (name,), body in blocks(folder, "output") if not body.get("description")
    ]
    mistakes += [
        f"variable {name} is not used" for (name,), _ in blocks(folder, "variable") if not used(folder, f"var.{name}")
    ]
    mistakes += [
        f"local.{name} is not used"
        for _, body in blocks(folder, "locals")
        for name in body
        if not used(folder, f"local.{name}")
    ]
    mistakes += [
        f"data.{type_}.{name} is not used"
        for (type_, name), _ in blocks(folder, "data")
        if not used(folder, f"data.{type_}.{name}")
    ]
    mistakes += [
        f"{kind} {labels[-1]} is not in snake case"
        for kind in ("variable", "output", "resource", "data", "module")
        for labels, _ in blocks(folder, kind)
        if not SNAKE.fullmatch(labels[-1])
    ]
    # A quoted reference alone, `"${x}"`, is `x` since 0.12.
    mistakes += [f"interpolation alone: {text}" for text in re.findall(r'= "\$\{[^}"]*\}"$', source(folder), re.M)]
    assert mistakes == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(TERRAFORM_CODE)))
def test_versions_are_pinned_and_files_are_where_one_looks(folder: Path) -> None:
    assert {file.name for file in folder.glob("*.tf")} >= FILES
    (_, body), *others = blocks(folder, "terraform")
    assert others == []
    assert body["required_version"]
    for provider in body["required_providers"]:
        for name, given in provider.items():
            if not name.startswith("__"):
                assert {key.strip('"') for key in given} >= {"source", "version"}
