"""`hammer restore`: groups come back exactly, and are then left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from hammer.demo_world import GROUPS_FILE
from library.aws.failures import AWS_ERRORS
from library.aws.lock import LEASE
from library.aws.records import JobRecords
from library.issues.issue import Status
from library.network.addresses import RFC_1918
from remediation.journal import is_unfinished
from tests.worlds.aws_faults import (
    WRITES,
    Fault,
    KilledError,
    calls,
    error,
    killed_after,
    time_out_after_it_was_made,
)
from tests.worlds.remediation_world import ANYWHERE, MAIN, MEMBER, REGION, World, permission, world

TEMPLATES = [json.loads(line) for line in GROUPS_FILE.read_text().splitlines()]
SSH = permission("tcp", (22, 22), ANYWHERE, about="ssh")
OPEN = {("tcp", 22, 22, ANYWHERE)}


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def remediated(world: World, *permissions: Any, **more: Any) -> tuple[str, dict[str, Any]]:
    """A group that was remediated, and its description from before."""
    group = world.group(*permissions, **more)
    world.issue(group, **more)
    before = world.described(group, **more)
    assert world.batch().remediated == 1
    return group, before


def test_a_private_rule_with_host_bits_is_relied_on_as_it_is_written(world: World) -> None:
    # EC2 clears host bits, an emulator may keep them: then 10.0.0.0/8 would be added beside it, for nothing.
    group, before = remediated(world, SSH, permission("tcp", (22, 22), "10.1.2.3/8", about="office"))
    sources = {"10.1.2.3/8", "172.16.0.0/12", "192.168.0.0/16"}
    (raw,) = world.ec2().describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert {each["CidrIp"] for rule in raw["IpPermissions"] for each in rule["IpRanges"]} == sources
    world.restore_quietly(group)
    assert world.described(group) == before


def test_a_restore_relies_on_a_private_rule_as_it_is_written(world: World) -> None:
    written, rewritten = (permission("tcp", (22, 22), cidr, about="office") for cidr in ("10.1.2.3/8", "10.0.0.0/8"))
    group, _ = remediated(world, SSH, written)
    world.restore_quietly(group)
    newest = world.backups.list(MAIN, REGION, group)[0].key
    world.ec2().revoke_security_group_ingress(GroupId=group, IpPermissions=[written])
    world.ec2().authorize_security_group_ingress(GroupId=group, IpPermissions=[rewritten])
    assert world.restore_quietly(group, backup=newest) == []
    (raw,) = world.ec2().describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert {each["CidrIp"] for rule in raw["IpPermissions"] for each in rule["IpRanges"]} == set(map(str, RFC_1918))


@pytest.mark.parametrize("strategy", ["replace_rule", "carve_ports"])
@pytest.mark.parametrize(
    ("protocol", "ports"),
    [("50", (-1, -1)), ("50", (0, 0)), ("47", (0, 65535)), ("tcp", (-1, -1)), ("udp", (-1, -1))],
)
def test_ports_that_mean_all_are_revoked_as_they_are_written(
    world: World, protocol: str, ports: tuple[int, int], strategy: str
) -> None:
    # EC2 leaves such ports out or writes them in one way; an emulator keeps them, and compares them.
    world.configure(remediation_strategy=strategy)
    group, before = remediated(
        world, permission(protocol, ports, ANYWHERE, "10.0.0.0/8", about="all"), permission("50", (1, 1), "::/0")
    )
    assert world.exposed(group) == set()
    world.restore_quietly(group)
    assert world.described(group) == before


@pytest.mark.moto_table("many groups")
@pytest.mark.usefixtures("table_in_memory")
@pytest.mark.parametrize("strategy", ["replace_rule", "carve_ports"])
def test_every_sample_group_comes_back_as_it_was(world: World, strategy: str) -> None:
    world.configure(
        restricted_ports=["0-65535"] if strategy == "replace_rule" else [22, 80, 443, 3306, 8080],
        remediation_scope=["open_completely", "open_partly"],
        remediation_strategy=strategy,
        remediation_limit_per_run=100,
    )
    # Carving makes the most rules and takes the longest: every third group will do.
    templates = TEMPLATES if strategy == "replace_rule" else TEMPLATES[::3]
    before: dict[str, dict[str, Any]] = {}
    for number, template in enumerate(templates):
        # Some templates say a thing twice, which EC2 refuses.
        unique = list({json.dumps(p): p for p in template["IpPermissions"]}.values())
        group = world.group(*unique, name=f"{template['name']} {number}")
        world.issue(group)
        before[group] = world.described(group)
    assert len(before) == len(templates) >= 26
    summary = world.batch()
    assert summary.problems == []
    changed = [group for group in before if world.described(group) != before[group]]
    assert len(changed) == summary.remediated >= len(templates) // 2
    assert all(not world.exposed(group) for group in before)
    for group in changed:
        world.restore_quietly(group)
        assert world.described(group) == before[group]


def test_what_is_restored_is_left_alone_until_somebody_decides(world: World) -> None:
    group, before = remediated(world, SSH)
    result = world.restore(group, "--batch")
    assert result.exit_code == 0, result.output
    assert world.described(group) == before
    release = f"hammer restore --release --account {MAIN} --region {REGION} --group {group}"
    assert release in result.output
    issue = world.stored(group)
    flag = issue.remediation_details["restored"]
    assert flag["backup"] == issue.remediation_details["journal"]["restored_from"]
    assert [backup["hammer"]["kind"] for backup in world.backups_of(group)] == ["restore", "remediation"]

    assert world.batch().remediated == 0
    assert world.rules(group) == OPEN
    assert "hammer: " not in world.restore(group, "--release").output
    assert world.stored(group).remediation_details["restored"] is None
    assert world.batch().remediated == 1
    assert "not waiting for a decision" in world.restore(group, "--release").output


def test_an_unfinished_change_of_an_account_that_left_is_given_up_without_asking_ec2(world: World) -> None:
    group, _ = remediated(world, SSH)
    issue = world.stored(group)
    journal = {**issue.remediation_details["journal"], "step": "verifying"}
    world.table.update(issue, {"remediation_details.journal": journal})
    world.configure(accounts=[MEMBER], remediation_accounts=[MEMBER])
    result = world.restore(group, "--give-up")
    assert result.exit_code == 0, result.output
    assert "given up: the group stays as it is" in result.output
    assert world.stored(group).remediation_details["journal"]["step"] == "done"
    assert "no change of the group is unfinished" in world.restore(group, "--give-up").output


@pytest.mark.parametrize("option", ["--give-up", "--release", "--decided"])
def test_a_dry_run_changes_nothing_whatever_else_is_asked_for(world: World, option: str) -> None:
    group, _ = remediated(world, SSH)
    issue = world.stored(group)
    journal = {**issue.remediation_details["journal"], "step": "verifying"}
    flag = {"at": "2026-11-22T03:00:00+00:00", "by": "ana", "backup": "a key"}
    world.table.update(issue, {"remediation_details.journal": journal, "remediation_details.restored": flag})
    world.configure(accounts=[MEMBER], remediation_accounts=[MEMBER])
    before = world.stored(group)
    result = world.restore(group, option, "--dry-run")
    assert result.exit_code == 2
    assert f"--dry-run is not for {option}" in result.output
    assert world.stored(group) == before


def test_a_restore_is_recorded_as_a_run_of_a_job(world: World) -> None:
    group, _ = remediated(world, SSH)
    world.restore(group, "--batch", "--backup", "security_groups/none.json")
    (failed,) = JobRecords(world.table.items, MAIN).runs()
    assert (failed.job, failed.outcome, len(failed.problems)) == ("restore", "failed", 1)
    world.restore(group, "--dry-run")
    assert list(JobRecords(world.table.items, MAIN).runs()) == [failed]
    world.restore(group, "--batch")
    (done,) = JobRecords(world.table.items, MAIN).runs()
    assert (done.job, done.outcome, done.problems) == ("restore", "done", [])


def test_agreeing_by_hand_is_a_decision_too(world: World) -> None:
    group, _ = remediated(world, SSH)
    world.restore_quietly(group)
    assert world.by_hand("y").remediated == 0
    assert world.by_hand("y", include_not_due=True).remediated == 1
    assert any("restored by tester" in line for line in world.people.said)
    assert world.stored(group).remediation_details["restored"] is None


def test_the_flag_survives_a_new_occurrence(world: World) -> None:
    from library.issues.reconcile import Detection, reconcile

    group, _ = remediated(world, SSH)
    world.restore_quietly(group)
    issue = world.stored(group)
    resolved = reconcile(issue, None, world.now())
    assert resolved
    world.table.write(resolved)
    again = reconcile(world.stored(group), Detection(MAIN, group, issue.details, whitelisted=False), world.now())
    assert again
    world.table.write(again)
    fresh = world.stored(group)
    world.table.update(fresh, {"timestamps.reported": "2026-01-01T00:00:00+00:00"})
    assert fresh.occurrence != issue.occurrence
    assert world.batch().remediated == 0


@pytest.mark.parametrize("exact", [False, True])
def test_rules_made_since_are_kept_unless_exact(world: World, *, exact: bool) -> None:
    group, before = remediated(world, SSH, permission("tcp", (443, 443), ANYWHERE))
    world.ec2().authorize_security_group_ingress(
        GroupId=group, IpPermissions=[permission("tcp", (8080, 8080), "10.5.0.0/16", about="theirs")]
    )
    result = world.restore(group, "--batch", *(["--exact"] if exact else []))
    assert result.exit_code == 0
    if exact:
        assert world.described(group) == before
        assert "- tcp/8080 from 10.5.0.0/16 (theirs)" in result.output
    else:
        assert world.rules(group) == {*OPEN, ("tcp", 443, 443, ANYWHERE), ("tcp", 8080, 8080, "10.5.0.0/16")}
        assert "1 rules made since stay (--exact revokes them)" in result.output


def test_everything_that_a_rule_can_be_comes_back(world: World) -> None:
    offices = world.prefix_list(ANYWHERE, "10.0.0.0/8")
    peer = world.group()
    group, before = remediated(
        world,
        permission("-1", None, ANYWHERE, about="all"),
        permission("tcp", (22, 22), "::/0", offices),
        permission("tcp", (80, 80), "self", peer, about="each other"),
        permission("icmp", (-1, -1), ANYWHERE, about="ping"),
        permission("50", (-1, -1), ANYWHERE),
        permission("udp", (0, 65535), "0.0.0.0/1", "128.0.0.0/1"),
    )
    rules = world.ec2().describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    theirs = [
        rule["SecurityGroupRuleId"]
        for rule in rules["SecurityGroupRules"]
        if rule.get("ReferencedGroupInfo") or rule["IpProtocol"] == "icmp"
    ]
    assert len(theirs) == 3
    world.ec2().revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=theirs)
    world.restore_quietly(group)
    assert world.described(group) == before


def test_a_description_comes_back(world: World) -> None:
    group, before = remediated(world, SSH, permission("tcp", (443, 443), "8.8.8.8/32", about="old"))
    world.ec2().update_security_group_rule_descriptions_ingress(
        GroupId=group, IpPermissions=[permission("tcp", (443, 443), "8.8.8.8/32", about="new")]
    )
    world.restore_quietly(group)
    assert world.described(group) == before


@pytest.mark.parametrize(
    ("code", "asked"), [("UnauthorizedOperation", 1), ("InvalidPermission.NotFound", 3), ("InternalError", 1)]
)
def test_a_description_that_is_refused_keeps_nothing_else_from_coming_back(world: World, code: str, asked: int) -> None:
    """A policy denies the call, or one of the rules names a group beyond a peering that was deleted."""
    web = [permission("tcp", (443, 443), f"{address}/32", about="old") for address in ("8.8.8.8", "9.9.9.9")]
    group, _ = remediated(world, SSH, *web)
    for each in web:
        new = {**each, "IpRanges": [{**source, "Description": "new"} for source in each["IpRanges"]]}
        world.ec2().update_security_group_rule_descriptions_ingress(GroupId=group, IpPermissions=[new])

    made: list[str] = []
    real = BaseClient._make_api_call  # type: ignore[attr-defined]

    def make(client: Any, operation: str, arguments: Any) -> Any:
        if operation != "UpdateSecurityGroupRuleDescriptionsIngress":
            return real(client, operation, arguments)
        made.append(operation)
        answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        raise ClientError(answer, operation)

    with patch.object(BaseClient, "_make_api_call", make):
        (problem,) = world.restore_quietly(group)
    assert len(made) == asked
    assert world.rules(group) == OPEN | {("tcp", 443, 443, "8.8.8.8/32"), ("tcp", 443, 443, "9.9.9.9/32")}
    assert "tcp/443 from 8.8.8.8/32, tcp/443 from 9.9.9.9/32: the description could not be written back" in problem
    assert code in problem
    assert "could not be written back" in world.people.comments[-1][1]
    assert not is_unfinished(world.stored(group))
    assert world.restore_quietly(group) == []
    assert "old" in str(world.described(group))
    assert "new" not in str(world.described(group))


def test_rules_that_stayed_are_no_difference(world: World) -> None:
    group, before = remediated(world, SSH, permission("tcp", (80, 80), "self", about="each other"))
    world.restore_quietly(group)
    assert world.described(group) == before


def test_two_remediations_since_the_backup(world: World) -> None:
    group, _ = remediated(world, SSH)
    first = world.backups.list(MAIN, REGION, group)[0].key
    world.ec2().authorize_security_group_ingress(
        GroupId=group, IpPermissions=[permission("tcp", (3389, 3389), ANYWHERE)]
    )
    assert world.batch().remediated == 1
    result = world.restore(group, "--batch", "--backup", f"s3://hammer-backup-bucket/{first}")
    assert result.exit_code == 0, result.output
    # What stands in for the rule that its owner made after the backup stays: the rule itself is not brought back.
    rdp = {("tcp", 3389, 3389, cidr) for cidr in RFC_1918}
    assert world.rules(group) == OPEN | rdp


def test_the_backup_from_before_a_restore_leads_forward_again(world: World) -> None:
    group, _ = remediated(world, SSH)
    closed = world.described(group)
    world.restore_quietly(group)
    newest = world.backups.list(MAIN, REGION, group)[0].key
    assert world.restore(group, "--batch", "--backup", newest).exit_code == 0
    assert world.described(group) == closed
    result = world.restore(group, "--dry-run")
    assert f"-> {newest}" not in result.output, "the newest from a remediation is meant unless one is named"


def test_restored_by_somebody_else_already(world: World) -> None:
    group, _ = remediated(world, SSH)
    added = [rule for rule in world.rules(group) if rule not in OPEN]
    world.ec2().authorize_security_group_ingress(GroupId=group, IpPermissions=[SSH])
    world.ec2().revoke_security_group_ingress(
        GroupId=group, IpPermissions=[permission("tcp", (22, 22), *(rule[3] for rule in added))]
    )
    result = world.restore(group, "--batch")
    assert result.exit_code == 0
    assert "it was as that says already" in result.output
    assert world.stored(group).remediation_details["restored"]
    assert len(world.backups_of(group)) == 1


def test_dry_run_shows_the_difference_and_changes_nothing(world: World) -> None:
    group, _ = remediated(world, SSH)
    closed = world.described(group)
    stored = world.stored(group)
    result = world.restore(group, "--dry-run")
    assert result.exit_code == 0
    assert "+ tcp/22 from 0.0.0.0/0 (ssh)" in result.output
    assert "- tcp/22 from 10.0.0.0/8 (Hammer: replaces 0.0.0.0/0 on 2026-11-22, SEC-1)" in result.output
    assert (world.described(group), world.stored(group)) == (closed, stored)
    assert len(world.backups_of(group)) == 1


def test_it_asks_at_a_terminal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    group, before = remediated(world, SSH)
    assert world.restore(group, answers="y\n").exit_code == 2, "no terminal"
    monkeypatch.setattr("remediation.restore_security_groups.has_terminal", lambda: True)
    assert "nothing changed" in world.restore(group, answers="n\n").output
    assert "nothing changed" in world.restore(group, answers="").output
    explained = world.restore(group, answers="?\nn\n").output
    assert explained.count("Restore it? y(es), n(o), ?:") == 2
    assert "y  change the group as shown" in explained
    assert "nothing changed" in explained
    assert world.rules(group) != OPEN
    assert world.restore(group, answers="y\n").exit_code == 0
    assert world.described(group) == before


def test_in_another_account_and_without_an_issue(world: World) -> None:
    group, before = remediated(world, SSH, account=MEMBER)
    world.sessions.client("dynamodb").delete_item(
        TableName="issues", Key={"account_id": {"S": MEMBER}, "issue_id": {"S": group}}
    )
    assert world.restore(group, "--batch", account=MEMBER).exit_code == 0
    assert world.described(group, MEMBER) == before
    issue = world.stored(group, MEMBER)
    assert issue.status is Status.CLOSED
    assert issue.remediation_details["restored"]


CANNOT: dict[str, tuple[list[str], str]] = {
    "no such backup": (["--backup", "security_groups/x.json"], "security_groups/x.json is not a backup of this group"),
    "gone": ([], "the group does not exist any more"),
}


@pytest.mark.parametrize(("options", "reason"), CANNOT.values(), ids=CANNOT)
def test_what_cannot_be_restored(world: World, options: list[str], reason: str) -> None:
    group, _ = remediated(world, SSH)
    if not options:
        world.ec2().delete_security_group(GroupId=group)
    result = world.restore(group, "--batch", *options)
    assert result.exit_code == 1
    assert f"hammer: {group} in {MAIN}, {REGION}: {reason}" in result.output


def test_a_group_without_backup(world: World) -> None:
    group = world.group(SSH)
    result = world.restore(group, "--batch")
    assert (result.exit_code, "there is no backup of this group" in result.output) == (1, True)


@pytest.mark.parametrize("options", [["--batch", "--group", "sg-2"], ["--batch", "--account", MEMBER]])
def test_exactly_one_group_is_named(world: World, options: list[str]) -> None:
    assert world.restore("sg-1", *options).exit_code == 2


@pytest.mark.moto_table("many runs")
@pytest.mark.usefixtures("table_in_memory")
@pytest.mark.parametrize("fault", [error, time_out_after_it_was_made, killed_after])
def test_a_fault_at_every_change_of_a_restore(world: World, fault: Fault) -> None:
    """The calls that write. An interrupted restore is continued by who asked for it, and by nobody else."""
    for at in count():
        group, open_ = remediated(world, SSH, permission("tcp", (443, 443), ANYWHERE, "self"))
        closed = world.described(group)
        world.clock += 2 * LEASE
        notified = True
        with calls(fault, at, WRITES) as seen:
            try:
                notified = bool(world.restore_quietly(group))
            except (KilledError, *AWS_ERRORS):
                pass
        if at >= len(seen.made):
            break
        where = f"{fault.__name__} at call {at}, {seen.made[at]}"
        issue, state = world.stored(group), world.described(group)
        flagged = bool(issue.remediation_details.get("restored"))
        assert state == closed or flagged, where
        if not is_unfinished(issue):
            assert state in (open_, closed), where
            assert notified or flagged, where
        world.clock += 2 * LEASE
        problems = world.batch().problems
        if flagged:
            assert world.described(group) == state, where
        if is_unfinished(issue) and issue.remediation_details["journal"]["step"] == "verifying":
            assert problems == [], where
            assert not is_unfinished(world.stored(group)), f"{where}: EC2 only had to show it"
        elif is_unfinished(issue):
            (problem,) = problems
            assert "a restore by tester was interrupted, and no other run continues it" in problem, where
        else:
            assert problems == [], where
        world.clock += 2 * LEASE
        assert world.restore_quietly(group) == [], where
        assert world.described(group) == open_, where
        issue = world.stored(group)
        assert not is_unfinished(issue), where
        assert issue.remediation_details["restored"], where
        world.sessions.client("dynamodb").delete_item(
            TableName="issues", Key={"account_id": {"S": MAIN}, "issue_id": {"S": group}}
        )
    assert at > 6


@pytest.mark.parametrize("options", [["--batch"], ["--dry-run"], ["--release"]], ids=lambda options: options[0])
def test_a_group_that_nobody_knows_is_wrong_usage(world: World, options: list[str]) -> None:
    result = world.restore("sg-00000000deadbeef0", *options)
    assert result.exit_code == 2
    assert "no group sg-00000000deadbeef0 in " in result.output
