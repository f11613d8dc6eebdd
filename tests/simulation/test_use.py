"""Histories in which flow logs name workers while jobs, people and faults cross each other."""

from __future__ import annotations

import pytest

from tests.simulation.run import JOBS, simulate
from tests.simulation.use import use_is_read

_LIKELY = {**JOBS, "usage": 3.0}


@pytest.mark.parametrize("block", range(3))
def test_a_worker_is_named_before_anybody_is_cut_off_and_waiting_ends(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        simulate(seed, _LIKELY, use_is_read)


def test_workers_are_known_in_many_histories() -> None:
    histories = [simulate(seed, _LIKELY, use_is_read).history for seed in range(8)]
    notified = "\n".join(line for history in histories for line in history)
    assert any(f"{number} workers were known" in notified for number in (1, 2, 3, 4))
