"""Rules that Hammer adds have tags, and what it adds of others' rules keeps theirs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from library.network.addresses import RFC_1918
from library.security_groups.group import IngressRule
from remediation.journal import CHANGE_TAG
from tests.worlds.eventual_world import EventualWorld
from tests.worlds.lagging_ec2 import refused

SSH = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", description="ssh")
WIDE = IngressRule("tcp", 20, 30, cidr="0.0.0.0/0", description="wide")
THEIRS = {"team": "web", "aws:cloudformation:stack-name": "reserved"}


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> EventualWorld:
    return EventualWorld(tmp_path)


def tagged(world: EventualWorld, *rules: IngressRule) -> str:
    """A group whose rules have tags."""
    group = world.group(*rules)
    world.ec2.tags |= {rule.rule_id: dict(THEIRS) for rule in world.ec2.rules(group).values()}
    return group


def tags(world: EventualWorld, group: str) -> dict[tuple[int | None, str], dict[str, str]]:
    """The tags of a group's rules, by their first port and source."""
    found = world.ec2.rules(group).values()
    return {(rule.from_port, rule.cidr): world.ec2.tags.get(rule.rule_id, {}) for rule in found}


def test_added_rules_name_their_change(world: EventualWorld) -> None:
    group = tagged(world, SSH)
    assert world.batch().problems == []
    (backup,) = world.backups(group)
    assert tags(world, group) == {(22, cidr): {CHANGE_TAG: backup} for cidr in RFC_1918}


def test_what_is_left_of_a_carved_rule_keeps_its_tags_and_description(world: EventualWorld) -> None:
    world.configure(remediation_strategy="carve_ports")
    group = tagged(world, WIDE)
    assert world.batch().problems == []
    (backup,) = world.backups(group)
    found = tags(world, group)
    assert found[20, "0.0.0.0/0"] == found[23, "0.0.0.0/0"] == {"team": "web", CHANGE_TAG: backup}
    assert found[22, "10.0.0.0/8"] == {CHANGE_TAG: backup}
    left = [rule.description for rule in world.ec2.rules(group).values() if rule.cidr == "0.0.0.0/0"]
    assert left == ["wide", "wide"]


@pytest.mark.parametrize("strategy", ["replace_rule", "carve_ports"])
def test_a_restore_brings_tags_and_descriptions_back(world: EventualWorld, strategy: str) -> None:
    world.configure(remediation_strategy=strategy)
    group = tagged(world, WIDE)
    assert world.batch().problems == []
    world.clock.pass_by(3600)
    assert world.restore(group) == []
    assert tags(world, group) == {(20, "0.0.0.0/0"): {"team": "web"}}
    assert [rule.description for rule in world.ec2.rules(group).values()] == ["wide"]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("no policy allows the ec2:CreateTags action", id="names the action"),
        pytest.param("Encoded authorization failure message: k1jHG-x", id="encoded alone"),
    ],
)
def test_where_tags_are_denied_rules_are_added_without(world: EventualWorld, message: str) -> None:
    world.ec2.denies_tags, world.ec2.tags_denial = True, message
    group = world.group(SSH)
    assert world.batch().problems == []
    assert tags(world, group) == {(22, cidr): {} for cidr in RFC_1918}
    world.clock.pass_by(3600)
    assert world.restore(group) == []
    assert {rule.cidr for rule in world.ec2.rules(group).values()} == {"0.0.0.0/0"}


def test_rules_that_come_back_without_their_tags_are_named(world: EventualWorld) -> None:
    group = tagged(world, SSH)
    assert world.batch().problems == []
    world.clock.pass_by(3600)
    world.ec2.denies_tags = True
    (problem,) = world.restore(group)
    assert tags(world, group) == {(22, "0.0.0.0/0"): {}}
    (rule,) = world.ec2.rules(group).values()
    assert f"tcp/22 from 0.0.0.0/0 ({rule.rule_id}): added without tags" in problem
    assert "ec2:CreateTags" in problem
    (comment,) = (text for _, text in world.people.comments if "restored the group" in text)
    assert f"tcp/22 from 0.0.0.0/0 ({rule.rule_id}): added without tags" in comment


def test_they_are_named_where_ec2_does_not_show_them_yet_or_the_restore_fails_later(world: EventualWorld) -> None:
    group = tagged(world, SSH)
    assert world.batch().problems == []
    world.clock.pass_by(3600)
    world.ec2.denies_tags, world.ec2.fault = True, (len(world.ec2.made) + 2, refused)
    first, second = world.restore(group)
    assert "UnauthorizedOperation" in first
    assert "tcp/22 from 0.0.0.0/0 (sgr-" in second
    assert "added without tags" in second
    assert "added without tags" in world.people.comments[-1][1]


def test_what_is_left_of_a_carved_rule_is_named_where_it_lacks_its_tags(world: EventualWorld) -> None:
    world.configure(remediation_strategy="carve_ports")
    world.ec2.denies_tags = True
    group = tagged(world, WIDE)
    summary = world.batch()
    assert summary.remediated == 1
    assert not world.exposed(group)
    (problem,) = summary.problems
    assert re.search(
        r"tcp/20-21 from 0.0.0.0/0 \(sgr-\w+\), tcp/23-30 from 0.0.0.0/0 \(sgr-\w+\): added without tags", problem
    )
    assert "added without tags" in world.people.comments[-1][1]
