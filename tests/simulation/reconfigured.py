"""What is configured changes between runs, and an EC2 that is later than AWS says.

`settings_change`: people change restricted ports, the limit per run and prefix lists, exempt groups until a day or by
their names, in part or wholly, and make groups anew under the same name. In the end the ports and the limit are as
they were and the days are over, so what `run.py` says of a world at rest holds.

`very_late`: changes show after up to 20 minutes. AWS says five, so nothing need be complete at rest; but private
access is never cut, and of each change a ticket is told once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.access import MORE_PORTS, RESTRICTED_PORTS
from tests.simulation.actors import add_actor
from tests.simulation.ec2 import PREFIX_LISTS, QUOTA, change_list
from tests.simulation.people import DEFAULT, some_rules
from tests.simulation.storage import EPOCH

if TYPE_CHECKING:
    from tests.simulation.world import World

_CHAOS_S, _DAY_S = 3600.0, 86_400.0
_LATE_S = (300.0, 1200.0)
_USUAL_LIMIT = 50
_ENTRIES = {
    "pl-0world": (("0.0.0.0/0", "10.1.0.0/16"), ("10.1.0.0/16",), ("0.0.0.0/1", "172.16.0.0/12")),
    "pl-0office": (("8.8.8.0/24",), ("8.8.8.0/24", "200.1.1.0/24"), ("192.168.5.0/24",), ("0.0.0.0/0",)),
}


@contextmanager
def settings_change(world: World) -> Iterator[None]:
    """Let people change what is configured while things go wrong."""
    random = Random(f"settings {world.seed}")  # noqa: S311 - a simulation, not a secret
    for ec2 in world.ec2.values():
        ec2.quota = QUOTA  # with less, what is relied on may be a list that changes
    length = random.choice([120.0, 600.0, _CHAOS_S])
    for number in range(random.randint(3, 9)):
        at = world.now + random.uniform(0, length)
        add_actor(world, f"settings {number}", at, partial(_change, world, random), is_person=True)
    world.before_quiet.append(partial(_end, world))
    yield


@contextmanager
def very_late(world: World) -> Iterator[None]:
    """Have EC2 show changes later than AWS says."""
    world.longest_lag = Random(f"late {world.seed}").uniform(*_LATE_S)  # noqa: S311 - a simulation, not a secret
    world.is_weak = True
    yield


def _change(world: World, random: Random) -> None:
    """Somebody changes something."""
    what = random.choices(("ports", "limit", "list", "exempt", "anew"), (3, 2, 3, 3, 2))[0]
    if what == "ports":
        world.settings.ports = tuple(random.choice([RESTRICTED_PORTS, RESTRICTED_PORTS[:1], MORE_PORTS]))
        world.note(f"   restricted ports: {world.settings.ports}")
    elif what == "limit":
        world.settings.limit = random.choice([1, 2, _USUAL_LIMIT])
        world.note(f"   limit: {world.settings.limit}")
    elif what == "list":
        list_id = random.choice(sorted(PREFIX_LISTS))
        change_list(list_id, random.choice(_ENTRIES[list_id]))
        world.note(f"   {list_id}: {PREFIX_LISTS[list_id]}")
    elif what == "exempt":
        _exempt(world, random)
    else:
        _make_anew(world, random)


def _exempt(world: World, random: Random) -> None:
    """Somebody exempts a group, by its id or name, until a day in the past or soon, in part or wholly."""
    account_id = random.choice(sorted(world.ec2))
    groups = world.ec2[account_id].groups()
    group = groups[random.choice(sorted(groups))]
    today = (EPOCH + timedelta(seconds=world.now)).date()
    entry: dict[str, Any] = {"group": random.choice([group.group_id, f"{group.vpc_id}:{group.name}"])}
    if random.random() < 0.5:
        entry["ports"] = ["tcp/22"]
    entry["expires"] = (today + timedelta(days=random.choice([-1, 0, 1, 2]))).isoformat()
    world.exempted.add(group.group_id)
    world.settings.exemptions[account_id].append(entry)
    world.note(f"   exempt {entry}")


def _make_anew(world: World, random: Random) -> None:
    """Somebody deletes a group and makes another one of its name, as infrastructure code does."""
    account_id = random.choice(sorted(world.ec2))
    ec2 = world.ec2[account_id]
    named = [group for _, group in sorted(ec2.groups().items()) if group.name != DEFAULT]
    if not named:
        return
    old = random.choice(named)
    ec2.delete(old.group_id)
    world.created += 1
    rules = random.choice([some_rules(world), tuple(replace(rule, tags=()) for rule in old.rules)])
    new = replace(old, group_id=f"sg-{world.created:017x}", rules=rules)
    ec2.create(new)
    world.owned[new.group_id] = set(rules)
    world.note(f"   {new.group_id} is {old.group_id} anew, with {', '.join(map(str, rules))}")


def _end(world: World) -> None:
    """The usual ports and limit again, and the days of the exemptions are over."""
    world.settings.ports, world.settings.limit = tuple(RESTRICTED_PORTS), _USUAL_LIMIT
    world.scheduler.sleep(3 * _DAY_S)
