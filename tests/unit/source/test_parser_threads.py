"""Terraform's language, read by several threads at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from library.source.hcl import parse_hcl

if TYPE_CHECKING:
    from tree_sitter import Language, Parser

tree_sitter = pytest.importorskip("tree_sitter")
pytest.importorskip("tree_sitter_hcl")


def test_each_thread_has_a_parser_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reporting reads the sources of several regions at the same time."""
    real, made = tree_sitter.Parser, []

    def make(language: Language) -> Parser:
        made.append(real(language))
        return made[-1]  # type: ignore[no-any-return]

    monkeypatch.setattr(tree_sitter, "Parser", make)
    both = Barrier(2, timeout=30)

    def parse(text: str) -> int:
        both.wait()
        return sum(len(parse_hcl(text).items) for _ in range(3))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(parse, ["a = 1", "a = 1\nb = 2"])) == [3, 6]
    assert len(made) == 2
