"""Histories of days: two complete changes of a group, days apart, and restores to any of its backups.

What a restore must come to is judged from the bucket and EC2 as they are: the group has every rule of the backup that
it went back to, and without a named one that is from before the newest change that EC2 carried out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.ec2 import QUOTA, parse
from tests.simulation.errors import error_class
from tests.simulation.people import DEFAULT, RULES

if TYPE_CHECKING:
    from tests.simulation.ec2 import Ec2
    from tests.simulation.world import World

_DAY_S = 86400.0
_OFTEN = 0.25


def is_of_days(seed: int) -> bool:
    """Whether a seed's history begins with days: drawn apart, so that the histories of other seeds stay as they are."""
    return Random(f"days {seed}").random() < _OFTEN  # noqa: S311 - a simulation, not a secret


def backups_of(world: World, group_id: str) -> list[str]:
    """The keys of a group's backups, the oldest first."""
    return sorted(key for key in world.bucket.objects if f"/{group_id}_" in key)


def two_changes(world: World, run: Callable[..., None], restore: Callable[[str, str, str], None]) -> None:
    """Have a group remediated, opened again days later and remediated again; then, in some histories, restored.

    Args:
        world: the organization.
        run: runs these jobs, healthily.
        restore: restores a group of an account to a backup; to none: to the usual one.
    """
    random = world.random
    candidates = [
        (account_id, group_id)
        for account_id, ec2 in sorted(world.ec2.items())
        for group_id, group in sorted(ec2.groups().items())
        if group.name != DEFAULT and ec2.quota == QUOTA  # with less, a restore may have no room
    ]
    if not candidates:
        return
    account_id, group_id = random.choice(candidates)
    ec2 = world.ec2[account_id]
    world.days = True
    world.busiest = group_id
    run("remediate")
    world.scheduler.sleep(random.uniform(1, 5) * _DAY_S)
    _open_again(world, ec2, group_id)
    run("scan", "report")
    before = backups_of(world, group_id)
    run("remediate")
    newest = [key for key in backups_of(world, group_id) if key not in before][:1]
    world.scheduler.sleep(random.uniform(1, 5) * _DAY_S)
    if not (newest or before):
        return
    if random.random() < 0.3:
        _attempt_in_vain(world, ec2, group_id, run)
    if random.random() < 0.8:
        wanted = random.choice(["", "", *backups_of(world, group_id)])
        meant = wanted or (newest or before)[0]
        if random.random() < 0.5:
            _restore_without(world, account_id, group_id, wanted, meant, restore)
        restore(account_id, group_id, wanted)
        _is_back(world, account_id, group_id, meant)


def _open_again(world: World, ec2: Ec2, group_id: str) -> None:
    random = world.random
    for rule in random.sample(RULES, random.randint(1, 3)):
        with suppress(error_class("InvalidPermission.Duplicate"), error_class("RulesPerSecurityGroupLimitExceeded")):
            ec2.authorize_security_group_ingress(group_id, [rule.permission()])


def _attempt_in_vain(world: World, ec2: Ec2, group_id: str, run: Callable[..., None]) -> None:
    """The group is opened once more, and EC2 refuses whatever Hammer wants to add."""
    _open_again(world, ec2, group_id)
    run("scan", "report")
    ec2.refuses = True
    run("remediate")
    ec2.refuses = False
    world.scheduler.sleep(world.random.uniform(1, 5) * _DAY_S)


def _restore_without(
    world: World,
    account_id: str,
    group_id: str,
    wanted: str,
    meant: str,
    restore: Callable[[str, str, str], None],
) -> None:
    """A restore whose backup cannot be read now changes nothing."""
    rules = world.ec2[account_id].groups()[group_id].rules
    world.bucket.failing = {meant}
    restore(account_id, group_id, wanted)
    world.bucket.failing = set()
    after = world.ec2[account_id].groups()[group_id].rules
    world.check(rules == after, f"{group_id} was restored though {meant} could not be read")


def _is_back(world: World, account_id: str, group_id: str, key: str) -> None:
    """Check that a group has every rule of a backup, and is flagged."""
    flag = world.table.attribute(account_id, group_id, "remediation_details", "restored", "backup")
    world.check(bool(flag) and flag["S"] == key, f"{group_id} is restored from {flag}, and {key} was meant")
    body, _ = world.bucket.objects[key]
    wanted = {rule for permission in json.loads(body)["IpPermissions"] for rule in parse(permission)}
    missing = wanted - set(world.ec2[account_id].groups()[group_id].rules)
    world.check(not missing, f"{group_id} was restored from {key} without {sorted(map(str, missing))}")
