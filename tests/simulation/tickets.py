"""People work with tickets: they close, reopen, move and relabel them, and archive whole projects.

JIRA's index is up to ten minutes late here. An archived project takes no change any more; `ticket_owners` then names
another one. What must be true: at rest an open group has one live ticket at most (in no archived project, whoever
moved it), and what is open was told in a ticket of the group, archived or not.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.access import cells, exposed
from tests.simulation.actors import add_actor

if TYPE_CHECKING:
    from tests.simulation.world import KeptTicket, World

_CHAOS_S = 3600.0
_INDEX_LAG_S = 600.0
_MOVED_TO = "TEAM"
_LATER = ("OPS", "NEXT")  # the projects that `ticket_owners` names after one was archived


@contextmanager
def tickets_change(world: World) -> Iterator[None]:
    """Let people work with tickets while things go wrong, and look at rest what was told."""
    random = Random(f"tickets {world.seed}")  # noqa: S311 - a simulation, not a secret
    world.index_lag = random.choice([10.0, _INDEX_LAG_S])
    length = random.choice([120.0, 600.0, _CHAOS_S])
    for number in range(random.randint(2, 8)):
        at = world.now + random.uniform(0, length)
        add_actor(world, f"reader {number}", at, lambda: _work(world, random), is_person=True)
    yield
    for account_id, ec2 in sorted(world.ec2.items()):
        for group_id, group in sorted(ec2.groups().items()):
            _all_is_told(
                world, account_id, group_id, [str(each.source) for each in group.rules if exposed(cells([each]))]
            )


def _work(world: World, random: Random) -> None:
    """Somebody does something with a ticket, or a project."""
    known = [ticket for ticket in world.tickets.values() if ticket.project not in world.archived]
    if not known:
        return
    ticket = random.choice(known)
    what = random.choices(("close", "reopen", "move", "label", "archive"), (4, 2, 3, 3, 3))[0]
    world.note(f"   {what} {ticket.key}")
    if what == "archive":
        _archive(world, ticket)
    elif what == "close":
        ticket.set_status(is_done=True, by_person=True)
    elif what == "reopen":
        ticket.set_status(is_done=False, by_person=True)
    elif what == "move" and ticket.project != _MOVED_TO:
        ticket.key = _free_key(world, len(world.tickets) * 100 + random.randint(0, 99))
    elif what == "label":
        ticket.labels = [label for label in ticket.labels if label != "hammer" or random.random() < 0.5]
        ticket.labels.append("urgent")


def _free_key(world: World, number: int) -> str:
    """A key of the project that tickets are moved to, with this number or the next that no ticket has (seed 140876)."""
    taken = {ticket.key for ticket in world.tickets.values()}
    return next(key for each in itertools.count(number) if (key := f"{_MOVED_TO}-{each}") not in taken)


def _archive(world: World, ticket: KeptTicket) -> None:
    """A project is archived, and new tickets go elsewhere from now on."""
    left = [name for name in _LATER if name not in world.archived and name != world.settings.project]
    if ticket.project == world.settings.project:
        if not left:
            return
        world.settings.project = left[0]
    world.archived.add(ticket.project)


def _all_is_told(world: World, account_id: str, group_id: str, sources: list[str]) -> None:
    status = world.table.attribute(account_id, group_id, "status")
    if not status or status["S"] != "open" or group_id in str(world.settings.exemptions):
        return  # what is exempt is not told
    tickets = [ticket for ticket in world.tickets.values() if group_id in ticket.title]
    texts = "\n".join(text for ticket in tickets for text in (ticket.body, *ticket.comments))
    missing = [source for source in sources if source not in texts]
    world.check(not missing, f"{group_id}: no ticket tells of {missing}")
