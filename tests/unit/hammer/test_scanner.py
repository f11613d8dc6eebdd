"""Looking at many regions at a time, and being interrupted meanwhile."""

from __future__ import annotations

import signal
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from hammer import scanner
from tests.builders.listings import NOW


def test_an_interrupt_that_wakes_no_wait_is_seen_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that comes just before a wait: the handler has run, and nothing wakes the main thread."""
    go_on, waited_for = threading.Event(), []

    def hang(*_: Any) -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        waited_for.append(go_on.wait(60))

    monkeypatch.setattr(scanner, "scan_region", hang)
    monkeypatch.setattr(scanner, "_LONGEST_WAIT_S", 0.01)
    plan: Any = SimpleNamespace(
        targets=[("1", "eu-west-1")],
        evaluator=None,
        known=SimpleNamespace(exemptions=lambda _: ()),
        sessions=SimpleNamespace(forget=lambda *_: None),
    )
    try:
        with pytest.raises(KeyboardInterrupt):
            scanner.scan(plan, (), NOW, lambda _: None)
        assert waited_for == []
    finally:
        go_on.set()
