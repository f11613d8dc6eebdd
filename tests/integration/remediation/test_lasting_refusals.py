"""What EC2 refuses for good is told once and not asked for again in every run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from library.issues.change_notifications import NOT_DONE
from library.security_groups.group import IngressRule
from tests.worlds.eventual_world import ACCOUNT, EventualWorld
from tests.worlds.lagging_ec2 import AUTHORIZE, REVOKE, Fault, _error

SSH = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", description="ssh")
WEB = IngressRule("tcp", 443, 443, cidr="0.0.0.0/0", description="web")
DAY = 86_400
DENY = "with an explicit deny in a service control policy. Encoded authorization failure message: "


def skipped(code: str, message: str = "no") -> Fault:
    """EC2 refuses it: nothing is done. The encoded part of the message is another one each time."""
    count = 0

    def fault(operation: str, call: Callable[[], Any]) -> Any:
        nonlocal count
        del call
        count += 1
        said = f"{message}{count}" if message.endswith(": ") else message
        raise _error(code, operation, 403, said)

    return fault


LASTING = {
    "a service manages the group": skipped("OperationNotPermitted", "this group is managed by a service"),
    "quota": skipped("RulesPerSecurityGroupLimitExceeded"),
    "explicit deny": skipped("UnauthorizedOperation", f"You are not authorized to perform this operation. {DENY}"),
}
LASTS = pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING)


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> EventualWorld:
    return EventualWorld(tmp_path)


def run(world: EventualWorld, fault: Fault, on: str = AUTHORIZE) -> tuple[list[str], int]:
    """A run in which EC2 refuses an operation. Returns what it could not do, and how many calls it made."""
    before = len(world.ec2.made)
    real = world.ec2._write

    def write(operation: str, call: Callable[[], Any]) -> Any:
        return real(operation, (lambda: fault(operation, call)) if operation == on else call)

    with patch.object(world.ec2, "_write", write):
        return world.batch().problems, len(world.ec2.made) - before


def notified(world: EventualWorld) -> int:
    return sum("could not close the group" in text for _, text in world.people.comments)


@LASTS
def test_it_is_told_once_and_tried_again_after_a_week(world: EventualWorld, fault: Fault) -> None:
    group = world.group(SSH)
    (problem,), calls = run(world, fault)
    assert group in problem
    assert "Encoded" not in problem
    assert calls >= 1
    backups = world.backups(group)
    for _ in range(6):
        world.clock.pass_by(DAY)
        assert run(world, fault) == ([], 0)
    assert (notified(world), world.backups(group)) == (1, backups)
    assert [heading for heading, _ in world.people.alerts] == [NOT_DONE]
    world.clock.pass_by(DAY)
    problems, calls = run(world, fault)
    assert (problems, calls >= 1, notified(world)) == ([], True, 1)
    world.clock.pass_by(8 * DAY)
    assert world.batch().remediated == 1
    assert not world.exposed(group)
    assert not world.stored(group).remediation_details["refused"]


@LASTS
@pytest.mark.parametrize("change", ["group", "plan"])
def test_it_is_tried_again_when_the_group_or_its_plan_changed(world: EventualWorld, fault: Fault, change: str) -> None:
    group = world.group(SSH)
    run(world, fault)
    world.clock.pass_by(DAY)
    assert run(world, fault) == ([], 0)
    if change == "group":
        world.ec2.add(group, WEB)
        world.clock.pass_by(DAY)
    else:
        world.configure(remediation_sources=["10.0.0.0/8"])
    assert world.batch().remediated == 1
    assert not world.exposed(group)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(skipped("UnauthorizedOperation", "no identity-based policy allows it"), id="not allowed yet"),
        pytest.param(skipped("RequestLimitExceeded"), id="throttled"),
        pytest.param(skipped("InternalError"), id="out of order"),
    ],
)
def test_what_may_be_over_by_the_next_run_is_tried_in_it(world: EventualWorld, fault: Fault) -> None:
    group = world.group(SSH)
    run(world, fault)
    world.clock.pass_by(DAY)
    assert world.batch().remediated == 1
    assert not world.exposed(group)


def test_a_revoke_that_is_refused_is_not_complete_and_not_sent_each_day(world: EventualWorld) -> None:
    group, fault = world.group(SSH), LASTING["a service manages the group"]
    (problem,), _ = run(world, fault, REVOKE)
    assert "not complete yet" in problem
    world.clock.pass_by(DAY)
    run(world, fault, REVOKE)
    for _ in range(3):
        world.clock.pass_by(DAY)
        (problem,), calls = run(world, fault, REVOKE)
        assert ("not complete yet" in problem, calls) == (True, 0)
    world.clock.pass_by(8 * DAY)
    assert world.batch().remediated == 1
    assert not world.exposed(group)


def test_groups_that_are_not_tried_do_not_count_for_the_limit(world: EventualWorld) -> None:
    world.configure(remediation_limit_per_run=3)
    for _ in range(3):
        world.group(SSH)
    run(world, LASTING["a service manages the group"])
    world.clock.pass_by(DAY)
    other = world.group(WEB._replace(from_port=3389, to_port=3389))
    assert run(world, LASTING["a service manages the group"])[0] != []  # the new one is refused, and tried
    assert world.exposed(other)
    world.clock.pass_by(DAY)
    assert run(world, LASTING["a service manages the group"]) == ([], 0)


@pytest.mark.parametrize(
    "refused",
    ["x", {}, {"at": 7}, {"at": "2099-01-01T00:00:00+00:00", "attempt": "x", "reason": "y"}, {"at": "yesterday"}],
    ids=repr,
)
def test_a_row_that_no_run_wrote_keeps_nothing_from_being_closed(world: EventualWorld, refused: object) -> None:
    group = world.group(SSH)
    world.table.items[ACCOUNT, group]["remediation_details"] = {"refused": refused}
    assert world.batch().remediated == 1
    assert not world.exposed(group)
