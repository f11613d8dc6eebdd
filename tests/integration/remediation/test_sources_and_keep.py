"""`remediation_sources` and `remediate --keep` against the emulated AWS; waiting where somebody works."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from library.issues.use import SourceClass, Use, UseRule, UseSource, UseVerdict
from library.jobs.command_line import Selection
from library.network.addresses import parse_network
from remediation.journal import is_unfinished
from remediation.runs import BatchRun
from tests.worlds.aws_faults import KilledError, calls
from tests.worlds.remediation_world import ANYWHERE, NOW, World, permission, world

SSH = permission("tcp", (22, 22), ANYWHERE)


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def a_list(made: World, *cidrs: str) -> str:
    entries = [{"Cidr": cidr} for cidr in cidrs]
    made_list = made.ec2().create_managed_prefix_list(
        PrefixListName="office", MaxEntries=5, AddressFamily="IPv4", Entries=entries
    )
    name: str = made_list["PrefixList"]["PrefixListId"]
    return name


def test_an_open_source_is_replaced_by_what_is_configured(world: World) -> None:
    office = a_list(world, "10.1.0.0/16")
    world.configure(remediation_sources=["10.9.0.0/16", office])
    group = world.group(SSH)
    world.issue(group)
    result = world.remediate("--batch")
    assert result.exit_code == 0, result.output
    assert world.rules(group) == {("tcp", 22, 22, "10.9.0.0/16"), ("tcp", 22, 22, office)}


def test_a_list_with_public_addresses_changes_nothing(world: World) -> None:
    world.configure(remediation_sources=["10.9.0.0/16", a_list(world, "10.1.0.0/16", "8.8.8.0/24")])
    group = world.group(SSH)
    world.issue(group)
    result = world.remediate("--batch")
    assert result.exit_code == 1
    assert "has addresses that are public and not in trusted_cidrs" in result.output
    assert world.rules(group) == {("tcp", 22, 22, ANYWHERE)}


def test_kept_sources_are_added_and_say_who_kept_them(world: World) -> None:
    world.configure(remediation_sources=["10.9.0.0/16"])
    group = world.group(SSH)
    world.issue(group)
    shown = world.remediate("--dry-run", "--group", group, "--keep", "9.9.9.7/32")
    assert "9.9.9.7/32" in shown.output
    assert world.rules(group) == {("tcp", 22, 22, ANYWHERE)}
    result = world.remediate("--batch", "--group", group, "--keep", "9.9.9.7/32, 8.8.8.0/28")
    assert result.exit_code == 0, result.output
    assert world.rules(group) == {
        ("tcp", 22, 22, "10.9.0.0/16"),
        ("tcp", 22, 22, "9.9.9.7/32"),
        ("tcp", 22, 22, "8.8.8.0/28"),
    }
    world.batch()
    assert ("tcp", 22, 22, "9.9.9.7/32") in world.rules(group)


def test_what_no_replaced_rule_admits_refuses_the_whole(world: World) -> None:
    group = world.group(SSH)
    world.issue(group)
    result = world.remediate("--batch", "--group", group, "--keep", "9.9.9.7/32,2a01::7/128")
    assert result.exit_code == 1
    assert "2a01::7/128 cannot be kept: no replaced rule admits all of it" in result.output
    assert world.rules(group) == {("tcp", 22, 22, ANYWHERE)}


@pytest.mark.parametrize("mode", ["--batch", "--dry-run"])
def test_a_choice_is_about_one_group(world: World, mode: str) -> None:
    """A refusal is of the whole: of two groups one could be changed before the other is refused."""
    fits, lacks = world.group(SSH), world.group(permission("tcp", (22, 22), "8.8.8.0/24"))
    for group in (fits, lacks):
        world.issue(group)
    result = world.remediate(mode, "--group", fits, "--group", lacks, "--keep", "9.9.9.7/32")
    assert result.exit_code == 2, result.output
    assert "--keep is a choice about one group" in result.output
    assert world.rules(fits) == {("tcp", 22, 22, ANYWHERE)}


@pytest.mark.parametrize("arguments", [["--keep", "office"], ["--keep", "9.9.9.7"]], ids=["no CIDR", "no group"])
def test_wrong_usage(world: World, arguments: list[str]) -> None:
    group = world.group(SSH)
    world.issue(group)
    more = ["--group", group] if arguments[1] == "office" else []
    assert world.remediate("--batch", *arguments, *more).exit_code == 2


def test_an_issue_through_which_somebody_works_waits_once_and_no_longer(world: World) -> None:
    world.configure(remediation_retention_period=7, remediation_wait_in_use_days=5)
    group = world.group(SSH)
    use = Use(NOW - timedelta(days=14), NOW, Decimal(1), UseVerdict.WORKING)
    world.issue(group, reported_days=10, use=use.to_item())
    world.batch()
    assert world.rules(group) == {("tcp", 22, 22, ANYWHERE)}
    world.clock += timedelta(days=2)
    world.batch()
    assert ("tcp", 22, 22, ANYWHERE) not in world.rules(group)


KEEPER = "9.9.9.7/32"
WORKED = UseSource("9.9.9.7", SourceClass.WORKING, 22, NOW - timedelta(days=9), NOW - timedelta(hours=3), 3, 900, 9000)


def a_use(*keep: str) -> Use:
    rule = UseRule("tcp", 22, 22, ANYWHERE, counts={"working": 1}, sources=(WORKED,))
    return Use(NOW - timedelta(days=14), NOW, Decimal(1), UseVerdict.WORKING, rules=(rule,), keep=keep or (KEEPER,))


def described(made: World, group: str) -> None:
    """A scan sees the group as it is."""
    issue, perms = made.stored(group), made.exposures(group)
    status = "open_completely" if any(each.status == "open_completely" for each in perms) else "open_partly"
    details = replace(issue.details, perms=perms, status=status)  # type: ignore[arg-type]
    made.table.update(issue, {"issue_details": details.to_item()})


def test_at_the_terminal_the_proposed_are_offered_and_none_is_preset(world: World) -> None:
    group = world.group(SSH)
    world.issue(group, use=a_use(KEEPER, "9.9.9.16/28").to_item())
    assert world.by_hand("", "y").remediated == 1
    said = "\n".join(world.people.said)
    assert "  1  9.9.9.7/32: admits 1 address, 1 of them worked, last 2026-11-22 00:00 UTC" in said
    assert "  2  9.9.9.16/28: admits 16 addresses" in said
    assert world.rules(group) == {("tcp", 22, 22, cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")}


@pytest.mark.parametrize("scope", [["open_completely"], ["open_completely", "open_partly"]])
def test_whom_a_person_chooses_is_kept_and_left_alone_until_somebody_decides(world: World, scope: list[str]) -> None:
    world.configure(remediation_sources=["10.9.0.0/16"], remediation_scope=scope)
    group = world.group(SSH)
    world.issue(group, use=a_use(KEEPER, "9.9.9.16/28").to_item())
    assert world.by_hand("nonsense", "3", "1", "y").remediated == 1
    assert "  numbers from 1 to 2, or nothing" in world.people.said
    kept = {("tcp", 22, 22, "10.9.0.0/16"), ("tcp", 22, 22, KEEPER)}
    assert world.rules(group) == kept
    (item,) = world.stored(group).remediation_details["kept"]
    assert (item["cidr"], item["from_port"], item["protocol"]) == (KEEPER, 22, "tcp")
    (_, notified) = world.people.comments[-1]
    assert f"tcp/22 from {KEEPER} is kept by" in notified
    described(world, group)
    world.clock += timedelta(days=60)
    summary = world.batch()
    assert (summary.remediated, summary.problems) == (0, [])
    assert world.rules(group) == kept
    assert world.by_hand("y", include_not_due=True).remediated == ("open_partly" in scope)
    assert (("tcp", 22, 22, KEEPER) in world.rules(group)) == ("open_partly" not in scope)
    if "open_partly" in scope:
        assert world.stored(group).remediation_details["kept"] == []


def test_who_stops_at_the_question_changes_nothing(world: World) -> None:
    group = world.group(SSH)
    world.issue(group, use=a_use().to_item())
    assert world.by_hand("q").remediated == 0
    assert world.rules(group) == {("tcp", 22, 22, ANYWHERE)}


def test_what_is_opened_beside_a_kept_source_is_closed_and_the_kept_one_stays(world: World) -> None:
    world.configure(remediation_sources=["10.9.0.0/16"], remediation_scope=["open_completely", "open_partly"])
    group = world.group(SSH)
    world.issue(group)
    assert world.remediate("--batch", "--group", group, "--keep", KEEPER).exit_code == 0
    world.ec2().authorize_security_group_ingress(GroupId=group, IpPermissions=[SSH])
    described(world, group)
    world.clock += timedelta(days=1)
    world.batch()
    assert world.rules(group) == {("tcp", 22, 22, "10.9.0.0/16"), ("tcp", 22, 22, KEEPER)}


def test_a_proposal_of_one_group_is_not_kept_in_the_next(world: World) -> None:
    world.configure(remediation_sources=["10.9.0.0/16"])
    first, second = sorted((world.group(SSH), world.group(SSH)))
    world.issue(first, use=a_use().to_item())
    world.issue(second)
    assert world.by_hand("1", "y", "y").remediated == 2
    assert world.rules(second) == {("tcp", 22, 22, "10.9.0.0/16")}


def test_a_restore_ends_what_was_kept(world: World) -> None:
    world.configure(remediation_sources=["10.9.0.0/16"])
    group = world.group(SSH)
    world.issue(group)
    assert world.remediate("--batch", "--group", group, "--keep", KEEPER).exit_code == 0
    assert len(world.stored(group).remediation_details["kept"]) == 1
    world.clock += timedelta(minutes=10)
    assert world.restore_quietly(group) == []
    assert world.rules(group) == {("tcp", 22, 22, ANYWHERE)}
    assert world.stored(group).remediation_details["kept"] == []


def test_a_change_with_kept_sources_that_a_run_left_unfinished_is_completed_after_a_scan(world: World) -> None:
    world.configure(remediation_sources=["10.9.0.0/16"], remediation_scope=["open_completely", "open_partly"])
    group = world.group(SSH)
    world.issue(group)
    with calls() as seen:
        seen.watch = _dies_after_the_revoke
        with pytest.raises(KilledError):
            world.remediate("--batch", "--group", group, "--keep", KEEPER)
    assert world.rules(group) == {("tcp", 22, 22, "10.9.0.0/16"), ("tcp", 22, 22, KEEPER)}
    assert is_unfinished(world.stored(group))
    described(world, group)  # all that the issue has now is what was kept
    world.clock += timedelta(minutes=20)
    assert world.batch().problems == []
    assert not is_unfinished(world.stored(group))
    assert world.rules(group) == {("tcp", 22, 22, "10.9.0.0/16"), ("tcp", 22, 22, KEEPER)}


def _dies_after_the_revoke(operation: str) -> None:
    if operation == "RevokeSecurityGroupIngress":
        raise KilledError(operation)


def test_a_kept_source_goes_again_where_the_owner_had_closed_the_rule_already(world: World) -> None:
    """The owner closes SSH before Hammer does: then nothing of Hammer's is to keep it open, nor to stand in for it."""
    world.configure(remediation_sources=["10.9.0.0/16"])
    group = world.group(SSH, permission("tcp", (3389, 3389), ANYWHERE))
    world.issue(group)
    with calls(only=("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress")) as seen:

        def closed_by_the_owner(_: str) -> None:
            if len(seen.made) == 1:
                world.ec2().revoke_security_group_ingress(GroupId=group, IpPermissions=[SSH])

        seen.watch = closed_by_the_owner
        world.remediate("--batch", "--group", group, "--keep", KEEPER)
    world.clock += timedelta(minutes=20)
    assert world.batch().problems == []
    left = {("tcp", 3389, 3389, "10.9.0.0/16"), ("tcp", 3389, 3389, KEEPER)}
    assert world.rules(group) == left, "what no closed rule needs is taken away"
    kept = world.stored(group).remediation_details["kept"]
    assert [item["from_port"] for item in kept] == [3389], "nobody keeps what is gone"


def test_a_keep_that_is_refused_leaves_an_unfinished_change_as_it_is(world: World) -> None:
    """The whole is refused: what stands in for the rule, which the next run closes, stays."""
    group = world.group(SSH)
    world.issue(group)
    with calls() as seen:
        seen.watch = _dies_after_the_rules_were_added
        with pytest.raises(KilledError):
            world.batch()
    there = world.rules(group)
    assert ("tcp", 22, 22, "10.0.0.0/8") in there
    world.clock += timedelta(minutes=40)
    tools = world.tools()
    tools.keep = (parse_network("2a01::7/128"),)
    try:
        summary = BatchRun(tools, lambda: world.config, Selection.of(None, None, (group,)), world.people).run()
    finally:
        tools.lock.release()
    assert "cannot be kept" in summary.problems[0]
    assert world.rules(group) == there
    assert world.batch().remediated == 1


def _dies_after_the_rules_were_added(operation: str) -> None:
    if operation == "AuthorizeSecurityGroupIngress":
        raise KilledError(operation)
