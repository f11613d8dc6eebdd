"""300 histories of people who press, processes that die, and scans that go on."""

from __future__ import annotations

import os

import pytest

from tests.simulation.decisions import Simulation

_SEEDS = int(os.environ.get("DECISION_SEEDS", "300"))
_AT_ONCE = 50


@pytest.mark.parametrize("first", range(0, _SEEDS, _AT_ONCE))
def test_each_decision_once_and_every_message_right(first: int) -> None:
    for seed in range(first, first + _AT_ONCE):
        simulation = Simulation(seed)
        simulation.run()
        try:
            simulation.check()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error


def test_the_histories_are_about_something() -> None:
    """Presses are carried out and refused, exemptions made, processes killed, in a fair number of histories."""
    kinds: dict[str, int] = {}
    killed = refused = 0
    for seed in range(60):
        simulation = Simulation(seed)
        simulation.run()
        issue = simulation.table.get("210987654321", "sg-1")
        assert issue is not None
        for decision in issue.decided.decisions:
            if decision.is_done:
                kinds[str(decision.kind)] = kinds.get(str(decision.kind), 0) + 1
            else:
                refused += 1
        killed += 3 - simulation.kills
    assert min(kinds.get(kind, 0) for kind in ("close-now", "exempt", "not-mine")) >= 5
    assert refused >= 10
    assert killed >= 10
