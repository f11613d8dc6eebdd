"""Answers of AWS that are lost on their way back, so that the SDK sends the request again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError


def lose_answer(monkeypatch: pytest.MonkeyPatch, client: Any, operation: str) -> None:
    """Have a client's next call of an operation do what it does, and its answer lost. Nobody waits for the next try."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))

    def after_it_was_done(event_name: str, **_: Any) -> None:
        if event_name.endswith(f".{operation}"):
            client.meta.events.unregister("before-send", after_it_was_done)
            raise ReadTimeoutError(endpoint_url="https://aws")

    client.meta.events.register_last("before-send", after_it_was_done)
