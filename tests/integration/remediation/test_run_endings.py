"""Whatever ends a run, what was changed is told; and one odd row, or one odd object, stops nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError

from library.aws.lock import LockedError
from library.config import Configuration
from library.errors import ConflictError
from library.issues.change_notifications import Channel
from library.issues.issue import Issue
from library.jobs.run import InterruptedRunError, stop_at_signals
from library.security_groups.group import IngressRule, rule_key
from remediation import restore, runs
from remediation.context import RemediationContext
from remediation.journal import is_unfinished
from remediation.remediate import Assessment, GroupWork, assess
from remediation.rules import lets_in_all_of
from tests.worlds.aws_faults import KilledError
from tests.worlds.eventual_world import ACCOUNT, BUCKET, REGION, EventualWorld
from tests.worlds.lagging_ec2 import AUTHORIZE, FAULTS, GROUPS, REVOKE, RULES, State

SSH = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", description="ssh")
RDP = IngressRule("tcp", 3389, 3389, cidr="::/0")
TEN = IngressRule("tcp", 22, 22, cidr="10.0.0.0/8", description="theirs")
PRIVATE = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> EventualWorld:
    return EventualWorld(tmp_path)


def sources(world: EventualWorld, group: str) -> set[str]:
    return {rule.cidr for rule in world.ec2.rules(group).values()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_that_tells_what_it_did(world: EventualWorld, number: signal.Signals) -> None:
    """Defect 8. The signal comes while the third group is being changed."""
    groups = [world.group(SSH) for _ in range(5)]
    world.ec2.acts = {5: lambda: os.kill(os.getpid(), number)}
    run = world.new_batch()
    with pytest.raises(InterruptedRunError), stop_at_signals():
        run.run()
    assert run.summary.remediated == 2
    assert [heading for heading, _ in world.people.alerts] == ["Remediated", "Remediated", "Not complete yet"]
    assert [group for group, _ in world.people.comments] == groups[:3]
    assert run.summary.problems == [
        f"{groups[2]} in {ACCOUNT}, {REGION}: not complete yet: stopped by {number.name}",
        f"stopped by {number.name}: 2 groups were not looked at",
    ]
    world.ec2.acts = {}
    assert world.batch().problems == []
    assert all(sources(world, group) == PRIVATE for group in groups)


def test_a_signal_while_waiting_for_ec2(world: EventualWorld) -> None:
    world.ec2.lags = {RULES: 60, GROUPS: 60}
    group = world.group(SSH)
    sleep = world.clock.sleep

    def interrupted(seconds: float) -> None:
        sleep(seconds)
        if world.clock.slept > 5:
            raise InterruptedRunError("stopped by SIGTERM")

    world.clock.sleep = interrupted  # type: ignore[method-assign]
    run = world.new_batch()
    with pytest.raises(InterruptedRunError):
        run.run()
    ((heading, text),) = world.people.alerts
    assert heading == "Not complete yet"
    assert "Revoked so far: tcp/22 from 0.0.0.0/0 (ssh)" in text
    assert sources(world, group) == PRIVATE


def test_a_run_that_loses_the_lock_stops_at_once_and_tells_what_it_did(world: EventualWorld) -> None:
    groups = [world.group(SSH) for _ in range(3)]
    world.lock.taken_over_after = 6
    run = world.new_batch()
    with pytest.raises(LockedError):
        run.run()
    made = list(world.ec2.made)
    assert run.summary.problems
    assert sum(sources(world, group) == {"0.0.0.0/0"} for group in groups) >= 1
    world.lock.taken_over_after = -1
    world.ec2.made.clear()
    assert world.batch().problems == []
    assert all(sources(world, group) == PRIVATE for group in groups)
    assert made


@pytest.mark.parametrize("after", range(8))
def test_a_run_that_loses_the_lock_tells_what_became_of_each_group(world: EventualWorld, after: int) -> None:
    """A host that slept goes on where it was: what is complete by then is not told as left alone."""
    groups = [world.group(SSH) for _ in range(2)]
    world.lock.taken_over_after = after
    with suppress(LockedError):  # after the last group nothing is left to be stopped
        world.batch()
    unchanged = [group for group, text in world.people.comments if "changed nothing" in text]
    assert all(sources(world, group) == {"0.0.0.0/0"} for group in unchanged)
    complete = [group for group in groups if world.entry(group) and not is_unfinished(world.stored(group))]
    assert complete == [group for group, text in world.people.comments if text.startswith("Hammer closed the group")]


def test_a_signal_right_after_a_change_is_recorded_as_complete(world: EventualWorld) -> None:
    group = world.group(SSH)
    run = world.new_batch()
    with (
        patch.object(world.lock, "mark_finished", lambda *_: os.kill(os.getpid(), signal.SIGTERM)),
        pytest.raises(InterruptedRunError),
        stop_at_signals(),
    ):
        run.run()
    assert [heading for heading, _ in world.people.alerts] == ["Remediated"]
    assert (run.summary.remediated, run.summary.problems) == (1, [])
    assert sources(world, group) == PRIVATE


ODD: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "no details": (lambda item: item.pop("issue_details"), "its item in the issue table is not as it should be"),
    "restored: true": (
        lambda item: item.update(remediation_details={"restored": True}),
        "remediation_details.restored is not a map",
    ),
    "a journal that is none": (
        lambda item: item.update(remediation_details={"journal": {"step": "dancing"}}),
        "remediation_details cannot be read: 'dancing' is not a valid JournalStep",
    ),
    "a journal that is a text": (
        lambda item: item.update(remediation_details={"journal": "adding"}),
        "remediation_details cannot be read: ",
    ),
    "a rule without a protocol": (
        lambda item: item.update(
            remediation_details={
                "journal": {"kind": "remediation", "step": "adding", "backup": "k", "add": [{}], "revoke": []}
            }
        ),
        "remediation_details cannot be read: ",
    ),
    "a status that is none": (
        lambda item: item.update(status="bogus"),
        "its item in the issue table is not as it should be: 'bogus' is not a valid Status",
    ),
    "an occurrence that is no number": (
        lambda item: item.update(occurrence="often"),
        "its item in the issue table is not as it should be",
    ),
}


@pytest.mark.parametrize(("spoil", "reason"), ODD.values(), ids=ODD)
@pytest.mark.parametrize("marked", [False, True], ids=["", "the lock names it"])
def test_an_odd_row_is_named_and_the_others_are_remediated(
    world: EventualWorld, spoil: Callable[[dict[str, Any]], None], reason: str, *, marked: bool
) -> None:
    """Defect 12."""
    odd, group = world.group(SSH), world.group(SSH)
    spoil(world.table.items[ACCOUNT, odd])
    if marked:
        world.lock.unfinished.add((ACCOUNT, REGION, odd))
    summary = world.batch()
    assert summary.remediated == 1
    assert sources(world, group) == PRIVATE
    assert sources(world, odd) == {"0.0.0.0/0"}
    assert all(problem.startswith(f"{odd} in {ACCOUNT}") for problem in summary.problems)
    assert reason in summary.problems[0]
    if not marked:
        assert world.batch(group).problems == []


def test_one_unreadable_backup_names_itself_and_blocks_nothing(world: EventualWorld) -> None:
    """Defect 5."""
    group = world.group(SSH)
    assert world.batch().problems == []
    (key,) = world.backups(group)
    odd = key.replace(".json", "0.json").replace("T03", "T04")
    world.bucket.objects[odd] = b"{"
    world.clock.pass_by(3600)
    assert world.restore(group) == []
    assert sources(world, group) == {"0.0.0.0/0"}
    assert any(odd in line and "cannot be read" in line for line in map(str, world.people.said))
    assert world.restore(group, key) == []
    problems = []
    try:
        world.restore(group, odd)
    except Exception as error:  # noqa: BLE001
        problems.append(str(error))
    assert "is not JSON" in problems[0]


def restored_and_forward_again(world: EventualWorld) -> tuple[str, str]:
    """A group with a private rule of its owner's, restored; and the backup that leads to its closed state again."""
    group = world.group(SSH, TEN)
    assert world.batch().problems == []
    world.clock.pass_by(3600)
    assert world.restore(group) == []
    world.clock.pass_by(3600)
    world.ec2.made.clear()
    return group, world.backups(group)[-1]


@pytest.mark.parametrize("lag", [{}, {RULES: 16}, {GROUPS: 60, RULES: 60}], ids=["no lag", "16 s", "60 s"])
@pytest.mark.parametrize("at", [0, 1], ids=["before the adding", "before it is asked for"])
@pytest.mark.parametrize("is_edited", [False, True], ids=["takes it away", "edits it"])
def test_a_private_rule_that_a_restore_relies_on_is_asked_for(
    world: EventualWorld, lag: dict[str, float], at: int, *, is_edited: bool
) -> None:
    """Its owner takes it away after the restore has looked: the rule goes with which the access would be left."""
    group, forward = restored_and_forward_again(world)
    world.ec2.lags = dict(lag)
    act = partial(world.ec2.edit, group, TEN, cidr="8.8.8.0/24") if is_edited else partial(world.ec2.remove, group, TEN)
    world.ec2.acts = {at: act}
    seen: list[bool] = []

    def watch(_operation: str, _before: State, after: State) -> None:
        seen.append(
            all(any(lets_in_all_of(rule, TEN._replace(cidr=each)) for rule in after[group]) for each in PRIVATE)
        )

    world.ec2.watch = watch
    world.restore(group, forward)
    assert seen
    assert all(seen)
    world.ec2.acts = {}
    world.clock.pass_by(3600)
    assert world.restore(group, forward) == []
    assert sources(world, group) == PRIVATE | ({"8.8.8.0/24"} if is_edited else set())
    assert world.ec2.rules(group)[rule_key(TEN)].description == TEN.description


def test_what_a_restore_added_once_more_is_not_taken_away_again(world: EventualWorld) -> None:
    """It was there in the first round. Its owner takes it away, and the second round adds it: the backup has it."""
    group, forward = restored_and_forward_again(world)
    world.ec2.lags = {GROUPS: 60, RULES: 60}
    world.ec2.fault = (2, FAULTS["lost_before"])
    world.ec2.acts = {3: partial(world.ec2.remove, group, TEN)}
    world.restore(group, forward)
    assert world.ec2.made[2:4] == [REVOKE, AUTHORIZE]
    assert sources(world, group) == PRIVATE


def test_a_restore_that_only_asked_what_is_there_has_changed_nothing(world: EventualWorld) -> None:
    """EC2 refuses the one revoke that it needs: its flag is taken back, and the group is as if nobody had tried."""
    group, forward = restored_and_forward_again(world)
    for cidr in PRIVATE:
        world.ec2.add(group, TEN._replace(cidr=cidr))
    flag = world.stored(group).remediation_details["restored"]
    world.ec2.fault = (3, FAULTS["refused"])
    assert world.restore(group, forward)
    assert world.ec2.made == [*[AUTHORIZE] * 3, REVOKE]
    assert not is_unfinished(world.stored(group))
    assert world.stored(group).remediation_details["restored"] == flag


@pytest.mark.parametrize("lag", [{}, {RULES: 16}, {GROUPS: 60, RULES: 60}], ids=["no lag", "16 s", "60 s"])
@pytest.mark.parametrize("is_default_vpc", [False, True], ids=["", "default VPC"])
def test_a_restore_leaves_what_an_owner_made_of_a_rule(
    world: EventualWorld, lag: dict[str, float], *, is_default_vpc: bool
) -> None:
    """A rule keeps its id when its owner edits it: Hammer's is gone, and theirs is not in the way of the restore."""
    group = world.group(SSH)
    assert world.batch().problems == []
    world.clock.pass_by(3600)
    world.ec2.made.clear()
    world.ec2.lags, world.ec2.is_default_vpc = dict(lag), is_default_vpc
    world.ec2.acts = {1: partial(world.ec2.edit, group, TEN, from_port=443, to_port=443, cidr="10.7.0.0/16")}
    world.restore(group)
    world.ec2.acts = {}
    world.clock.pass_by(3600)
    assert world.restore(group) == []
    assert sources(world, group) == {"0.0.0.0/0", "10.7.0.0/16"}


@pytest.mark.parametrize("lag", [{}, {RULES: 16}, {GROUPS: 60, RULES: 60}], ids=["no lag", "16 s", "60 s"])
def test_a_restore_right_after_a_remediation(world: EventualWorld, lag: dict[str, float]) -> None:
    """EC2 may still show the group as it was before the remediation."""
    group = world.group(SSH, RDP)
    world.ec2.lags = dict(lag)
    assert world.batch().problems == []
    assert world.restore(group) == []
    assert sources(world, group) == {"0.0.0.0/0", "::/0"}
    assert world.batch().problems == []
    assert sources(world, group) == {"0.0.0.0/0", "::/0"}, "it is flagged"
    assert world.release(group) == []
    world.clock.pass_by(3600)
    assert world.batch().problems == []
    assert sources(world, group) == PRIVATE


@pytest.mark.parametrize("fault", ["killed_before", "killed_after", "lost_after", "refused"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_interrupted_restore_is_continued_by_who_asked_for_it(world: EventualWorld, fault: str, at: int) -> None:
    group = world.group(SSH, RDP)
    assert world.batch().problems == []
    world.clock.pass_by(3600)
    world.ec2.made.clear()
    world.ec2.fault = (at, FAULTS[fault])
    with suppress(KilledError):
        world.restore(group)
    world.ec2.fault = None
    before = sources(world, group)
    world.clock.pass_by(3600)
    entry = world.entry(group)
    assert entry is not None
    if not entry.step.is_finished:
        assert world.stored(group).remediation_details["restored"], "the flag is written before the first change"
        (problem,) = world.batch().problems
        assert (
            "a restore by tester was interrupted, and no other run continues it. Run it again: hammer restore"
            in problem
        )
        assert sources(world, group) == before
        heading, alert = world.people.alerts[-1]
        assert heading == "Restore not complete"
        location = f"--account {ACCOUNT} --region {REGION} --group {group}"
        assert alert.splitlines()[1] == (
            "A restore of the group by tester was interrupted. No other run continues it, and automatic remediation "
            "leaves the group alone until somebody decides."
        )
        assert alert.splitlines()[-3:] == [
            f"Backup: s3://{BUCKET}/{entry.restored_from}",
            f"Your security team can complete it on Hammer's host: hammer restore {location} --backup "
            f"{entry.restored_from}",
            f"Or let the group be remediated again: hammer restore --release {location}",
        ]
    assert world.restore(group) == []
    assert sources(world, group) == {"0.0.0.0/0", "::/0"}
    assert world.batch().problems == []


def test_a_release_that_lost_the_lock_gives_no_newer_restore_back(world: EventualWorld) -> None:
    """Its host slept before it read the issue, and somebody has restored the group again since."""
    group = world.group(SSH)
    world.batch()
    world.clock.pass_by(3600)
    assert world.restore(group) == []
    world.lock.taken_over_after = world.lock.renewals
    with pytest.raises(LockedError):
        world.release(group)
    assert world.stored(group).remediation_details["restored"]


def test_a_restore_that_lost_the_lock_flags_no_group_that_was_given_back_since(world: EventualWorld) -> None:
    """Its host slept, and found the group as its backup says: another run had restored it, and given it back."""
    group = world.group(SSH)
    world.batch()
    world.clock.pass_by(3600)
    renew = world.lock.renew

    def slept() -> None:
        renew()
        world.lock.renew = renew  # type: ignore[method-assign]
        assert world.restore(group) == world.release(group) == []
        world.lock.taken_over_after = world.lock.renewals

    world.lock.renew = slept  # type: ignore[method-assign]
    with pytest.raises(LockedError):
        world.restore(group)
    assert not world.stored(group).remediation_details["restored"]


def test_a_release_that_stalls_after_its_look_writes_over_no_newer_journal(world: EventualWorld) -> None:
    """Its host sleeps once more, after the lock was made sure of, and the restore is completed meanwhile."""
    group = world.group(SSH, RDP)
    world.batch()
    world.clock.pass_by(3600)
    world.ec2.made.clear()
    world.ec2.fault = (1, FAULTS["killed_before"])
    with suppress(KilledError):
        world.restore(group)
    world.ec2.fault = None
    world.clock.pass_by(3600)
    renew = world.lock.renew

    def completed_since() -> None:
        renew()
        world.lock.renew = renew  # type: ignore[method-assign]
        assert world.restore(group) == []

    world.lock.renew = completed_since  # type: ignore[method-assign]
    with pytest.raises(ConflictError):
        world.release(group)
    entry = world.entry(group)
    assert entry is not None
    assert not entry.problem
    assert {rule.cidr for rule in entry.closed} == PRIVATE
    assert world.stored(group).remediation_details["restored"]


@pytest.mark.parametrize("fault", ["killed_after", "lost_after", "refused"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_interrupted_exact_restore_is_continued_as_it_was_asked_for(
    world: EventualWorld, fault: str, at: int
) -> None:
    """The command without `--exact` would leave what others opened since, and flag the group as restored."""
    group = world.group(SSH, RDP)
    assert world.batch().problems == []
    world.clock.pass_by(3600)
    world.ec2.add(group, IngressRule("tcp", 22, 22, cidr="9.9.9.0/24"))
    world.ec2.made.clear()
    world.ec2.fault = (at, FAULTS[fault])
    problems: list[str] = []
    with suppress(KilledError):
        problems = world.restore(group, exact=True)
    alerts = world.people.alerts[1:]
    world.ec2.fault = None
    world.clock.pass_by(3600)
    entry = world.entry(group)
    assert entry is not None
    if not entry.step.is_finished:
        (problem,) = world.batch().problems
        alerts += world.people.alerts[-1:]
        problems = [each for each in problems if "hammer restore " in each] + [problem]
    commands = [
        line.partition("hammer restore ")[2]
        for line in "\n".join([*problems, *(text for _, text in alerts)]).replace(";", "\n").splitlines()
        if "hammer restore --account" in line
    ]
    assert all(command.endswith(" --exact") for command in commands), commands
    assert bool(commands) is (not entry.step.is_finished or fault == "refused")
    assert world.restore(group, exact=True) == []
    assert sources(world, group) == {"0.0.0.0/0", "::/0"}


def test_messages_say_who_can_run_the_command(world: EventualWorld) -> None:
    group = world.group(SSH)
    world.batch()
    assert world.restore(group) == []
    location = f"--account {ACCOUNT} --region {REGION} --group {group}"
    remediated, restored = (text.splitlines()[-1] for _, text in world.people.alerts)
    key = world.stored(group).remediation_details["backup"]
    assert remediated == (
        f"Your security team can bring it back on Hammer's host: hammer restore {location} --backup {key}"
    )
    assert restored == (
        f"Your security team can let it be remediated again, on Hammer's host: hammer restore --release {location}"
    )


JOURNALS_OF_0_1: dict[str, tuple[str, bool, set[str]]] = {
    # step, whether the rule is still there: what the group has in the end
    "adding, open": ("adding", True, PRIVATE),
    "adding, closed by its owner, or by Hammer": ("adding", False, PRIVATE),
    "revoking, open": ("revoking", True, PRIVATE),
    "revoking, closed by Hammer perhaps": ("revoking", False, PRIVATE),
    "verifying": ("verifying", False, PRIVATE),
    "undoing": ("undoing", True, PRIVATE),
}


@pytest.mark.parametrize(("step", "is_open", "expected"), JOURNALS_OF_0_1.values(), ids=JOURNALS_OF_0_1)
def test_a_journal_that_an_older_hammer_left(
    world: EventualWorld, step: str, expected: set[str], *, is_open: bool
) -> None:
    added = [
        IngressRule("tcp", 22, 22, cidr=cidr, description="Hammer: replaces 0.0.0.0/0") for cidr in sorted(PRIVATE)
    ]
    group = world.group(SSH, *added)
    ssh = next(rule for rule in world.ec2.rules(group).values() if rule.cidr == "0.0.0.0/0")
    world.bucket.objects["security_groups/old.json"] = b"{}"
    journal = {
        "kind": "remediation",
        "step": step,
        "backup": "security_groups/old.json",
        "add": [rule._asdict() for rule in added],
        "revoke": [ssh._asdict()],
        "describe": [],
        "restored_from": "",
        "run": "1",
        "by": "ana",
        "started": "2026-11-20T00:00:00+00:00",
        "changed": "2026-11-20T00:00:00+00:00",
        "problem": "",
    }
    world.table.items[ACCOUNT, group]["remediation_details"] = {
        "journal": journal,
        "backup": "security_groups/old.json",
    }
    if not is_open:
        world.ec2.remove(group, SSH)
    assert world.batch().problems == []
    assert sources(world, group) == expected
    entry = world.entry(group)
    assert entry is not None
    assert entry.step.is_finished


def test_what_is_said_of_a_group_that_hammer_remediated(world: EventualWorld) -> None:
    """Defect 7: it is not fixed by its owner."""
    group = world.group(SSH)
    assert world.batch().remediated == 1
    world.clock.pass_by(3600)
    assert world.batch().problems == []
    assert f"{group} in {ACCOUNT}, {REGION}: left as it is: remediated already: the next scan resolves its issue" in (
        world.people.said
    )


def notification_of(world: EventualWorld, group: str) -> list[str]:
    """What is recorded of a group for the reporting job, the oldest first."""
    return [notification.heading for notification in world.stored(group).change_notifications]


class TestKilledBeforeAnybodyIsTold:
    """What was done is recorded in the very write that says that it is complete, so that reporting tells it."""

    def test_a_remediation(self, world: EventualWorld) -> None:
        group = world.group(SSH)
        with patch.object(runs, "report_outcome", side_effect=KilledError), pytest.raises(KilledError):
            world.batch()
        assert sources(world, group) == PRIVATE
        assert notification_of(world, group) == ["Remediated"]
        (notification,) = world.stored(group).change_notifications
        assert not notification.notified & {Channel.JIRA, Channel.SLACK}
        assert world.people.alerts == []
        assert f"Backup: s3://{BUCKET}/{world.backups(group)[0]}" in notification.details
        assert world.batch().problems == []
        assert notification_of(world, group) == ["Remediated"]

    def test_rules_that_were_taken_away_again(self, world: EventualWorld) -> None:
        group = world.group(SSH)
        world.ec2.fault = (1, FAULTS["refused"])
        assert world.batch().problems
        world.ec2.fault = None
        world.ec2.remove(group, SSH)
        world.people.alerts.clear()
        with patch.object(runs, "report_outcome", side_effect=KilledError), pytest.raises(KilledError):
            world.batch()
        assert sources(world, group) == set()
        assert notification_of(world, group) == ["Not complete yet", "Completed"]
        assert world.people.alerts == []

    def test_a_restore(self, world: EventualWorld) -> None:
        group = world.group(SSH)
        world.batch()
        with patch.object(restore, "notify", side_effect=KilledError), pytest.raises(KilledError):
            world.restore(group)
        assert sources(world, group) == {"0.0.0.0/0"}
        assert notification_of(world, group) == ["Remediated", "Restored"]

    def test_a_restore_that_ec2_does_not_show_yet(self, world: EventualWorld) -> None:
        group = world.group(SSH)
        world.batch()
        world.clock.sleep(3600)
        world.ec2.lags = {RULES: 60, GROUPS: 60}
        with patch.object(restore, "wait_until_done", killed_when_it_waits), pytest.raises(KilledError):
            world.restore(group)
        world.clock.sleep(3600)
        world.batch()
        assert notification_of(world, group) == ["Remediated", "Restored"]
        assert [heading for heading, _ in world.people.alerts] == ["Remediated", "Restored"]

    def test_a_release(self, world: EventualWorld) -> None:
        group = world.group(SSH)
        world.batch()
        world.restore(group)
        with patch.object(restore, "notify", side_effect=KilledError), pytest.raises(KilledError):
            world.release(group)
        assert notification_of(world, group) == ["Remediated", "Restored", "Released"]


COUNTED_WRONGLY: dict[str, Callable[[EventualWorld, list[str]], Callable[[str], None]]] = {
    # what happens while the groups are counted that would be changed, given the group that is looked at
    "one cannot be read for a moment": lambda world, groups: lambda group: throttle_if(group == groups[0]),
    "one is opened after it was counted": lambda world, groups: (
        lambda group: world.ec2.add(groups[0], SSH) if group == groups[2] else None
    ),
}


def throttle_if(is_now: bool) -> None:
    if is_now:
        raise ClientError({"Error": {"Code": "RequestLimitExceeded"}}, "DescribeSecurityGroups")


@pytest.mark.parametrize("what", COUNTED_WRONGLY)
def test_no_more_groups_are_changed_than_the_limit_says(
    world: EventualWorld, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure(remediation_limit_per_run=2)
    groups = [world.group(*([] if "opened" in what else [SSH])), world.group(SSH), world.group(SSH)]
    happens, counted = COUNTED_WRONGLY[what](world, groups), assess

    def count(context: RemediationContext, config: Configuration, issue: Issue, **more: Any) -> Assessment:
        happens(issue.issue_id)
        return counted(context, config, issue, **more)

    monkeypatch.setattr(runs, "assess", count)
    summary = world.batch()
    assert summary.remediated == 2
    assert [world.exposed(group) for group in groups] == [False, False, True]
    assert [heading for heading, _ in world.people.alerts] == ["Remediated", "Remediated", "Remediation stopped"]
    stopped, left = summary.problems
    assert stopped.startswith("stopped: 2 groups were changed, which is remediation_limit_per_run")
    assert left == f"{groups[2]} in {ACCOUNT}, {REGION}: not changed in this run: remediation_limit_per_run"
    monkeypatch.undo()
    assert world.batch().problems == []
    assert not world.exposed(groups[2])


def killed_when_it_waits(
    context: RemediationContext, work: GroupWork, config: Configuration, show_text: object
) -> None:
    del context, show_text
    assert work.advance(config) is None
    raise KilledError


def test_what_is_done_a_second_time_is_told_a_second_time(world: EventualWorld) -> None:
    group = world.group(SSH)
    world.batch()
    for _ in range(2):
        world.clock.sleep(3600)
        assert world.restore(group) == []
        world.clock.sleep(3600)
        assert world.release(group) == []
    headings = [heading for heading, _ in world.people.alerts]
    assert headings == ["Remediated", "Restored", "Released", "Restored", "Released"]
