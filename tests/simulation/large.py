"""Groups with very many rules, and a table that counts sizes as DynamoDB does, index copies included.

An item is refused where it is larger than 400 KB with its copies. What must be true is what is true of every group:
it is known, told and closed, with a backup, and its private access stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.actors import add_actor
from tests.simulation.ec2 import Group, Rule, rule

if TYPE_CHECKING:
    from tests.simulation.world import World

_MOST_RULES = 1000  # of a group, at AWS's highest (Amazon VPC User Guide, quotas)
_FEWEST, _MOST = 60, 160  # rules that expose: each is replaced by three
_LONG = "x" * 250  # a description


@contextmanager
def many_rules(world: World) -> Iterator[None]:
    """Have the table count, and people make groups with very many rules."""
    random = Random(f"many {world.seed}")  # noqa: S311 - a simulation, not a secret
    world.table.counts = True
    for ec2 in world.ec2.values():
        ec2.quota = _MOST_RULES
    for number in range(random.randint(1, 2)):
        at = world.now + random.uniform(0, 60.0)
        add_actor(world, f"many {number}", at, lambda: _create(world, random), is_person=True)
    yield


def _create(world: World, random: Random) -> None:
    account_id = random.choice(sorted(world.ec2))
    world.created += 1
    group_id = f"sg-{world.created:017x}"
    count = random.randint(_FEWEST, _MOST)
    rules = tuple(replace(each, description=_LONG) for each in random.choice([_ranges, _sources])(count))
    world.ec2[account_id].create(Group(group_id, f"web{world.created}", "vpc-1", {"Name": "web"}, rules))
    world.owned[group_id] = set(rules)
    world.note(f"   created {group_id} in {account_id} with {count} rules")


def _ranges(count: int) -> list[Rule]:
    return [rule("tcp", (3389 - number, 3389), "0.0.0.0/0") for number in range(count)]


def _sources(count: int) -> list[Rule]:
    return [rule("tcp", (22, 22), f"8.8.{8 - number // 200}.{number % 200}/32") for number in range(count)]
