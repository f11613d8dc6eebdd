"""What EC2 refuses for the quota is taken back, and the plan with as few rules as will do is tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from library.aws.ec2 import aws_weight, prefix_list_weights
from remediation import change, context
from remediation.change import CallResult, ChangeAnswer
from remediation.restore_plan import CannotRestoreError
from tests.worlds.aws_faults import KilledError, calls, killed_after
from tests.worlds.remediation_world import ANYWHERE, MAIN, REGION, World, permission, world

PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
SSH, RDP = permission("tcp", (22, 22), ANYWHERE), permission("tcp", (3389, 3389), ANYWHERE)


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def full_at(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Have EC2 hold less than it says, as where a prefix list counts as more than is known."""
    real = change.authorize

    def authorize(client: Any, group_id: str, permissions: Sequence[Any], tags: Any = None) -> CallResult:
        (raw,) = client.describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
        there = sum(len(each["IpRanges"]) for each in raw["IpPermissions"])
        if there + sum(len(each["IpRanges"]) for each in permissions) > limit:
            answer: Any = {"Error": {"Code": "RulesPerSecurityGroupLimitExceeded", "Message": "full"}}
            error = ClientError(answer, "AuthorizeSecurityGroupIngress")
            return CallResult(ChangeAnswer.REFUSED, error=error)
        return real(client, group_id, permissions, tags)

    monkeypatch.setattr(change, "authorize", authorize)


def test_what_the_run_added_is_taken_back_and_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    group = world.group(SSH, RDP)
    world.issue(group)
    before = world.rules(group)
    full_at(monkeypatch, 5)
    (problem,) = world.batch().problems
    assert "RulesPerSecurityGroupLimitExceeded" in problem
    assert world.rules(group) == before
    assert world.stored(group).remediation_details["journal"]["step"] == "undone"
    assert [heading for heading, _ in world.people.alerts] == ["Not remediated"]
    world.batch()
    assert world.rules(group) == before
    assert len(world.people.alerts) == 1, "told once"


def test_the_smaller_plan_is_tried(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    group = world.group(SSH, RDP, permission("-1", None, *PRIVATE))
    world.issue(group)
    full_at(monkeypatch, 8)
    assert world.batch().problems == []
    assert world.rules(group) == {("-1", None, None, cidr) for cidr in PRIVATE}


def filled_to(limit: int, others: int) -> dict[str, Any]:
    """Private rules that fill a group up to a limit, beside some others."""
    return permission("tcp", (9000, 9000), *(f"10.77.{number}.0/24" for number in range(limit - others)))


def test_a_full_group_that_has_the_private_rules_is_closed(world: World) -> None:
    # Whoever counts before they compare refuses a rule that is there as one too many, not as a duplicate.
    group = world.group(permission("tcp", (22, 22), ANYWHERE, *PRIVATE), filled_to(60, 4))
    world.issue(group)
    assert world.batch().problems == []
    assert world.exposed(group) == set()
    assert {("tcp", 22, 22, cidr) for cidr in PRIVATE} <= world.rules(group)
    assert len(world.rules(group)) == 59


def test_a_group_that_hammer_filled_before_it_died_is_closed(world: World) -> None:
    group = world.group(SSH, filled_to(60, 4))
    world.issue(group)
    with calls(killed_after, 0, only=("Authorize",)), pytest.raises(KilledError):
        world.batch()
    assert len(world.rules(group)) == 60
    world.sleep(3600)
    assert world.batch().problems == []
    assert world.exposed(group) == set()
    assert {("tcp", 22, 22, cidr) for cidr in PRIVATE} <= world.rules(group)


def test_a_group_that_the_private_rules_fill_is_closed(world: World) -> None:
    """One of them was there: it is asked for when the group has no room for another."""
    group = world.group(permission("tcp", (22, 22), ANYWHERE, PRIVATE[0]), filled_to(60, 4))
    world.issue(group)
    assert world.batch().problems == []
    assert world.exposed(group) == set()
    assert len(world.rules(group)) == 59


def test_a_restore_relies_on_a_rule_of_a_group_that_it_fills(world: World) -> None:
    """The group is full once the rules are back, and EC2 refuses what is there as one too many."""
    group = world.group(SSH, permission("tcp", (22, 22), PRIVATE[0], about="theirs"), filled_to(60, 4))
    world.issue(group)
    assert world.batch().problems == []
    closed = world.rules(group)
    world.restore_quietly(group)
    newest = world.backups.list(MAIN, REGION, group)[0].key
    assert world.restore_quietly(group, backup=newest) == []
    assert world.rules(group) == closed


def test_a_prefix_list_that_comes_back_counts_in_its_own_family(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group with as many IPv6 rules as it may have still has room for a prefix list of IPv4 that was replaced."""
    monkeypatch.setattr(context, "rule_quota", lambda *_: (5, ""))
    offices = world.prefix_list(ANYWHERE)
    ipv6 = permission("tcp", (443, 443), *(f"fd00:{number:x}::/32" for number in range(5)))
    group = world.group(permission("tcp", (22, 22), offices), ipv6)
    world.issue(group)
    before = world.described(group)
    assert world.batch().remediated == 1
    assert world.restore_quietly(group) == []
    assert world.described(group) == before


def test_a_prefix_list_that_comes_back_counts_as_its_entries(world: World) -> None:
    """Without a call that EC2 would refuse: the owner has filled the group since."""
    offices = world.prefix_list(ANYWHERE, *(f"8.8.{number}.0/24" for number in range(9)))
    group = world.group(permission("tcp", (22, 22), offices), filled_to(47, 0))
    world.issue(group)
    assert world.batch().remediated == 1
    theirs = permission("tcp", (80, 80), "8.8.8.8/32")
    world.ec2().authorize_security_group_ingress(GroupId=group, IpPermissions=[theirs])
    closed = world.rules(group)
    with pytest.raises(CannotRestoreError, match="quota: with 1 rules more it would have 61 IPv4 rules"):
        world.restore_quietly(group)
    assert world.rules(group) == closed


def test_a_prefix_list_that_is_there_already_has_no_room_once_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group has room for a rule, and not for its private list again: EC2 may say so, not that it is there."""
    office = world.prefix_list(*(f"10.{number}.0.0/16" for number in range(30)))
    world.configure(remediation_sources=[office])
    group = world.group(permission("tcp", (22, 22), ANYWHERE, office))
    world.issue(group)
    real = change.authorize

    def authorize(client: Any, group_id: str, permissions: Sequence[Any], tags: Any = None) -> CallResult:
        if any(each.get("PrefixListIds") for each in permissions):
            answer: Any = {"Error": {"Code": "RulesPerSecurityGroupLimitExceeded", "Message": "full"}}
            return CallResult(ChangeAnswer.REFUSED, error=ClientError(answer, "AuthorizeSecurityGroupIngress"))
        return real(client, group_id, permissions, tags)

    monkeypatch.setattr(change, "authorize", authorize)
    assert world.batch().problems == []
    assert world.rules(group) == {("tcp", 22, 22, office)}


def test_what_a_tight_plan_relies_on_is_not_taken_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Hammer added for a rule that its owner closed since contains what another rule needs."""
    wide = permission("udp", (0, 65535), "8.0.0.0/8")
    world.configure(remediation_scope=["open_completely", "open_partly"])
    group = world.group(wide, permission("udp", (22, 22), "9.0.0.0/8"))
    world.issue(group)
    with calls(killed_after, 0, only=("Authorize",)), pytest.raises(KilledError):
        world.batch()
    world.ec2().revoke_security_group_ingress(GroupId=group, IpPermissions=[wide])
    world.sleep(3600)
    full_at(monkeypatch, 5)
    for _ in range(3):
        world.batch()
        world.sleep(3600)
    assert world.rules(group) == {("udp", 0, 65535, cidr) for cidr in PRIVATE}


def test_what_a_group_with_room_is_refused_is_not_taken_for_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = world.group(permission("tcp", (22, 22), ANYWHERE, *PRIVATE))
    world.issue(group)
    before = world.rules(group)
    full_at(monkeypatch, 4)
    (problem,) = world.batch().problems
    assert "RulesPerSecurityGroupLimitExceeded" in problem
    assert world.rules(group) == before


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("com.amazonaws.global.cloudfront.origin-facing", 55),
        ("com.amazonaws.global.ipv6.cloudfront.origin-facing", 55),
        ("com.amazonaws.eu-west-1.vpc-lattice", 10),
        ("com.amazonaws.eu-west-1.ipv6.route53-healthchecks", 25),
        ("com.amazonaws.eu-west-1.s3", 1),
        ("com.amazonaws.eu-west-1.something-new", 0),
        ("ours.cloudfront.origin-facing", 0),
    ],
)
def test_what_a_prefix_list_of_aws_counts_as(name: str, weight: int) -> None:
    assert aws_weight(name) == weight


def test_prefix_lists_of_aws_have_no_maximum_in_the_answer() -> None:
    lists = [
        {"PrefixListId": "pl-1", "PrefixListName": "com.amazonaws.global.cloudfront.origin-facing", "OwnerId": "AWS"},
        {"PrefixListId": "pl-2", "PrefixListName": "ours", "AddressFamily": "IPv6", "MaxEntries": 7},
        {"PrefixListId": "pl-3", "PrefixListName": "com.amazonaws.eu-west-1.new", "OwnerId": "AWS"},
    ]

    class Pages:
        def get_paginator(self, _: str) -> Pages:
            return self

        def paginate(self, **_: Any) -> list[Any]:
            return [{"PrefixLists": lists}]

    client: Any = Pages()
    assert prefix_list_weights(client, ["pl-1", "pl-2", "pl-3"]) == {"pl-1": (4, 55), "pl-2": (6, 7)}
