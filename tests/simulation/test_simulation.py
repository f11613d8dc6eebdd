"""Some hundred histories of jobs, people and faults: whatever happens, what must be true is. See docs/simulation.md."""

from __future__ import annotations

import pytest

from tests.simulation.access import cells, completely, exposed
from tests.simulation.ec2 import rule
from tests.simulation.faults import Fault
from tests.simulation.run import simulate
from tests.simulation.seeded_bugs import BUGS, caught

_CHUNK, _SEEDS = 20, 100  # `make soak` runs thousands
_NEARLY_FIVE_MINUTES = 280.0  # and clocks that differ by up to five seconds


@pytest.mark.parametrize("first", range(0, _SEEDS, _CHUNK))
def test_no_invariant_is_broken(first: int) -> None:
    for seed in range(first, first + _CHUNK):
        simulate(seed)


@pytest.mark.parametrize("first", range(300, 360, _CHUNK))
def test_no_invariant_is_broken_where_answers_are_minutes_old(first: int) -> None:
    for seed in range(first, first + _CHUNK):
        simulate(seed, longest_lag=_NEARLY_FIVE_MINUTES)


def test_a_seed_decides_everything() -> None:
    assert simulate(7).history == simulate(7).history


def test_faults_and_lag_are_part_of_it() -> None:
    histories = "\n".join(line for seed in range(20) for line in simulate(seed).history)
    for word in (*Fault.__members__, "person", "report", "scan", "look", "remediate", "restore"):
        assert word == "NONE" or word in histories


def test_the_oracle_of_access() -> None:
    half, other = rule("tcp", (22, 22), "0.0.0.0/1"), rule("tcp", (22, 22), "128.0.0.0/1")
    assert exposed(cells([half])) == {("tcp", 22, "8.8.8.8"), ("tcp", 22, "100.1.1.1")}
    assert not completely(cells([half]))
    assert len(completely(cells([half, other]))) == 4
    assert not exposed(cells([rule("tcp", (22, 22), "10.0.0.0/8"), rule("tcp", (443, 443), "0.0.0.0/0")]))


@pytest.mark.parametrize("name", BUGS)
def test_a_seeded_bug_is_caught(name: str) -> None:
    assert "FAILED" in caught(name)
