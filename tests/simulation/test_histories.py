"""Histories that seeds of the simulation found, each played step by step."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation import jobs
from tests.simulation.access import cells, exposed, private
from tests.simulation.actors import run_alone
from tests.simulation.ec2 import Group, Rule, rule
from tests.simulation.errors import client_error
from tests.simulation.world import MAIN, World

GROUP = "sg-00000000000000001"


def known_group(*rules: Rule) -> World:
    """A world with one group, whose issue is known and reported."""
    world = World(0)
    world.ec2[MAIN].create(Group(GROUP, "web", "vpc-1", {}, rules))
    world.owned[GROUP] = set(rules)
    run_alone(world, lambda: jobs.scan(world, MAIN))
    run_alone(world, lambda: jobs.report(world))
    return world


def refuse(world: World, number: int) -> None:
    """Have EC2 refuse one AuthorizeSecurityGroupIngress, counted from now."""
    ec2, seen = world.ec2[MAIN], 0
    authorize: Callable[..., dict[str, object]] = ec2.authorize_security_group_ingress

    def refusing(**arguments: object) -> dict[str, object]:
        nonlocal seen
        seen += 1
        if seen == number:
            raise client_error("RequestLimitExceeded")
        return authorize(**arguments)

    vars(ec2)["authorize_security_group_ingress"] = refusing


def test_a_rule_that_stands_in_for_another_by_now_stays() -> None:
    """What one run added for a rule that is out of scope today is needed for a rule that the next run closes."""
    world = known_group(rule("tcp", (22, 22), "8.8.8.0/24"), rule("tcp", (20, 25), "0.0.0.0/0"))
    refuse(world, 2)
    run_alone(world, lambda: jobs.remediate(world))
    world.settings.strategy, world.settings.scope = "carve_ports", ("open_completely",)
    world.scheduler.sleep(1000)
    run_alone(world, lambda: jobs.remediate(world))
    rules = world.ec2[MAIN].groups()[GROUP].rules
    assert not [cell for cell in exposed(cells(rules)) if cell[2] != "8.8.8.8"]
    assert private(cells(rules)) >= world.expected(GROUP)


def test_a_wider_private_rule_that_its_owner_removes_meanwhile_is_not_relied_on() -> None:
    """EC2 shows the wider rule for a minute after its owner removed it, because the public rule gives the same."""
    world = known_group(rule("tcp", (22, 22), "0.0.0.0/0"), rule("-1", None, "10.0.0.0/8"))
    ec2 = world.ec2[MAIN]
    ec2.longest_lag = 3600.0
    (wider,) = (each for each in ec2.groups()[GROUP].rules if each.source == "10.0.0.0/8")
    ec2.revoke_security_group_ingress(GROUP, [wider.rule_id])
    ec2.longest_lag = 0.0
    run_alone(world, lambda: jobs.remediate(world))
    found = cells(ec2.groups()[GROUP].rules)
    assert not exposed(found)
    assert ("tcp", 22, "10.1.2.3") in world.expected(GROUP)
    assert private(found) >= world.expected(GROUP)
