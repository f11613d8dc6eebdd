"""What several integration tests need."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from botocore.loaders import Loader

from identification import runtime
from identification.runtime import Runtime
from tests.worlds.emulated_aws import EmulatedAws, emulated_aws
from tests.worlds.identification_world import World
from tests.worlds.quick_moto import quick_moto
from tests.worlds.table_in_memory import table_in_memory

_LOADER = Loader()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatedAws]:
    """An emulated AWS that every client made in the test reaches."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with emulated_aws() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        yield server


@pytest.fixture(autouse=True)
def _own_process() -> Iterator[None]:
    """Each test is a new process: with no variable that a command set, nor roles that an earlier emulated AWS gave."""
    runtime._kept_sessions.cache_clear()
    with (
        # Thousands of machine images, made for every account and region that is asked anything.
        patch.dict(os.environ, {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}),
        # The service models are megabytes of JSON: every session of every test reads them from one loader.
        patch("botocore.session.create_loader", lambda _paths: _LOADER),
        quick_moto(),
    ):
        yield


@pytest.fixture(name="table_in_memory")
def _table_in_memory() -> Iterator[None]:
    """The items of every table are in memory, below the SDK's clients: for tests of many runs."""
    with table_in_memory():
        yield


@pytest.fixture
def sdk_sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the SDK would have slept before each retry: it does not sleep."""
    slept: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=slept.append, time=time.time))
    return slept


@pytest.fixture
def world(
    aws: EmulatedAws, sdk_sleeps: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """Accounts, a table and a configuration for the identification Lambdas."""
    assert sdk_sleeps == []
    monkeypatch.setenv("HAMMER_CONFIG", str(tmp_path))
    # As in Lambda, where one process serves many events.
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    made = World(aws, tmp_path)
    monkeypatch.setattr(Runtime, "now", lambda _: made.clock)
    aws.forget()
    runtime._kept_sessions.cache_clear()
    yield made
    runtime._kept_sessions.cache_clear()
