"""A fault at every single call: the group is whole, or the record says that it is not and the next run mends it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from library.aws.failures import AWS_ERRORS
from library.aws.lock import LEASE, LockedError
from remediation.journal import RemediationDetails, is_unfinished
from tests.worlds.aws_faults import (
    FAULTS,
    ONLY_AT_WRITES,
    WRITES,
    Fault,
    KilledError,
    calls,
    killed_after,
    made_twice,
    time_out_after_it_was_made,
)
from tests.worlds.remediation_world import ANYWHERE, MAIN, TABLE, World, normal, permission, world

pytestmark = pytest.mark.usefixtures("table_in_memory")

PRIVATE = {("tcp", 22, 22, cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")}
EVERYBODY = ("tcp", 22, 22, ANYWHERE)
CHANGES = ("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress")


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def new_group(world: World) -> str:
    group = world.group(
        permission("tcp", (22, 22), ANYWHERE, about="ssh"),
        permission("tcp", (22, 22), "8.8.8.8/32", about="office"),
        permission("tcp", (443, 443), ANYWHERE, "self"),
    )
    world.issue(group)
    return group


def forget(world: World, group: str) -> None:
    """Runs read all open issues: let them be as few for the last as for the first."""
    key = {"account_id": {"S": MAIN}, "issue_id": {"S": group}}
    world.sessions.client("dynamodb").delete_item(TableName=TABLE, Key=key)


def run(world: World, group: str) -> list[str]:
    """A run for one group, and what it could not do."""
    world.clock += 2 * LEASE  # a killed run's lease has ended
    return world.batch(group).problems


def faulty_run(world: World, group: str, fault: Fault, at: int) -> tuple[list[str], bool]:
    """A run with a fault. Returns its calls, and whether anything told of the fault."""
    before = world.described(group)

    def private_access_works(operation: str) -> None:
        if operation in CHANGES:
            rules = world.rules(group)
            assert EVERYBODY in rules or rules >= PRIVATE, "private access was cut"
            (*_, backup) = world.backups_of(group)
            assert normal({key: value for key, value in backup.items() if key != "hammer"}) == before

    with calls(fault, at, WRITES if fault in ONLY_AT_WRITES else ("",)) as seen:
        seen.watch = private_access_works
        try:
            notified = bool(run(world, group))
        except (KilledError, LockedError, *AWS_ERRORS):
            notified = True
    return seen.made, notified


def states(world: World, group: str, before: dict[str, Any]) -> str:
    """`before`, `after`, or `between`."""
    if world.described(group) == before:
        return "before"
    rules = world.rules(group)
    return "after" if EVERYBODY not in rules and rules >= PRIVATE else "between"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_at_every_call_of_a_run(world: World, fault: Fault) -> None:
    for at in count():
        group = new_group(world)
        before = world.described(group)
        made, notified = faulty_run(world, group, fault, at)
        if at >= len(made):
            break
        where = f"{fault.__name__} at call {at}, {made[at]}"
        issue = world.stored(group)
        state, entry = states(world, group, before), RemediationDetails.of(issue.remediation_details).entry
        if not is_unfinished(issue):
            assert state == ("after" if entry and entry.step == "done" else "before"), where
        assert (state == "after" and issue.timestamps.remediated is not None) or notified or is_unfinished(issue), where
        if state != "before":
            assert world.backups_of(group), where

        if made[at] in CHANGES and fault in (time_out_after_it_was_made, made_twice):
            assert state == "after", f"{where}: what was done was not looked for"
        if entry is None and not world.lock().read().unfinished:
            forget(world, group)
            continue  # as if there had been no run
        problems = run(world, group)
        issue = world.stored(group)
        assert problems == [], where
        assert states(world, group, before) == "after", where
        assert world.rules(group) == PRIVATE | {
            ("tcp", 22, 22, "8.8.8.8/32"),
            ("tcp", 443, 443, ANYWHERE),
            ("tcp", 443, 443, group),
        }, where
        assert issue.timestamps.remediated is not None, where
        assert not is_unfinished(issue), where
        assert world.lock().read().unfinished == frozenset(), where
        forget(world, group)
    assert at > (8 if fault in ONLY_AT_WRITES else 20)


def test_a_killed_run_leaves_a_group_that_is_exempt_by_now_as_it_is(world: World) -> None:
    for at in count():
        world.configure(whitelist={})
        group = new_group(world)
        before = world.described(group)
        made, _ = faulty_run(world, group, killed_after, at)
        if at >= len(made):
            break
        state = world.described(group)
        world.configure(whitelist={MAIN: [group]})
        problems = run(world, group)
        where = f"killed after call {at}, {made[at]}"
        assert world.described(group) == state, where
        if is_unfinished(world.stored(group)):
            (problem,) = problems
            assert "not complete yet: this run may not complete it: exempt now" in problem, where
        else:
            assert problems == [], where
            assert states(world, group, before) in ("before", "after"), where
        world.configure(whitelist={})
        assert run(world, group) == [], where
        assert states(world, group, before) == "after", where
        assert not is_unfinished(world.stored(group)), where
        forget(world, group)


def test_each_step_is_in_the_journal_before_it_is_done(world: World) -> None:
    group = new_group(world)
    steps: list[tuple[str, str]] = []

    def note(operation: str) -> None:
        if operation in CHANGES:
            entry = RemediationDetails.of(world.stored(group).remediation_details).entry
            assert entry is not None
            assert entry.backup == world.backups.list(MAIN, "eu-west-1", group)[0].key
            assert world.lock().read().unfinished == {(MAIN, "eu-west-1", group)}
            steps.append((operation, entry.step))

    with calls() as seen:
        seen.watch = note
        assert run(world, group) == []
    assert steps == [("AuthorizeSecurityGroupIngress", "adding"), ("RevokeSecurityGroupIngress", "revoking")]


@pytest.mark.parametrize("operation", ["authorize_security_group_ingress", "revoke_security_group_ingress"])
def test_a_change_that_never_shows_is_not_complete(
    world: World, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    group = new_group(world)
    done: list[str] = []
    real = getattr(world.ec2(), operation)

    def accepted_and_forgotten(**arguments: Any) -> Any:
        done.append(operation)
        return {"Return": True} if len(done) == 1 else real(**arguments)

    monkeypatch.setattr(world.ec2(), operation, accepted_and_forgotten)
    (problem,) = run(world, group)
    assert "not complete yet: EC2 does not show the change of these rules yet: tcp/22 from " in problem
    assert world.stored(group).timestamps.remediated is None
    assert run(world, group) == []
    assert EVERYBODY not in world.rules(group)
