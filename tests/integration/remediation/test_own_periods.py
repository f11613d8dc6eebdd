"""Only what people were told of for long enough is closed; what is new in an old issue is left until its own date."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from library.issues.decision_record import CloseNow, DecisionState, KeptSource
from library.issues.issue import IssueDetails
from library.issues.notified_exposures import NotifiedExposures, exposure_texts
from library.security_groups.exposure import Exposure, exposure_key
from tests.worlds.aws_faults import calls
from tests.worlds.remediation_world import ANYWHERE, NOW, REGION, World, permission, world

SSH, RDP = permission("tcp", (22, 22), ANYWHERE), permission("tcp", (3389, 3389), ANYWHERE)
SSH_OPEN = Exposure("tcp", 22, 22, ANYWHERE, "open_completely")
RDP_OPEN = Exposure("tcp", 3389, 3389, ANYWHERE, "open_completely")


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, remediation_retention_period=21) as made:
        yield made


def issue(world: World, group: str, *perms: Exposure, **more: Any) -> None:
    details = IssueDetails(group, REGION, "vpc-1", "open_completely", {}, perms).to_item()
    world.issue(group, issue_details=details, occurrence=1, **more)


def open_ports(world: World, group: str) -> set[int | None]:
    return {first for _, first, _, source in world.rules(group) if source == ANYWHERE}


def test_what_no_scan_has_seen_yet_is_left(world: World) -> None:
    group = world.group(SSH, RDP)
    issue(world, group, SSH_OPEN)
    summary = world.batch()
    assert (summary.remediated, summary.problems) == (1, [])
    assert open_ports(world, group) == {3389}
    assert world.batch().problems == []
    assert open_ports(world, group) == {3389}


@pytest.mark.parametrize(("days", "left"), [(20, {3389}), (21, set())])
def test_what_was_told_later_is_closed_at_its_own_date(world: World, days: int, left: set[int]) -> None:
    group = world.group(SSH, RDP)
    since = (NOW - timedelta(days=days)).isoformat()
    notified = NotifiedExposures(1, exposure_texts([SSH_OPEN]), {since: exposure_texts([RDP_OPEN])})
    issue(world, group, SSH_OPEN, RDP_OPEN, exposures_told=notified.to_item())
    assert world.batch().problems == []
    assert open_ports(world, group) == left


def test_a_prefix_list_waits_for_its_newest_entry(world: World) -> None:
    listed = world.prefix_list("0.0.0.0/1", "128.0.0.0/1")
    group = world.group(permission("tcp", (22, 22), listed))
    issue(world, group, Exposure("tcp", 22, 22, "0.0.0.0/1", "open_completely", listed))
    before = world.rules(group)
    assert world.batch().problems == []
    assert world.rules(group) == before


def test_a_dry_run_says_what_waits(world: World) -> None:
    group = world.group(SSH, RDP)
    issue(world, group, SSH_OPEN)
    shown = world.remediate("--dry-run").output
    assert "with a retention period of its own: tcp/3389 from 0.0.0.0/0 (not reported yet)" in " ".join(shown.split())


def test_a_decision_to_close_now_is_carried_out_once_though_something_new_is_left(world: World) -> None:
    """What was decided on is closed, and what nobody saw waits. What its owner opens again is decided about anew."""
    group = world.group(SSH, RDP)
    close_now = CloseNow("ana", NOW - timedelta(hours=1), 1, frozenset({exposure_key(SSH_OPEN)}))
    issue(world, group, SSH_OPEN, reported_days=1, **DecisionState(close_now=close_now).to_item())
    assert world.batch().remediated == 1
    assert open_ports(world, group) == {3389}
    world.clock += timedelta(days=3)
    world.ec2().authorize_security_group_ingress(GroupId=group, IpPermissions=[SSH])
    summary = world.batch()
    assert (summary.remediated, summary.problems) == (0, [])
    assert open_ports(world, group) == {22, 3389}


def test_people_are_told_that_a_run_left_something_open(world: World) -> None:
    world.configure(remediation_scope=["open_completely"])
    office = permission("tcp", (3389, 3389), "8.8.8.0/24")
    lines = []
    for group in (world.group(SSH, RDP), world.group(SSH, office), world.group(SSH)):
        issue(world, group, SSH_OPEN)
        assert world.batch(group).remediated == 1
        ((_, text),) = (comment for comment in world.people.comments if comment[0] == group)
        lines.append([line for line in text.splitlines() if "still open" in line])
    assert lines == [
        [
            "Some of it is still open, and was left: new, with a retention period of its own: "
            "tcp/3389 from 0.0.0.0/0 (not reported yet)."
        ],
        ["Some of it is still open, and was left: open_partly, and remediation_scope is open_completely."],
        [],
    ]


def test_a_decision_that_comes_while_the_group_is_changed_is_not_lost(world: World) -> None:
    """Nobody keeps the decision from the next run because a run that began before it closed something else."""
    group = world.group(SSH, RDP)
    since = (NOW - timedelta(days=1)).isoformat()
    notified = NotifiedExposures(1, exposure_texts([SSH_OPEN]), {since: exposure_texts([RDP_OPEN])})
    issue(world, group, SSH_OPEN, RDP_OPEN, exposures_told=notified.to_item())
    stored = world.stored(group)
    with calls(only=("RevokeSecurityGroupIngress",)) as seen:

        def decided_meanwhile(_: str) -> None:
            exposures = frozenset({exposure_key(SSH_OPEN), exposure_key(RDP_OPEN)})
            state = DecisionState(close_now=CloseNow("ana", world.clock, 1, exposures))
            world.table.update(stored, state.to_item())

        seen.watch = decided_meanwhile
        assert world.batch().remediated == 1
    assert open_ports(world, group) == {3389}
    assert world.batch().remediated == 1
    assert open_ports(world, group) == set()


def test_a_decision_on_what_a_person_kept_is_not_lost_while_the_group_is_changed(world: World) -> None:
    """The change that ends with nothing but a kept rule left has not carried out what nobody had decided before."""
    office = "8.8.8.0/24"
    world.configure(remediation_scope=["open_completely", "open_partly"])
    group = world.group(permission("tcp", (22, 22), office), RDP)
    office_open = Exposure("tcp", 22, 22, office, "open_partly")
    kept = KeptSource("tcp", 22, 22, office, "jane", NOW - timedelta(days=9)).to_item(1)
    issue(world, group, office_open, RDP_OPEN, remediation_details={"kept": [kept]})
    stored = world.stored(group)
    with calls(only=("RevokeSecurityGroupIngress",)) as seen:

        def decided_meanwhile(_: str) -> None:
            exposures = frozenset({exposure_key(office_open), exposure_key(RDP_OPEN)})
            world.table.update(stored, DecisionState(close_now=CloseNow("ana", world.clock, 1, exposures)).to_item())
            world.clock += timedelta(seconds=1)

        seen.watch = decided_meanwhile
        assert world.batch().remediated == 1
    assert world.exposed(group) == {(office, "open_partly")}
    assert world.batch().remediated == 1
    assert world.exposed(group) == set()
    world.ec2().authorize_security_group_ingress(GroupId=group, IpPermissions=[permission("tcp", (22, 22), ANYWHERE)])
    world.clock += timedelta(days=3)
    assert world.batch().remediated == 0
