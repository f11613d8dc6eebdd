"""Remediation, restore and explain beside rows with one wrong value each: named or unknown, never a run's end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hammer.explain import people_section, source_section, state_section, use_section
from library.aws.issue_table import UnreadableIssueError, read_issue
from library.errors import HammerError
from library.network.addresses import RFC_1918
from library.security_groups.group import IngressRule, SecurityGroup
from remediation.eligibility import account_policy, issue_policy, why_not_at_once, why_not_due
from remediation.journal import unfinished_remediation
from tests.builders.poisoned_rows import MORE_WRONG, every_case, poisoned
from tests.worlds.eventual_world import ACCOUNT, REGION, EventualWorld

SSH = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", description="ssh")
OWN = tuple(IngressRule("tcp", 22, 22, cidr=cidr, description="theirs") for cidr in RFC_1918)
CASES = every_case()


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> EventualWorld:
    return EventualWorld(tmp_path)


def put(world: EventualWorld, name: str) -> list[str]:
    """A group with its owner's rules for each attribute, whose row has this wrong value there."""
    groups = []
    for path, wrong_name, wrong in CASES:
        if wrong_name != name:
            continue
        groups.append(world.ec2.create(*OWN))
        item = poisoned(groups[-1], path, wrong)
        world.table.items[ACCOUNT, groups[-1]] = item
        details = item["remediation_details"]
        if isinstance(details, Mapping):
            # The journal's own item says the same.
            world.table.items[ACCOUNT, f"journal#{groups[-1]}"] = {"remediation_details": dict(details)}
        world.lock.unfinished.add((ACCOUNT, REGION, groups[-1]))
    return groups


@pytest.mark.parametrize("name", MORE_WRONG)
def test_a_run_closes_what_is_due_beside_poisoned_rows_and_changes_nothing_for_them(
    world: EventualWorld, name: str
) -> None:
    world.configure(remediation_limit_per_run=10_000)
    groups = put(world, name)
    due = world.group(SSH)
    before = [world.ec2.rules(group) for group in groups]
    world.batch()
    assert [world.ec2.rules(group) for group in groups] == before
    assert not world.exposed(due)


@pytest.mark.parametrize("name", MORE_WRONG)
def test_a_restore_of_a_poisoned_row_restores_nothing_or_says_why(world: EventualWorld, name: str) -> None:
    for group in put(world, name):
        before = world.ec2.rules(group)
        try:
            problems = world.restore(group)
        except HammerError as error:
            problems = [str(error)]
        assert all("\x1b" not in each for each in problems)
        assert world.ec2.rules(group) == before


@pytest.mark.parametrize("name", MORE_WRONG)
def test_explain_says_what_it_can(world: EventualWorld, name: str) -> None:
    config, now = world._config, world.clock.time
    group = SecurityGroup("sg-1", "web", "vpc-1", "", {}, OWN)
    report = SimpleNamespace(
        group=SimpleNamespace(kind="file", where="a.tf:1", confidence="certain", evidence=()),
        rules=(),
        returns="no",
        diff="",
        before_diff=(),
        commands=(),
    )
    readable = 0
    for path, wrong_name, wrong in CASES:
        if wrong_name != name:
            continue
        try:
            issue = read_issue(poisoned("sg-1", path, wrong), check=True)
        except UnreadableIssueError:
            continue  # explain names it, and goes on without an issue
        readable += 1
        lines = [
            *state_section(group, issue, config, ACCOUNT, now),
            *use_section(issue, config, now),
            *people_section(None, issue, config, ACCOUNT),
            *source_section(cast(Any, report), issue),
        ]
        assert all("\x1b" not in line for line in lines)
        policy = issue_policy(issue, account_policy(config, ACCOUNT), now, decided=True)
        unfinished_remediation(issue)
        why_not_due(issue, policy, now)
        why_not_at_once(issue, policy, "open_completely", now)
    assert readable
