"""A change that is not complete where the account or region left the configuration: named once, and given up."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from library.issues.issue import Issue
from library.security_groups.group import IngressRule
from remediation.restore import RestoreJob
from remediation.restore_plan import RestoreTarget
from tests.integration.remediation.test_untrusted_table import interrupted
from tests.worlds.eventual_world import ACCOUNT, REGION, EventualWorld

SSH = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", description="ssh")
ELSEWHERE = ["210987654321"]
LEFT = pytest.mark.parametrize(
    "left",
    [
        pytest.param({"accounts": ELSEWHERE, "remediation_accounts": ELSEWHERE}, id="account, and its remediation"),
        pytest.param({"accounts": ELSEWHERE}, id="account"),
    ],
)


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> EventualWorld:
    return EventualWorld(tmp_path)


def give_up(world: EventualWorld, group: str, region: str = REGION) -> list[str]:
    """What `hammer restore --give-up` does."""
    target = RestoreTarget(ACCOUNT, region, group)
    return RestoreJob(world.context(), world._config, target, world.people).give_up()


@LEFT
def test_it_is_named_once_with_the_command_that_gives_it_up(world: EventualWorld, left: dict[str, Any]) -> None:
    group = interrupted(world, SSH)
    before = world.ec2.rules(group)
    world.configure(**left)
    (problem,) = world.batch().problems
    assert problem.startswith(f"{group} in {ACCOUNT}, {REGION}: not complete yet")
    command = f"hammer restore --give-up --account {ACCOUNT} --region {REGION} --group {group}"
    assert problem.endswith(f"To leave the group as it is: {command}")
    assert world.batch().problems == []
    assert command in world.people.said[-1], "it is still shown"
    assert give_up(world, group) == []
    assert (world.lock.unfinished, world.ec2.rules(group)) == (set(), before)
    assert world.batch().problems == []
    assert not any(command in line for line in world.people.said[-1:]), "it is over"


@LEFT
def test_its_owner_is_told_who_gave_it_up_and_where_the_backup_is(world: EventualWorld, left: dict[str, Any]) -> None:
    group = interrupted(world, SSH)
    world.configure(**left)
    assert give_up(world, group) == []
    (key,) = world.backups(group)
    said = world.people.comments[-1][1]
    assert "tester gave up a change of the group that is not complete" in said
    assert key in said


def test_a_place_that_comes_back_is_remediated_anew(world: EventualWorld) -> None:
    group = interrupted(world, SSH)
    world.configure(accounts=ELSEWHERE)
    assert give_up(world, group) == []
    world.configure(accounts=[ACCOUNT])
    assert world.batch().problems == []
    assert not world.exposed(group)


def test_what_the_next_run_completes_is_not_given_up(world: EventualWorld) -> None:
    group = interrupted(world, SSH)
    (problem,) = give_up(world, group)
    assert "not given up: the next remediation run completes it" in problem
    assert world.lock.unfinished == {(ACCOUNT, REGION, group)}
    assert world.batch().problems == []
    assert not world.exposed(group)


def test_an_account_that_is_not_remediated_any_more_is_named_each_time_until_somebody_decides(
    world: EventualWorld,
) -> None:
    group = interrupted(world, SSH)
    world.configure(remediation_accounts=ELSEWHERE)
    for _ in range(2):
        (problem,) = world.batch().problems
        assert "not one of remediation_accounts" in problem
    assert give_up(world, group) == []
    assert world.batch().problems == []


def test_nothing_to_give_up(world: EventualWorld) -> None:
    group = world.group(SSH)
    assert give_up(world, group) == []
    assert world.people.said[-1] == "no change of the group is unfinished: nothing changed"
    assert give_up(world, "sg-00000099") == []


def test_a_region_that_the_issue_is_not_in(world: EventualWorld) -> None:
    group = interrupted(world, SSH)
    world.configure(accounts=ELSEWHERE)
    (problem,) = give_up(world, group, "us-east-1")
    assert "the issue is not in us-east-1" in problem
    assert world.lock.unfinished == {(ACCOUNT, REGION, group)}


def test_another_change_of_the_group_is_named_again(world: EventualWorld) -> None:
    group = interrupted(world, SSH)
    world.configure(accounts=ELSEWHERE)
    assert len(world.batch().problems) == 1
    details = world.table.items[ACCOUNT, group]["remediation_details"]
    details["named"] = "security_groups/another"
    assert len(world.batch().problems) == 1


def test_the_command_that_is_shown_is_one(world: EventualWorld) -> None:
    group = interrupted(world, SSH)
    issue: Issue = world.stored(group)
    world.configure(accounts=ELSEWHERE)
    (problem,) = world.batch().problems
    found = re.search(r"hammer restore .*", problem)
    assert found
    assert shlex.split(found[0])[-1] == issue.issue_id


@pytest.mark.parametrize("item", ["the issue", "the journal's own"])
def test_what_cannot_be_read_is_not_called_finished(world: EventualWorld, item: str) -> None:
    """The mark of the lock alone names it: the place is not scanned any more."""
    group = interrupted(world, SSH)
    world.configure(accounts=ELSEWHERE)
    name = group if item == "the issue" else f"journal#{group}"
    world.table.items[ACCOUNT, name]["remediation_details"]["journal"]["step"] = "a later version's"
    (problem,) = give_up(world, group)
    assert problem.startswith(f"{group} in {ACCOUNT}, {REGION}: remediation_details cannot be read")
    assert problem.endswith(": nothing changed")
    assert world.lock.unfinished == {(ACCOUNT, REGION, group)}
