"""Scans, looks that events caused, and changes, interleaved at every call of AWS: the table ends up as EC2 is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identification.expected_changes import ExpectedChange
from library.issues.opened_by import OpenedBy
from library.issues.opening_calls import OpenedRule, OpeningCall
from tests.worlds.crossing_looks import ACCOUNT, LAG, RDP, SSH, START, Schedule, State

GROUPS = ("sg-1", "sg-2")
# Twice what is closed: a group that is as it was before is where a look that is right has nothing to write.
STATES = ((), (), (SSH,), (SSH, RDP))


def changing(world: Schedule, times: int, *, heard: bool) -> Callable[[], None]:
    """People who change groups; `heard`: each change has its event, which leads to a look once EC2 shows the change."""

    def seen(group_id: str) -> Callable[[], None]:
        def actor() -> None:
            world.wait(LAG + world.random.randrange(3 * LAG))
            world.look(group_id)

        return actor

    def actor() -> None:
        for _ in range(times):
            world.wait(world.random.randrange(2 * LAG))
            group_id = world.random.choice(GROUPS)
            world.ec2.change(group_id, world.step, world.random.choice(STATES))
            for _ in range(world.random.choice((1, 1, 2)) if heard else 0):
                world.start(seen(group_id))

    return actor


def scanning(world: Schedule, times: int) -> Callable[[], None]:
    def actor() -> None:
        for _ in range(times):
            world.wait(world.random.randrange(4 * LAG))
            world.look()

    return actor


@pytest.mark.parametrize("start", range(0, 400, 40))
def test_where_every_change_has_its_event_the_table_is_right_without_a_scan(
    start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(start, start + 40):
        world = Schedule(seed, monkeypatch, GROUPS)
        world.start(changing(world, 10, heard=True))
        for _ in range(seed % 4):
            world.start(scanning(world, 2))
        world.run()
        assert world.exposed() == world.truth(), f"seed {seed}"


@pytest.mark.parametrize("start", range(0, 400, 40))
def test_where_events_are_lost_one_scan_after_them_is_enough_whatever_is_still_under_way(
    start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(start, start + 40):
        world = Schedule(seed, monkeypatch, GROUPS)
        changes = changing(world, 10, heard=seed % 2 == 0)
        world.start(scanning(world, 2))

        def then_scan(world: Schedule = world, changes: Callable[[], None] = changes) -> None:
            world.start(lambda: world.look(*GROUPS))
            changes()
            world.start(lambda: world.look(GROUPS[0]))
            world.wait(LAG)
            world.look()

        world.start(then_scan)
        world.run()
        assert world.exposed() == world.truth(), f"seed {seed}"


def hold(world: Schedule, operation: str, then: Callable[[], None]) -> None:
    """Scan, and hold the scan at an operation on the table, after EC2's answer, until `then` is done."""
    held: list[str] = []
    described: list[bool] = []
    real = world.ec2.at

    def at(group_id: str, when: int) -> State:
        described.append(True)
        return real(group_id, when)

    def before(called: str) -> None:
        if described and not held and called == operation:
            held.append(called)
            world.step += LAG
            then()

    world.ec2.at = at  # type: ignore[method-assign]
    world.items.before = before
    world.look()
    assert held == [operation]


@pytest.mark.parametrize("operation", ["get_many", "update"], ids=["before its check", "at its write"])
@pytest.mark.parametrize("names", [("sg-1",), ()], ids=["a look at the group", "a scan"])
def test_a_scan_that_is_held_does_not_resolve_what_was_opened_again_meanwhile(
    operation: str, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Schedule(0, monkeypatch, GROUPS)
    world.ec2.change("sg-1", -LAG, (SSH,))
    world.look()
    before = world.issue("sg-1")
    world.ec2.change("sg-1", 0, ())
    world.step = LAG

    def opened_again() -> None:
        world.ec2.change("sg-1", world.step, (SSH,))
        world.step += LAG
        world.look(*names)

    hold(world, operation, opened_again)
    after = world.issue("sg-1")
    assert {name: after[name] for name in ("status", "occurrence", "timestamps", "issue_details")} == {
        name: before[name] for name in ("status", "occurrence", "timestamps", "issue_details")
    }


def test_a_scan_takes_off_the_claim_of_a_look_that_died_before_its_write(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Schedule(0, monkeypatch, GROUPS)
    world.ec2.change("sg-1", -LAG, (SSH,))
    world.look()
    before = world.issue("sg-1")
    world.items.items[ACCOUNT, "sg-1"]["resolving"] = 1
    world.look()
    assert {name: value for name, value in world.issue("sg-1").items() if name != "look"} == {
        name: value for name, value in before.items() if name != "look"
    }


@pytest.mark.parametrize("operation", ["get_many", "put"], ids=["before its check", "at its write"])
@pytest.mark.parametrize("names", [("sg-1",), ()], ids=["a look at the group", "a scan"])
def test_a_scan_that_is_held_does_not_open_what_was_fixed_meanwhile(
    operation: str, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Schedule(0, monkeypatch, GROUPS)
    world.ec2.change("sg-1", -LAG, (SSH,))

    def fixed() -> None:
        world.ec2.change("sg-1", world.step, ())
        world.step += LAG
        world.look(*names)

    hold(world, operation, fixed)
    assert world.exposed() == {}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_events_in_any_order_any_number_of_times_or_not_at_all_then_a_scan_are_the_scan_alone(
    data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = data.draw(st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from(STATES)), min_size=1, max_size=8))
    world = Schedule(data.draw(st.integers(0, 9)), monkeypatch, GROUPS)
    told: list[tuple[str, list[ExpectedChange]]] = []
    early: st.SearchStrategy[bool] = st.booleans()
    for group_id, state in changes:
        world.step += data.draw(st.integers(0, 2 * LAG))
        before = world.ec2.at(group_id, world.step)
        world.ec2.change(group_id, world.step, state)
        told.append((group_id, changed(world, before, state)))
        # Any choice of events in any order: repeated, lost, before or after later changes.
        for number in data.draw(st.lists(st.integers(0, len(told) - 1), max_size=2)):
            group_id, expected = told[number]
            handle(world, group_id, expected, data.draw(early))
    events = data.draw(st.lists(st.sampled_from(told), max_size=6))
    world.step += LAG
    for group_id, expected in events:
        handle(world, group_id, expected, data.draw(early))
    world.look()
    alone = Schedule(0, monkeypatch, GROUPS)
    alone.ec2, alone.step = world.ec2, world.step
    alone.look()
    assert world.details() == alone.details()


def changed(world: Schedule, before: State, after: State) -> list[ExpectedChange]:
    """What the event of a change tells that EC2 must show."""
    time = START + timedelta(seconds=world.step)
    rules = [(rule, False) for rule in before if rule not in after]
    rules += [(rule, True) for rule in after if rule not in before]
    return [
        ExpectedChange(time, is_there, OpenedRule(rule.protocol, rule.from_port, rule.to_port, rule.cidr))
        for rule, is_there in rules
    ]


def handle(world: Schedule, group_id: str, expected: Sequence[ExpectedChange], is_early: bool) -> None:
    """Handle an event: at once, when EC2 may not show the change yet, or later."""
    world.step += 0 if is_early else LAG
    by = OpenedBy("ana", "203.0.113.7", "Terraform", "AuthorizeSecurityGroupIngress", START, f"event-{world.step}")
    opening = OpeningCall(by, (OpenedRule("tcp", 22, 22, "0.0.0.0/0"),))
    world.look(group_id, calls=[(group_id, opening)], expected=[(group_id, change) for change in expected])
