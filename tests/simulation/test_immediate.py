"""Immediate mode, enabled after dates were promised, switched off and on: nobody is closed without a notice."""

from __future__ import annotations

import pytest

from tests.simulation.immediate import immediate_mode
from tests.simulation.run import simulate

_CHUNK, _SEEDS = 20, 40
_LIKELY = {"scan": 2.0, "look": 2.0, "report": 5.0, "remediate": 5.0, "restore": 0.5}


@pytest.mark.parametrize("first", range(0, _SEEDS, _CHUNK))
def test_nothing_is_closed_at_once_before_both_channels_said_so(first: int) -> None:
    revoked = 0
    for seed in range(first, first + _CHUNK):
        history = simulate(seed, _LIKELY, immediate_mode).history
        revoked += sum("ec2.revoke_security_group_ingress" in line and "remediate" in line for line in history)
    assert revoked
