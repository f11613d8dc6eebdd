"""`hammer remediate` at a terminal: it shows, asks, and does what was agreed to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from library.issues.times import format_time
from remediation.journal import is_unfinished
from remediation.remediate import GroupWork
from tests.worlds.aws_faults import calls
from tests.worlds.remediation_world import ANYWHERE, MAIN, MEMBER, REGION, World, permission, world

SSH = permission("tcp", (22, 22), ANYWHERE, about="ssh")
RDP = permission("tcp", (3389, 3389), ANYWHERE)
OPEN = {("tcp", 22, 22, ANYWHERE)}


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.configure(remediation=False)
        yield made


def three(world: World) -> list[str]:
    groups = sorted(world.group(SSH) for _ in range(3))
    for group in groups:
        world.issue(group)
    return groups


ANSWERS: dict[str, tuple[list[str], list[bool]]] = {
    # what is answered, and which of three groups are closed
    "yes, no, yes": (["yes", "n", "y"], [True, False, True]),
    "quit": (["y", "q"], [True, False, False]),
    "all that follow": (["n", "a"], [False, True, True]),
    "nothing to answer": ([], [False, False, False]),
    "what is no answer is asked again": (["what", "", "d", "y"], [True, False, False]),
}


@pytest.mark.parametrize(("answers", "closed"), ANSWERS.values(), ids=ANSWERS)
def test_answers(world: World, answers: list[str], closed: list[bool]) -> None:
    groups = three(world)
    summary = world.by_hand(*answers)
    assert [world.rules(group) != OPEN for group in groups] == closed
    assert summary.remediated == sum(closed)


def test_what_is_shown(world: World) -> None:
    client = world.ec2()
    group = world.group(SSH)
    subnet = client.create_subnet(VpcId=world.vpcs[MAIN], CidrBlock="10.20.1.0/24")["Subnet"]["SubnetId"]
    client.create_network_interface(SubnetId=subnet, Groups=[group], Description="the gateway")
    world.issue(group)
    world.by_hand("d", "n")
    shown = "\n".join(world.people.said)
    for expected in (
        f"{group} {group} in {MAIN} (main), {REGION}, vpc-1",
        "open_completely, found 2026-10-13 03:00 UTC, reported 2026-10-23 03:00 UTC, SEC-1",
        "  used by network interface eni-",
        " (the gateway)",
        "  - tcp/22 from 0.0.0.0/0 (ssh)",
        "  + tcp/22 from 10.0.0.0/8 (Hammer: replaces 0.0.0.0/0 on 2026-11-22, SEC-1)",
        "to be revoked: sgr-",
        "backup: none yet",
    ):
        assert expected in shown


def test_a_group_that_changed_while_somebody_thought_is_shown_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = world.group(SSH)
    world.issue(group)
    asked = []

    def asks(question: str) -> str:
        asked.append(question)
        if len(asked) == 1:
            world.ec2().authorize_security_group_ingress(
                GroupId=group, IpPermissions=[permission("tcp", (3389, 3389), ANYWHERE)]
            )
        return "y" if len(asked) < 3 else "q"

    monkeypatch.setattr(world.people, "confirm", asks)
    assert world.by_hand().remediated == 1
    assert len(asked) == 2
    assert any("look again" in line for line in world.people.said)
    assert not world.exposed(group)


def test_the_limit_holds_by_hand_too(world: World) -> None:
    world.configure(remediation_limit_per_run=1)
    three(world)
    summary = world.by_hand("a")
    assert summary.remediated == 1
    assert summary.problems[0].startswith("stopped: 1 groups were changed, which is remediation_limit_per_run")


def test_groups_whose_change_is_not_complete_count_for_the_limit_by_hand(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_recorded(*_: object, **__: object) -> None:
        raise ConnectTimeoutError(endpoint_url="https://dynamodb.example")

    world.configure(remediation_limit_per_run=1)
    groups = three(world)
    monkeypatch.setattr(GroupWork, "_finish", not_recorded)
    summary = world.by_hand("a")
    assert [bool(world.exposed(group)) for group in groups] == [False, True, True]
    assert summary.problems[1].startswith("stopped: 1 groups were changed, which is remediation_limit_per_run")


def test_what_a_run_by_hand_may_not_complete_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_recorded(*_: object, **__: object) -> None:
        raise ConnectTimeoutError(endpoint_url="https://dynamodb.example")

    group = world.group(SSH, account=MEMBER)
    world.issue(group, MEMBER)
    with monkeypatch.context() as patched:
        patched.setattr(GroupWork, "_finish", not_recorded)
        assert world.by_hand("y").remediated == 0
    world.configure(remediation_accounts=[MAIN])
    for _ in range(2):
        (problem,) = world.by_hand().problems
        assert problem == (
            f"{group} in {MEMBER}, {REGION}: not complete yet: an earlier run left it incomplete, and this run may not "
            f"complete it: account {MEMBER} is not one of remediation_accounts"
        )
    world.configure(remediation_accounts=[MAIN, MEMBER])
    assert world.by_hand().problems == []
    assert world.stored(group, MEMBER).remediation_details["journal"]["step"] == "done"


@pytest.mark.parametrize("answers", [["n", "n"], ["q"], []], ids=["no", "quit", "nothing to answer"])
def test_what_is_left_incomplete_is_named_at_the_end(
    world: World, answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = world.ec2()

    def refused(**_: object) -> None:
        answer: Any = {"Error": {"Code": "UnauthorizedOperation"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(answer, "RevokeSecurityGroupIngress")

    groups = sorted(world.group(SSH) for _ in range(2))
    for group in groups:
        world.issue(group)
    with monkeypatch.context() as patched:
        patched.setattr(client, "revoke_security_group_ingress", refused)
        assert len(world.by_hand("a").problems) == 2
    left = "not complete yet: an earlier run left it incomplete, and nobody agreed to complete it"
    assert world.by_hand(*answers).problems == [f"{group} in {MAIN}, {REGION}: {left}" for group in groups]
    assert world.by_hand("y", "y").problems == []
    assert not any(map(world.exposed, groups))


def test_what_is_not_due_is_offered_when_asked_for(world: World) -> None:
    world.configure(remediation_retention_period=21)
    group = world.group(SSH)
    world.issue(group, reported_days=1)
    assert world.by_hand("y").remediated == 0
    assert world.by_hand("y", include_not_due=True).remediated == 1
    assert any("due at 2026-12-12 03:00 UTC" in line for line in world.people.said)


def test_what_is_opened_while_it_is_changed_and_nobody_agreed_to_stays(world: World) -> None:
    """Nothing of the issue is due: a person has decided about what was shown, and about nothing else."""
    world.configure(remediation_retention_period=21)
    group = world.group(SSH)
    world.issue(group, reported_days=1)
    with calls(only=("AuthorizeSecurityGroupIngress",)) as seen:

        def opened_by_the_owner(_: str) -> None:
            world.ec2().authorize_security_group_ingress(GroupId=group, IpPermissions=[RDP])

        seen.watch = opened_by_the_owner
        assert world.by_hand("y", include_not_due=True).remediated == 1
    rules = world.rules(group)
    assert ("tcp", 22, 22, ANYWHERE) not in rules
    assert ("tcp", 3389, 3389, ANYWHERE) in rules
    assert not is_unfinished(world.stored(group))


def test_who_is_exempt_by_the_time_of_the_answer_is_left_as_it_is(world: World) -> None:
    group = world.group(SSH)
    world.issue(group)
    world.people.while_asked = lambda: world.configure({MAIN: [group]})
    assert world.by_hand("y").remediated == 0
    assert world.rules(group) == OPEN
    assert "exempt now" in "\n".join(world.people.said)


def test_an_account_that_is_not_remediated_by_the_time_of_the_answer_is_left_as_it_is(world: World) -> None:
    group = world.group(SSH)
    world.issue(group)
    world.people.while_asked = lambda: world.configure(remediation_accounts=[MEMBER])
    assert world.by_hand("y").remediated == 0
    assert world.rules(group) == OPEN


@pytest.mark.parametrize("include_not_due", [False, True])
def test_an_issue_that_is_another_occurrence_by_the_time_of_the_answer_is_shown_again(
    world: World, *, include_not_due: bool
) -> None:
    """The owner closed the rule and opened it again: people were not told of that, and the date shown is not its."""
    world.configure(remediation_retention_period=21)
    group = world.group(SSH)
    issue = world.issue(group)

    def is_found_again() -> None:
        world.people.while_asked = lambda: None
        times = issue.timestamps.to_item() | {"identified": format_time(world.clock), "reported": None}
        world.table.update(issue, {"occurrence": issue.occurrence + 1, "timestamps": times})

    world.people.while_asked = is_found_again
    summary = world.by_hand("y", include_not_due=include_not_due)
    assert world.rules(group) == OPEN
    assert (summary.remediated, summary.problems) == (0, [])
    again = "  its issue has changed meanwhile: look again"
    assert (again in world.people.said) == include_not_due
    assert "not reported yet" in "\n".join(world.people.said)
    asked = [text for text in world.people.said if text.startswith("Remediate it?")]
    assert len(asked) == 1 + include_not_due
