"""What else happens in some histories: each kind adds an actor or a fault to the world, with what must be true then.

A seed has one kind at most, drawn apart, so that a history costs about what it did, and those of other seeds stay.
`python -m tests.simulation --kind NAME` has every seed be of one kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.large import many_rules
from tests.simulation.poisoned import poisoned
from tests.simulation.reconfigured import settings_change, very_late
from tests.simulation.tickets import tickets_change
from tests.simulation.transport import pages

if TYPE_CHECKING:
    from tests.simulation.world import World

KINDS: Mapping[str, Callable[[World], AbstractContextManager[object]]] = {
    "poisoned": poisoned,
    "tickets": tickets_change,
    "settings": settings_change,
    "late": very_late,
    "pages": pages,
    "large": many_rules,
}
"""By name: what is entered after the quiet beginning, and left at the end."""

PLAIN = "plain"
"""The name of histories of no kind."""
_SHARES = {"poisoned": 0.12, "tickets": 0.12, "settings": 0.12, "late": 0.06, "pages": 0.08, "large": 0.01}
"""Of the seeds. A history of `large` takes some seconds, each other one a fraction of a second."""


def kind_of(seed: int) -> str:
    """The kind of a seed's history."""
    drawn = Random(f"kind {seed}").random()  # noqa: S311 - a simulation, not a secret
    for name, share in _SHARES.items():
        if drawn < share:
            return name
        drawn -= share
    return PLAIN
