"""The pictures in the documents are of what the product writes now."""

from __future__ import annotations

import json

import pytest

from tests import pictures


@pytest.mark.parametrize("name", sorted(pictures.PICTURES))
def test_a_picture_is_fresh(name: str) -> None:
    assert json.loads(pictures.SOURCES.read_text("utf-8"))[name] == pictures.digests()[name], "run: make pictures"


@pytest.mark.parametrize("name", sorted(pictures.PICTURES))
def test_a_picture_is_small(name: str) -> None:
    assert (pictures.IMAGES / name).stat().st_size < 400_000
