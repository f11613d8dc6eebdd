"""Histories of events: people change groups, and every change has its event, so that no scan is needed at the end."""

from __future__ import annotations

import json
import logging
from contextlib import suppress

from tests.simulation import jobs, people
from tests.simulation.access import cells, exposed
from tests.simulation.actors import add_actor, run_actors
from tests.simulation.ec2 import rule
from tests.simulation.errors import error_class
from tests.simulation.events import Events
from tests.simulation.kinds import regions_differ, regions_of
from tests.simulation.run import prepare
from tests.simulation.world import MAIN, MEMBER, InvariantError, World

_HOURS_LATE_S, _LONGEST_LAG_S, _FLICKERS = 3 * 3600.0, 280.0, 0.15
_EDITED = (*people.RULES[:2], rule("tcp", (22, 22), "10.0.0.0/8"))


def open_or_close(world: World) -> None:
    """Somebody changes a group, not twice within a second: CloudTrail's times are no finer."""
    random = world.random
    ec2 = world.ec2[random.choice([MAIN, MAIN, MAIN, MEMBER])]
    groups = [group for _, group in sorted(ec2.groups().items())]
    group = random.choice([groups[0], groups[0], *groups])
    what = random.choices(("open", "close", "edit", "delete"), (8, 8, 3, 0.5))[0]
    if what == "open":
        try:
            # Few rules, so that the same one comes and goes within the lag.
            ec2.authorize_security_group_ingress(group.group_id, [random.choice(people.RULES[:2]).permission()])
        except error_class("InvalidPermission.Duplicate"):
            pass
    elif what == "close" and group.rules:
        ec2.revoke_security_group_ingress(group.group_id, [random.choice(group.rules).rule_id])
    elif what == "edit" and (rules := [each for each in group.rules if each.kind == _EDITED[0].kind]):
        with suppress(error_class("InvalidPermission.Duplicate")):
            ec2.edit(group.group_id, random.choice(rules).rule_id, random.choice(_EDITED))
    elif what == "delete" and group.name != people.DEFAULT:
        ec2.delete(group.group_id)


def history(seed: int) -> World:
    """People, scans and events of one seed. Events come seconds, minutes or hours late, in any order, some twice.

    Raises:
        InvariantError: the table is not as EC2 is, ten minutes after the last event. The history is in its notes.
    """
    world = World(seed, regions_of(seed))
    logging.disable(logging.CRITICAL)
    try:
        with jobs.serial():
            prepare(world)
            random = world.random
            world.skew = random.choice([0.0, 2.0, 5.0])
            world.faults.refused = world.faults.lost = random.choice([0.0, 0.02])
            world.faults.killed = random.choice([0.0, 0.01])
            world.scheduler.set_latency(lambda: random.expovariate(1 / random.choice([0.1, 0.1, 1.0, 10.0])))
            events = Events(world, seed, lost=0.0, latest=random.choice([30.0, 600.0, _HOURS_LATE_S]))
            for ec2 in world.ec2.values():
                ec2.longest_lag = random.choice([0.0, 60.0, 60.0, _LONGEST_LAG_S])
                ec2.flickers = random.random() < _FLICKERS
            regions_differ(world, _LONGEST_LAG_S)
            times = random.sample(range(int(world.now) + 1, int(world.now) + random.choice([60, 60, 600])), 16)
            for number, at in enumerate(times):
                add_actor(world, f"person {number}", at + 0.5, lambda: open_or_close(world), is_person=True)
            for number in range(random.choice([0, 0, 5])):
                begins = world.now + random.uniform(0, 600)
                add_actor(world, f"container {number}", begins, lambda: events.touch_interfaces(MAIN), is_person=True)
            for _ in range(random.randint(0, 3)):
                account_id = random.choice([MAIN, MEMBER])
                names = random.choice([[], sorted(world.ec2[account_id].groups())[:1]])
                region = world.region_of(account_id, names[0]) if names else world.some_region()
                message = {"account_id": account_id, "region": region, "group_ids": names}
                events.asks(json.dumps(message), world.now + random.uniform(0, 600))
            with events.handled():
                run_actors(world)
            hold_to_ec2(world)
    except InvariantError as error:
        error.add_note("\n".join(world.history))
        raise
    finally:
        logging.disable(logging.NOTSET)
    return world


def hold_to_ec2(world: World) -> None:
    """Check that the issues are what EC2 has, in status and in what they expose."""
    world.scheduler.set_latency(lambda: 0.0)
    world.faults.refused = world.faults.lost = world.faults.killed = 0.0
    for account_id, ec2 in world.ec2.items():
        groups = ec2.groups()
        known = {issue_id for account, issue_id in world.table.items if account == account_id and "sg-" in issue_id[:3]}
        for group_id in sorted(groups.keys() | known):
            open_cells = exposed(cells(groups[group_id].rules)) if group_id in groups else frozenset()
            issue = jobs.runtime_of(world).table.get(account_id, group_id)
            is_open = issue is not None and issue.status.is_exposed
            world.check(is_open == bool(open_cells), f"{group_id} exposes {sorted(open_cells)}, its issue is {issue}")
            if issue and is_open:
                perms = issue.details.perms
                notified = {
                    (each.protocol, each.from_port, each.to_port, each.prefix_list_id or each.cidr) for each in perms
                }
                rules = {(rule.protocol, rule.from_port, rule.to_port, rule.source) for rule in groups[group_id].rules}
                missing = [rule for rule in groups[group_id].rules if exposed(cells([rule]))]
                world.check(
                    notified <= rules and len(notified) == len(missing),
                    f"{group_id} has {rules}, its issue names {notified}",
                )
