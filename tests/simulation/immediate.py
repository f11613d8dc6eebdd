"""Immediate mode in the simulation: severe groups are closed at once, and only after both channels have said so.

Every group has a network interface without a public address, so a group that is open completely is `medium`, and one
that is open in part is `low`. Where the network could not be read they are `high` and `medium`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from tests.simulation.access import cells, exposed
from tests.simulation.actors import add_actor

if TYPE_CHECKING:
    from tests.simulation.ec2 import Rule
    from tests.simulation.world import World

SEVERE = ("medium", "high")
_RETENTION_DAYS = 21
_CHAOS_S = 3600.0
_GROUP = re.compile(r"\bsg-\w+")
_AT_ONCE = re.compile(r"\b(at|in) its next run(?! any more)")
_LATER = re.compile(r"or soon after|days after it was reported|will close it in \d+ day")


@contextmanager
def immediate_mode(world: World) -> Iterator[None]:
    """Configure it when people have been told dates, switch it off and on, and watch who is closed without a notice."""
    world.settings.retention, world.settings.immediate = _RETENTION_DAYS, SEVERE
    for ec2 in world.ec2.values():
        ec2.is_used = True
    promises = _Promises(world)
    world.readers.append(promises.read)
    world.watchers.append(promises.watch)
    times = [world.now + world.random.uniform(0, _CHAOS_S) for _ in range(2 * world.random.randint(0, 2))]
    for number, at in enumerate(sorted(times)):
        switch = partial(_switch, world, SEVERE if number % 2 else ())
        add_actor(world, f"switch {number}", at, switch, is_person=True)
    yield


def _switch(world: World, immediate: tuple[str, ...]) -> None:
    world.settings.immediate = immediate
    world.note(f"immediate mode: {immediate}")


class _Promises:
    """What was told of when each group is closed, in each channel, with the times.

    Args:
        world: the world.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._notified: dict[tuple[str, str], list[tuple[float, bool]]] = {}
        self._added: set[str] = set()

    def read(self, channel: str, text: str) -> None:
        """People get a text: a ticket is about one group, a message in Slack has a point for each."""
        for part in text.split("\u2022") if channel == "Slack" else [text]:
            group = _GROUP.search(part)
            if group and (_AT_ONCE.search(part) or _LATER.search(part)):
                notified = self._notified.setdefault((channel, group[0]), [])
                notified.append((self._world.now, bool(_AT_ONCE.search(part))))

    def watch(
        self, account_id: str, operation: str, group_id: str, added: tuple[Rule, ...], removed: tuple[Rule, ...]
    ) -> None:
        """A group is changed."""
        del account_id, operation
        world, actor = self._world, self._world.scheduler.current
        if actor is None or actor.is_person or actor.facts.get("restores"):
            return
        self._added.update(rule.rule_id for rule in added)
        if not exposed(cells([rule for rule in removed if rule.rule_id not in self._added])):
            return
        for channel in ("JIRA", "Slack"):
            notified = self._notified.get((channel, group_id), [])
            before = [at_once for at, at_once in notified if at <= actor.facts["begins"]]
            since = [at_once for at, at_once in notified if at > actor.facts["begins"]]
            # A run acts on what was true when it looked, at any time since it began.
            is_notified = before[-1:] == [True] or True in since
            world.check(is_notified, f"{group_id} is closed at once, and {channel} did not say so")
