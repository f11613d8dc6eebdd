"""What else happens in some histories: each kind adds an actor or a fault to the world, with what must be true then.

A seed has one kind at most, drawn apart, so that a history costs about what it did, and those of other seeds stay.
`python -m tests.simulation --kind NAME` has every seed be of one kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.ec2 import ELSEWHERE, HOME, NOT_ENABLED
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

REGIONS = "regions"
"""The name of histories with several regions, of no other kind."""
_SEVERAL = 0.15
PLAIN = "plain"
"""The name of histories of no kind."""
_AWAY = 0.4
_AWAY_ERRORS = (
    ("Unavailable", "The service is unavailable"),
    (NOT_ENABLED, "AWS was not able to validate the provided access credentials"),
    ("UnauthorizedOperation", "not authorized, with an explicit deny in a service control policy"),
)
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


def regions_of(seed: int, kind: str = "") -> tuple[str, ...]:
    """The regions of a seed's history: some have two, whatever else happens in them."""
    has_several = kind == REGIONS or Random(f"regions {seed}").random() < _SEVERAL  # noqa: S311 - a simulation
    return (HOME, ELSEWHERE) if has_several else (HOME,)


def regions_differ(world: World, longest_lag: float) -> None:
    """Where there are several regions, the second one lags on its own."""
    for ec2 in world.ec2.values() if len(world.regions) > 1 else ():
        ec2.lags[ELSEWHERE] = _apart(world, "lag").choice([0.0, 5.0, longest_lag])


def a_region_is_away(world: World) -> None:
    """In some histories with several regions one of them does not answer for a time."""
    for account_id, ec2 in sorted(world.ec2.items()) if len(world.regions) > 1 else ():
        random = _apart(world, f"away {account_id}")
        if random.random() < _AWAY:
            begins = world.now + random.uniform(0, 600)
            error = random.choice(_AWAY_ERRORS)
            ec2.away[random.choice(world.regions)] = begins, begins + random.uniform(60, 3600), error


def _apart(world: World, what: str) -> Random:
    return Random(f"regions {what} {world.seed}")  # noqa: S311 - a simulation, not a secret
