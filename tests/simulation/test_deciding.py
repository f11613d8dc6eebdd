"""Histories of people who decide while scans, remediation, kills and lags go on: 100, or DECISION_SEEDS of them."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.simulation.deciding import deciding
from tests.simulation.run import simulate

_SEEDS = int(os.environ.get("DECISION_SEEDS", "100"))
_CHUNK = 25
_LIKELY = {"scan": 4.0, "look": 6.0, "report": 2.0, "remediate": 4.0, "restore": 0.5}


@pytest.mark.parametrize("first", range(0, _SEEDS, _CHUNK))
def test_what_hammer_closes_somebody_decided_and_nothing_that_somebody_exempted(first: int) -> None:
    decided: Counter[str] = Counter()
    for seed in range(first, first + _CHUNK):
        for line in simulate(seed, _LIKELY, deciding).history:
            if "   U" in line:
                kind, _, result = line.partition("   U")[2].partition(" ")[2].partition(" ")
                decided[f"{kind} {'done' if result.endswith(' done') else 'refused'}"] += 1
    # The histories are about something.
    assert min(decided[kind] for kind in ("close-now done", "exempt done", "not-mine done", "close-now refused")) >= 3
