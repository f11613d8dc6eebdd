"""The world of flow logs, new for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds.usage_world import UsageWorld, usage_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UsageWorld]:
    """An account with an open group and a flow log."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    monkeypatch.setenv("HAMMER_CONFIG", "unset again afterwards")
    with usage_world(tmp_path) as made:
        yield made
