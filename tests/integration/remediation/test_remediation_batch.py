"""`hammer remediate --batch` and `--dry-run` against the emulated AWS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.servicequotas.models import ServiceQuotasBackend

from library.aws.conditional_writes import serialized
from library.issues.issue import IssueDetails
from remediation import clean_security_groups
from tests.worlds.remediation_world import ANYWHERE, MAIN, MEMBER, NOW, REGION, TABLE, World, permission, world

pytestmark = pytest.mark.usefixtures("table_in_memory")

PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
SSH = permission("tcp", (22, 22), ANYWHERE)
CLOSED = {("tcp", 22, 22, cidr) for cidr in PRIVATE}
OPEN = {("tcp", 22, 22, ANYWHERE)}


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


@pytest.mark.parametrize("account", [MAIN, MEMBER])
def test_a_due_group_is_closed_backed_up_and_recorded(world: World, account: str) -> None:
    group = world.group(
        permission("tcp", (22, 22), ANYWHERE, "8.8.8.0/24", "10.1.0.0/16", about="ssh"),
        permission("tcp", (443, 443), ANYWHERE),
        account=account,
    )
    world.issue(group, account)
    before = world.described(group, account)

    result = world.remediate("--batch")

    assert result.exit_code == 0, result.output
    assert world.rules(group, account) == {
        *(("tcp", 22, 22, cidr) for cidr in (*PRIVATE, "8.8.8.0/24", "10.1.0.0/16")),
        ("tcp", 443, 443, ANYWHERE),
    }
    after = world.described(group, account)
    assert {**after, "IpPermissions": None} == {**before, "IpPermissions": None}
    issue = world.stored(group, account)
    assert issue.timestamps.remediated is not None
    assert issue.status == "open"
    key = issue.remediation_details["backup"]
    assert key.startswith(f"security_groups/{account}/{REGION}/{group}_")
    assert key.endswith("Z.json")
    (backup,) = world.backups_of(group, account)
    assert {name: backup[name] for name in before if name != "IpPermissions"} == {
        name: before[name] for name in before if name != "IpPermissions"
    }
    assert issue.remediation_details["journal"]["step"] == "done"
    assert f"{group} in {account}, {REGION}: remediated: 1 rule replaced by 3; backup {key}" in result.output
    assert "1 remediated, 0 left as they are" in result.output
    assert world.lock().read().holder == ""
    assert world.lock().read().unfinished == frozenset()


def test_an_added_rule_says_what_it_replaces_when_and_for_which_ticket(world: World) -> None:
    group = world.group(permission("tcp", (22, 22), ANYWHERE, "::/0"))
    world.issue(group)
    world.batch()
    (permissions,) = world.ec2().describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert {source["Description"] for source in permissions["IpRanges"]} == {
        "Hammer: replaces 0.0.0.0/0, ::/0 on 2026-11-22, SEC-1"
    }


NOT_CHANGED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # name: (the configuration, the issue)
    "not due for another hour": ({"remediation_retention_period": 21}, {"reported_days": 20.95}),
    "not reported": ({}, {"reported_days": None}),
    "not open": ({}, {"status": "resolved"}),
    "whitelisted in the table": ({}, {"status": "whitelisted"}),
    "restored by somebody": ({}, {"remediation_details": {"restored": {"at": "x", "by": "ana", "backup": "k"}}}),
    "not in remediation_accounts": ({"remediation_accounts": [MEMBER]}, {}),
    "not in remediation_scope": ({"remediation_scope": ["open_partly"]}, {}),
}


@pytest.mark.parametrize(("settings", "issue"), NOT_CHANGED.values(), ids=NOT_CHANGED)
def test_left_as_it_is(world: World, settings: dict[str, Any], issue: dict[str, Any]) -> None:
    world.configure(**settings)
    group = world.group(SSH)
    world.issue(group, **issue)
    summary = world.batch()
    assert (summary.remediated, summary.problems) == (0, [])
    assert world.rules(group) == OPEN
    assert world.stored(group).timestamps.remediated is None
    assert world.backups_of(group) == []
    assert world.people.comments == []


@pytest.mark.parametrize("how", ["--batch", "--dry-run", "by hand"])
def test_the_summary_tells_what_was_not_looked_at_and_why(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    world.configure(remediation_retention_period=21, whitelist={MAIN: ["sg-00000000000000007"]})
    now = time.time() - NOW.timestamp()
    for number in range(3):
        world.issue(f"sg-0000000000000000{number}", reported_days=None)
    world.issue("sg-00000000000000005", reported_days=-now / 86400)
    world.issue("sg-00000000000000006", remediation_details={"restored": {"at": "x", "by": "ana", "backup": "k"}})
    world.issue("sg-00000000000000007")
    monkeypatch.setattr(clean_security_groups, "has_terminal", lambda: True)
    result = world.remediate(*([how] if how.startswith("--") else []))
    assert result.exit_code == 0
    done = "dry run: 0 looked at, nothing changed" if how == "--dry-run" else "0 remediated, 0 left as they are"
    assert result.output.splitlines()[-1] == (f"{done}; not looked at: 1 exempt, 1 not due, 3 not reported, 1 restored")


@pytest.mark.parametrize("options", [["--batch"], ["--dry-run"]], ids=str)
def test_a_quota_that_cannot_be_read_is_noted(
    world: World, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    def refused(self: Any, **_: Any) -> None:
        del self
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetServiceQuota")

    monkeypatch.setattr(ServiceQuotasBackend, "get_service_quota", refused)
    world.configure(rules_per_security_group_quota=3)
    group = world.group(SSH)
    world.issue(group)
    result = world.remediate(*options)
    assert result.exit_code == 1
    (note,) = (line for line in result.output.splitlines() if line.startswith("note: "))
    assert note.startswith(f"note: account {MAIN}, {REGION}: the quota of rules per security group could not be read (")
    assert note.endswith("; 3 is assumed: secgrp_unrestricted_access.rules_per_security_group_quota")
    assert "quota: with 3 rules more it would have 4 IPv4 rules, and the quota is 3" in result.output
    assert world.rules(group) == OPEN


def test_due_from_the_very_second(world: World) -> None:
    world.configure(remediation_retention_period=21)
    group = world.group(SSH)
    world.issue(group, reported_days=21)
    assert world.batch().remediated == 1


@pytest.mark.parametrize("exemption", ["id", "name", {"ports": ["tcp/22"]}, {"cidrs": [ANYWHERE]}], ids=str)
def test_an_exempt_group_is_left(world: World, exemption: str | dict[str, Any]) -> None:
    group = world.group(SSH, name="bastion")
    world.issue(group)
    by_name = f"{world.vpcs[MAIN]}:bastion"
    entry: Any = (
        {"id": group, "name": by_name}[exemption] if isinstance(exemption, str) else {"group": group, **exemption}
    )
    world.configure(whitelist={MAIN: [entry]})
    assert world.batch().remediated == 0
    assert world.rules(group) == OPEN


def test_a_group_that_its_owner_fixed_is_left_and_said_so(world: World) -> None:
    group = world.group(permission("tcp", (22, 22), "10.0.0.0/8"))
    world.issue(group)
    summary = world.batch()
    assert (summary.left, summary.problems) == (1, [])
    assert any("safe already" in line for line in world.people.said)
    assert world.stored(group).timestamps.remediated is None


def test_a_group_that_is_gone_is_left_and_said_so(world: World) -> None:
    world.issue("sg-0123456789abcdef0")
    summary = world.batch()
    assert (summary.left, summary.problems) == (1, [])
    assert any("does not exist any more" in line for line in world.people.said)


def test_the_same_plan_closes_what_another_rule_hid(world: World) -> None:
    group = world.group(permission("tcp", (22, 22), ANYWHERE, "0.0.0.0/1", "128.0.0.0/1", "8.8.8.8/32"))
    world.issue(group)
    assert world.batch().remediated == 1
    assert world.rules(group) == CLOSED | {("tcp", 22, 22, "8.8.8.8/32")}
    assert len(world.backups_of(group)) == 1


def test_carve_ports_in_ec2(world: World) -> None:
    world.configure(remediation_strategy="carve_ports")
    group = world.group(permission("tcp", (20, 25), ANYWHERE, about="all of it"), permission("-1", None, "::/0"))
    world.issue(group)
    assert world.batch().problems == []
    assert world.rules(group) == {
        *(("-1", None, None, cidr) for cidr in PRIVATE),
        *(("tcp", 22, 22, cidr) for cidr in PRIVATE),
        ("tcp", 20, 21, ANYWHERE),
        ("tcp", 23, 25, ANYWHERE),
    }
    remaining = world.ec2().describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert {s.get("Description") for p in remaining for s in p["IpRanges"] if s["CidrIp"] == ANYWHERE} == {"all of it"}


def test_a_rule_of_a_prefix_list_is_replaced_whole_and_the_list_stays(world: World) -> None:
    offices = world.prefix_list("10.9.0.0/16", ANYWHERE, "100.64.0.0/10")
    group = world.group(permission("tcp", (22, 22), offices))
    world.issue(group)
    result = world.remediate("--dry-run")
    assert f"note: {offices} is replaced whole on tcp/22: 100.64.0.0/10 in it lose access too" in result.output
    assert world.batch().remediated == 1
    assert world.rules(group) == CLOSED
    entries = world.ec2().get_managed_prefix_list_entries(PrefixListId=offices)["Entries"]
    assert len(entries) == 3


def test_no_room_for_the_new_rules(world: World) -> None:
    group = world.group(SSH, permission("tcp", (443, 443), *(f"8.8.{number}.0/24" for number in range(57))))
    world.issue(group)
    before = world.described(group)
    summary = world.batch()
    assert world.described(group) == before
    assert summary.problems == [
        f"{group} in {MAIN}, {REGION}: quota: with 3 rules more it would have 61 IPv4 rules, and the quota is 60"
    ]
    assert world.backups_of(group) == []
    assert len(world.people.comments) == len(world.people.alerts) == 1
    assert world.batch().problems == []
    assert len(world.people.comments) == len(world.people.alerts) == 1, "people hear of the same once"


def test_a_prefix_list_counts_as_its_maximum(world: World) -> None:
    world.configure(remediation_scope=["open_completely"])
    answer = world.ec2().create_managed_prefix_list(
        PrefixListName="big", MaxEntries=57, AddressFamily="IPv4", Entries=[{"Cidr": "10.0.0.0/8"}]
    )
    group = world.group(SSH, permission("tcp", (443, 443), answer["PrefixList"]["PrefixListId"]))
    world.issue(group)
    assert "61 IPv4 rules" in world.batch().problems[0]


def test_a_run_that_would_change_too_many_groups_changes_none(world: World) -> None:
    world.configure(remediation_limit_per_run=2)
    groups = [world.group(SSH) for _ in range(3)]
    fixed = world.group()
    for group in (*groups, fixed):
        world.issue(group)
    result = world.remediate("--batch")
    assert result.exit_code == 1
    assert (
        "more than 2 groups are due to be changed, and remediation_limit_per_run is 2: nothing was changed"
        in result.output
    )
    assert [world.rules(group) for group in groups] == [OPEN] * 3
    world.batch()
    assert world.people.alerts[0][0] == "Remediation stopped"
    assert world.remediate("--batch", "--group", groups[0], "--group", groups[1]).exit_code == 0
    assert [world.rules(group) for group in groups] == [CLOSED, CLOSED, OPEN]


def test_a_dry_run_says_that_an_unattended_run_would_change_too_many(world: World) -> None:
    world.configure(remediation_limit_per_run=2)
    groups = [world.group(SSH) for _ in range(3)]
    for group in groups:
        world.issue(group)
    not_due = world.group(SSH)
    world.issue(not_due, reported_days=None)
    limited = "an unattended run would change none of these 3 groups: remediation_limit_per_run is 2"
    assert limited in world.remediate("--dry-run").output
    assert limited in world.remediate("--dry-run", "--include-not-due").output
    assert "an unattended run" not in world.remediate("--dry-run", "--group", groups[0], "--group", not_due).output
    world.ec2().revoke_security_group_ingress(GroupId=groups[2], IpPermissions=[SSH])
    assert "an unattended run" not in world.remediate("--dry-run").output


def test_remediation_that_is_off_does_nothing_in_one_line(world: World) -> None:
    world.configure(remediation=False)
    group = world.group(SSH)
    world.issue(group)
    result = world.remediate("--batch")
    assert (result.exit_code, result.output) == (
        0,
        "remediation is off (secgrp_unrestricted_access.remediation): nothing to do\n",
    )
    assert world.rules(group) == OPEN
    result = world.remediate("--dry-run")
    assert "- tcp/22 from 0.0.0.0/0" in result.output
    assert "+ tcp/22 from 10.0.0.0/8 (Hammer: replaces 0.0.0.0/0 on " in result.output


def test_the_kill_switch_is_read_again_before_every_group(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = sorted(world.group(SSH) for _ in range(3))
    for group in groups:
        world.issue(group)
    comment = world.people.comment

    def switch_off(*args: Any, **more: Any) -> str:
        world.configure(remediation=False)
        return comment(*args, **more)

    monkeypatch.setattr(world.people, "comment", switch_off)
    summary = world.batch()
    assert summary.remediated == 1
    assert [world.rules(group) for group in groups] == [CLOSED, OPEN, OPEN]
    assert world.people.said[-1].startswith("remediation was switched off meanwhile")


def test_an_exemption_made_during_a_run_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = sorted(world.group(SSH) for _ in range(2))
    for group in groups:
        world.issue(group)
    comment = world.people.comment

    def exempt(*args: Any, **more: Any) -> str:
        world.configure(whitelist={MAIN: [groups[1]]})
        return comment(*args, **more)

    monkeypatch.setattr(world.people, "comment", exempt)
    world.batch()
    assert [world.rules(group) for group in groups] == [CLOSED, OPEN]


def test_dry_run_shows_the_plan_and_changes_nothing(world: World) -> None:
    group = world.group(SSH)
    other = world.group(SSH)
    untrusted = IssueDetails("evil\x1b[31m\u202e", REGION, "vpc-1", "open_completely", {}, ()).to_item()
    world.issue(group, issue_details=untrusted)
    world.issue(other, reported_days=None)
    stored = world.stored(group)
    result = world.remediate("--dry-run")
    assert result.exit_code == 0
    assert "dry run: 1 looked at, nothing changed; not looked at: 1 not reported\n" in result.output
    assert "evil\\x1b[31m\\u202e in 123456789012 (main), eu-west-1, vpc-1" in result.output
    assert world.rules(group) == OPEN
    assert world.stored(group) == stored
    assert world.backups_of(group) == []
    result = world.remediate("--dry-run", "--include-not-due")
    assert "not reported yet" in result.output
    assert "dry run: 2 looked at" in result.output


def test_dry_run_shows_what_completes_a_change_whose_issue_is_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = world.group(SSH)
    world.issue(group)
    client = world.ec2()

    def refused(**_: object) -> None:
        answer: Any = {"Error": {"Code": "UnauthorizedOperation"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(answer, "RevokeSecurityGroupIngress")

    monkeypatch.setattr(client, "revoke_security_group_ingress", refused)
    assert world.batch().remediated == 0
    monkeypatch.undo()
    client.revoke_security_group_ingress(GroupId=group, IpPermissions=[SSH])
    stored = world.stored(group)
    world.table.update(stored, {"status": "resolved"})
    world.clock += timedelta(hours=1)
    before = (world.stored(group), world.lock().read())
    monkeypatch.setattr("remediation.context.utc_now", world.now)
    for _ in range(2):
        result = world.remediate("--dry-run")
        assert "- tcp/22 from 10.0.0.0/8" in result.output
        assert "dry run: 1 looked at, nothing changed" in result.output
        assert (world.stored(group), world.lock().read()) == before
        assert world.rules(group) == CLOSED
    other = world.remediate("--dry-run", "--region", "us-east-1")
    assert f"{group} in {MAIN}, {REGION}: not complete yet" in other.output
    assert world.batch().problems == []
    assert world.rules(group) == set()


WRONG_USAGE: dict[str, list[str]] = {
    "no terminal": [],
    "not due in batch": ["--batch", "--include-not-due"],
    "an account that is not remediated": ["--batch", "--account", "999999999999"],
}


@pytest.mark.parametrize("options", WRONG_USAGE.values(), ids=WRONG_USAGE)
def test_wrong_usage(world: World, options: list[str]) -> None:
    group = world.group(SSH)
    world.issue(group)
    result = world.remediate(*options, answers="y\n")
    assert result.exit_code == 2
    assert world.rules(group) == OPEN


def test_an_issue_of_other_tooling_without_our_attributes(world: World) -> None:
    group = world.group(SSH)
    world.issue(group)
    item = world.stored(group)
    assert (item.occurrence, item.remediation_details) == (0, {})
    assert world.batch().remediated == 1


def test_one_group_that_cannot_be_read_does_not_stop_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = sorted(world.group(SSH) for _ in range(2))
    for group in groups:
        world.issue(group)
    world.ec2().delete_security_group(GroupId=groups[0])
    real = world.ec2().get_paginator

    def deny(name: str) -> Any:
        if name == "describe_security_groups" and not denied:
            denied.append(name)
            raise world.ec2().exceptions.ClientError(
                {"Error": {"Code": "UnauthorizedOperation"}}, "DescribeSecurityGroups"
            )
        return real(name)

    denied: list[str] = []
    monkeypatch.setattr(world.ec2(), "get_paginator", deny)
    summary = world.batch()
    assert summary.remediated == 1
    assert len(summary.problems) == 1
    assert summary.problems[0].startswith(f"{groups[0]} in {MAIN}, {REGION}: could not be read: denied")


def test_nothing_is_changed_without_a_backup_that_reads_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    group = world.group(SSH)
    world.issue(group)
    s3 = world.sessions.client("s3")
    put = s3.put_object
    monkeypatch.setattr(s3, "put_object", lambda **arguments: put(**{**arguments, "Body": b"{}"}))
    summary = world.batch()
    assert world.rules(group) == OPEN
    assert "reads back as something else" in summary.problems[0]
    assert world.stored(group).timestamps.remediated is None


def test_a_group_that_somebody_keeps_opening_is_not_recorded_as_remediated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = world.group(SSH)
    world.issue(group)
    client = world.ec2()
    revoke = client.revoke_security_group_ingress

    def reopened(**arguments: Any) -> Any:
        answer = revoke(**arguments)
        ports = next(free)
        client.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission("tcp", ports, ANYWHERE)])
        return answer

    free = iter([(22, 23), (22, 24), (22, 25), (22, 26)])
    monkeypatch.setattr(client, "revoke_security_group_ingress", reopened)
    summary = world.batch()
    assert summary.remediated == 0
    assert "somebody opens the group again each time that it is closed" in summary.problems[0]
    assert world.stored(group).timestamps.remediated is None
    assert len(world.backups_of(group)) == 3


def test_what_ec2_does_not_show_at_once_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from remediation import group_state

    group = world.group(SSH)
    world.issue(group)
    real = group_state.describe_live
    stale: list[Any] = []

    def delayed(client: Any, group_id: str, *known: Any) -> Any:
        live = real(client, group_id, *known)
        stale.append(live)
        # Every second look still shows what the one before it showed.
        return stale[-2] if len(stale) % 2 == 0 else live

    monkeypatch.setattr("remediation.remediate.describe_live", delayed)
    assert world.batch().problems == []
    assert world.slept
    assert world.rules(group) == CLOSED


def test_people_are_told_with_the_way_back(world: World) -> None:
    group = world.group(SSH)
    world.issue(group)
    world.batch()
    ((notified, comment),) = world.people.comments
    ((heading, alert),) = world.people.alerts
    key = world.stored(group).remediation_details["backup"]
    assert (notified, heading) == (group, "Remediated")
    for text in (comment, alert):
        assert f"s3://hammer-backup-bucket/{key}" in text
        assert f"hammer restore --account {MAIN} --region {REGION} --group {group} --backup {key}" in text
        assert "Revoked: tcp/22 from 0.0.0.0/0" in text


def test_a_malformed_issue_is_named_and_the_others_are_remediated(world: World) -> None:
    group = world.group(SSH)
    world.issue(group)
    values = serialized(world.stored(group).to_item())
    del values["issue_details"]
    values["issue_id"] = {"S": "sg-0"}
    world.sessions.client("dynamodb").put_item(TableName=TABLE, Item=values)
    chosen = world.remediate("--batch", "--dry-run", "--group", group)
    assert chosen.exit_code == 0, chosen.output
    result = world.remediate("--batch")
    assert result.exit_code == 1
    assert (
        f"sg-0 in {MAIN}: its item in the issue table is not as it should be: 'issue_details' is missing"
        in result.output
    )
    assert world.rules(group) == CLOSED
