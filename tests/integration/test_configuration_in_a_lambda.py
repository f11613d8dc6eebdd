"""In a Lambda, a configuration is kept for minutes, then read again; what cannot be read is never made up for."""

from __future__ import annotations

from pathlib import Path

import pytest

from identification import runtime
from library.config import ConfigurationError
from tests.integration.identification_world import World


@pytest.fixture(autouse=True)
def _fresh(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    runtime._kept_configuration.cache_clear()
    runtime._kept_sessions.cache_clear()


def at(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "monotonic", lambda: seconds)


def test_a_change_counts_after_minutes_and_not_at_every_invocation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(0, monkeypatch)
    assert runtime.start(None).config.secgrp_unrestricted_access.enabled
    world.configure(enabled=False)
    at(299, monkeypatch)
    assert runtime.start(None).config.secgrp_unrestricted_access.enabled
    at(300, monkeypatch)
    assert not runtime.start(None).config.secgrp_unrestricted_access.enabled


def test_an_older_configuration_does_not_stand_in_for_one_that_cannot_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(0, monkeypatch)
    runtime.start(None)
    Path(world.folder / "whitelist.json").write_text("{", "utf-8")
    at(300, monkeypatch)
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            runtime.start(None)
