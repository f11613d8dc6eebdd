"""What people do in between: owners that open and close rules, exempt, configure, create and delete."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.simulation.access import is_private
from tests.simulation.ec2 import Group, rule
from tests.simulation.errors import error_class

if TYPE_CHECKING:
    from tests.simulation.ec2 import Ec2, Rule
    from tests.simulation.world import World

ANYWHERE = "0.0.0.0/0"
DEFAULT = "default"
_ABOUT_THE_BUSIEST = 0.7
_CLOSES_PRIVATE = 0.6
RULES = (
    rule("tcp", (22, 22), ANYWHERE),
    rule("tcp", (3389, 3389), ANYWHERE),
    rule("tcp", (22, 22), "8.8.8.0/24"),
    rule("tcp", (20, 25), ANYWHERE),
    rule("tcp", (0, 65535), ANYWHERE),
    rule("-1", None, ANYWHERE),
    rule("-1", None, "8.8.8.8/32"),
    rule("tcp", (22, 22), "::/0"),
    rule("tcp", (22, 22), "0.0.0.0/1"),
    rule("tcp", (22, 22), "128.0.0.0/1"),
    rule("udp", (22, 22), ANYWHERE),
    rule("50", None, ANYWHERE),
    rule("tcp", (443, 443), ANYWHERE),
    rule("tcp", (22, 22), "10.0.0.0/8"),
    rule("tcp", (22, 22), "172.16.0.0/12"),
    rule("tcp", (22, 22), "10.1.0.0/16"),
    rule("-1", None, "10.0.0.0/8"),
    rule("tcp", (3389, 3389), "192.168.5.0/24"),
    rule("tcp", (0, 65535), "10.0.0.0/8"),
    rule("-1", None, "172.16.0.0/12"),
    rule("tcp", (22, 22), "pl-0world"),
    rule("tcp", (20, 3389), "pl-0office"),
)
_WIDE = tuple(each for each in RULES if is_private(each.source) and not each.from_port)
_HAS_A_WIDE_ONE = 0.3
_EXPOSING = (*RULES[:12], *RULES[-2:])


def some_rules(world: World) -> tuple[Rule, ...]:
    """The rules of a new group: mostly with something that is exposed."""
    random = world.random
    chosen = random.sample(RULES, random.randint(0, 3))
    if random.random() < 0.8:
        chosen.append(random.choice(_EXPOSING))
    if random.random() < _HAS_A_WIDE_ONE:
        chosen.append(random.choice(_WIDE))
    return tuple(dict.fromkeys(chosen))


def create_group(world: World, account_id: str, name: str = "", region: str = "") -> None:
    """Somebody creates a group, in a region or in any of them."""
    region = region or world.some_region()
    world.created += 1
    group_id = f"sg-{world.created:017x}"
    rules = some_rules(world) if name != DEFAULT else ()
    group = Group(group_id, name or f"web{world.created}", "vpc-1", {"Name": "web"}, rules, region)
    world.ec2[account_id].create(group)
    world.owned[group_id] = set(rules)
    world.note(f"   created {group_id} in {account_id} {region} with {', '.join(map(str, rules))}")


def some_group(world: World) -> tuple[str, str]:
    """The account and id of a group to do something with."""
    for account_id, ec2 in sorted(world.ec2.items()):
        if world.busiest in ec2.groups() and world.random.random() < _ABOUT_THE_BUSIEST:
            return account_id, world.busiest
    account_id = world.random.choice(sorted(world.ec2))
    return account_id, world.random.choice(sorted(world.ec2[account_id].groups()))


def close_a_group(world: World, account_id: str) -> str:
    """Somebody takes all rules of a group away. Returns its id."""
    groups = world.ec2[account_id].groups()
    group = groups[world.random.choice(sorted(groups))]
    world.ec2[account_id].revoke_security_group_ingress(group.group_id, [each.rule_id for each in group.rules])
    return group.group_id


def open_a_group(world: World, account_id: str, group_id: str) -> None:
    """Somebody adds a rule that exposes a group."""
    chosen = world.random.choice(_EXPOSING)
    world.ec2[account_id].authorize_security_group_ingress(group_id, [chosen.permission()])


def edit_a_rule(world: World, ec2: Ec2, group: Group) -> None:
    """Somebody makes another rule of one of an owner's. Its source stays of the same kind: EC2 changes no other way."""
    # What Hammer added it removes by its id (docs/remediation.md, "What is not guaranteed").
    theirs = [each for each in group.rules if each in world.owned.get(group.group_id, ())]
    if not theirs:
        return
    old = world.random.choice(theirs)
    alike = [each for each in RULES if each.kind == old.kind]
    new = world.random.choice([replace(old, source=each.source) for each in alike] + alike)
    with suppress(error_class("InvalidPermission.Duplicate"), error_class("RulesPerSecurityGroupLimitExceeded")):
        ec2.edit(group.group_id, old.rule_id, new)


def act(world: World) -> None:
    """Somebody does something."""
    random = world.random
    account_id, group_id = some_group(world)
    ec2 = world.ec2[account_id]
    group = ec2.groups()[group_id]
    what = random.choices(
        ("open", "close", "edit", "exempt", "expose again", "accounts", "scope", "create", "delete"),
        (6, 6, 4, 2, 2, 1, 1, 1, 0.5),
    )[0]
    world.note(f"{what} {account_id} {group.group_id}")
    exemptions = world.settings.exemptions[account_id]
    if what == "open":
        try:
            added = random.choice(RULES)
            ec2.authorize_security_group_ingress(group.group_id, [added.permission()])
        except (error_class("InvalidPermission.Duplicate"), error_class("RulesPerSecurityGroupLimitExceeded")):
            pass
    elif what == "close" and group.rules:
        private = [each for each in group.rules if is_private(each.source)]
        chosen = private if private and random.random() < _CLOSES_PRIVATE else group.rules
        ec2.revoke_security_group_ingress(group.group_id, [random.choice(chosen).rule_id])
    elif what == "edit":
        edit_a_rule(world, ec2, group)
    elif what == "exempt":
        world.exempted.add(group.group_id)
        exemptions.append(random.choice([group.group_id, {"group": group.group_id, "ports": ["tcp/22"]}]))
    elif what == "expose again" and exemptions:
        exemptions.remove(random.choice(exemptions))
    elif what == "accounts":
        world.settings.remediation_accounts = random.choice([tuple(world.ec2), (account_id,)])
    elif what == "scope":
        world.settings.strategy = random.choice(["replace_rule", "carve_ports"])
        world.settings.scope = random.choice([("open_completely",), ("open_completely", "open_partly")])
    elif what == "create":
        create_group(world, account_id)
    elif what == "delete" and group.name != DEFAULT:
        ec2.delete(group.group_id)
        exemptions[:] = [each for each in exemptions if each != group.group_id and group.group_id not in str(each)]
