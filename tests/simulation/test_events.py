"""Every change has its event: without a loss the table is right without a scan, whatever else is under way."""

from __future__ import annotations

import pytest

from tests.simulation.event_histories import history
from tests.simulation.events import Events
from tests.simulation.run import simulate

_CHUNK, _SEEDS, _LOSSY = 20, 60, 20


@pytest.mark.parametrize("first", range(0, _SEEDS, _CHUNK))
def test_without_a_loss_the_table_is_right_without_a_scan(first: int) -> None:
    for seed in range(first, first + _CHUNK):
        history(seed)


def test_with_losses_and_every_job_the_next_scans_are_the_net() -> None:
    for seed in range(_LOSSY):
        simulate(seed, during=lambda world, seed=seed: Events(world, seed, lost=0.3, latest=600.0).handled())  # type: ignore[misc]
