"""Scans, scans that events caused, and changes, interleaved at every call of AWS: the table ends up as EC2 is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from library.issues.opening_calls import OpenedBy, OpenedRule, OpeningCall
from tests.worlds.crossing_scans import ACCOUNT, LAG, RDP, SSH, START, Schedule, State

GROUPS = ("sg-1", "sg-2")
SECOND_S = 300
# Twice what is closed: a group that is as it was before is where a scan that is right has nothing to write.
STATES = ((), (), (SSH,), (SSH, RDP))


def changing(world: Schedule, times: int, *, with_events: bool) -> Callable[[], None]:
    """People who change groups; `with_events`: each change has its event, once or twice, which leads to two scans."""

    def scanned(group_id: str, time: datetime) -> Callable[[], None]:
        def actor() -> None:
            world.wait(world.random.choice((0, LAG)) + world.random.randrange(3 * LAG))

            def second() -> None:
                world.wait(SECOND_S)
                world.scan(group_id)

            world.start(second)
            world.scan(group_id, events=[(group_id, time)])

        return actor

    def actor() -> None:
        for _ in range(times):
            world.wait(world.random.randrange(2 * LAG))
            group_id = world.random.choice(GROUPS)
            world.ec2.change(group_id, world.step, world.random.choice(STATES))
            for _ in range(world.random.choice((1, 1, 2)) if with_events else 0):
                world.start(scanned(group_id, world.now()))

    return actor


def scanning(world: Schedule, times: int) -> Callable[[], None]:
    def actor() -> None:
        for _ in range(times):
            world.wait(world.random.randrange(4 * LAG))
            world.scan()

    return actor


@pytest.mark.parametrize("start", range(0, 200, 40))
def test_where_every_change_has_its_event_the_table_is_right_without_a_scan(
    start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(start, start + 40):
        world = Schedule(seed, monkeypatch, GROUPS)
        world.start(changing(world, 10, with_events=True))
        for _ in range(seed % 4):
            world.start(scanning(world, 2))
        world.run()
        assert world.exposed() == world.truth(), f"seed {seed}"


@pytest.mark.parametrize("start", range(0, 200, 40))
def test_where_events_are_lost_one_scan_after_them_is_enough(start: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(start, start + 40):
        world = Schedule(seed, monkeypatch, GROUPS)
        changes = changing(world, 10, with_events=seed % 2 == 0)
        world.start(scanning(world, 2))

        def then_scan(world: Schedule = world, changes: Callable[[], None] = changes) -> None:
            world.start(lambda: world.scan(*GROUPS))
            changes()
            world.start(lambda: world.scan(GROUPS[0]))
            world.wait(LAG)
            world.scan()
            # Events of which the scan was too early have their second scan still to come.

        world.start(then_scan)
        world.run()
        assert world.exposed() == world.truth(), f"seed {seed}"


def hold(world: Schedule, operation: str, then: Callable[[], None], *group_ids: str) -> None:
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
    world.scan(*group_ids)
    assert held == [operation]


@pytest.mark.parametrize("seen_by", [("sg-1",), ()], ids=["seen by a scan of the group", "seen by a scan"])
@pytest.mark.parametrize("held", [("sg-1",), ()], ids=["a held scan of the group", "a held scan"])
@pytest.mark.parametrize("operation", ["get_many", "transact"], ids=["before its decision", "at its write"])
def test_a_scan_that_is_held_does_not_resolve_what_was_opened_again_meanwhile(
    operation: str, held: tuple[str, ...], seen_by: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scan in between changes nothing: what it saw is as the table has it. Even its time may be the same."""
    world = Schedule(0, monkeypatch, GROUPS)
    world.ec2.change("sg-1", -LAG, (SSH,))
    world.scan()
    before = world.issue("sg-1")
    world.ec2.change("sg-1", 0, ())
    world.step = LAG

    def opened_again() -> None:
        world.ec2.change("sg-1", world.step, (SSH,))
        world.step += LAG
        world.scan(*seen_by)

    hold(world, operation, opened_again, *held)
    after = world.issue("sg-1")
    assert {name: after[name] for name in ("status", "occurrence", "timestamps", "issue_details")} == {
        name: before[name] for name in ("status", "occurrence", "timestamps", "issue_details")
    }


def test_a_scan_that_is_held_does_not_resolve_what_it_cannot_know_of_a_newer_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Schedule(0, monkeypatch, GROUPS)
    world.ec2.change("sg-1", -LAG, (SSH,))
    world.scan()
    world.ec2.change("sg-1", 0, ())
    world.step = LAG
    hold(world, "transact", lambda: world.scan("sg-2", "sg-1", events=[("sg-1", world.now())]), "sg-1")
    assert world.issue("sg-1")["status"] == "open"
    world.step += SECOND_S
    world.scan("sg-1")
    assert world.issue("sg-1")["status"] == "resolved"


@pytest.mark.parametrize("operation", ["get_many", "put"], ids=["before its decision", "at its write"])
def test_a_scan_that_is_held_does_not_leave_open_what_a_scan_saw_fixed_meanwhile(
    operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Schedule(0, monkeypatch, GROUPS)
    world.ec2.change("sg-1", -LAG, (SSH,))

    def fixed() -> None:
        world.ec2.change("sg-1", world.step, ())
        world.step += LAG
        world.scan()

    hold(world, operation, fixed)
    assert world.exposed() == {}


@pytest.mark.parametrize("operation", ["get_many", "put"], ids=["before its decision", "at its write"])
@pytest.mark.parametrize("held", [("sg-1",), ()], ids=["a held scan of the group", "a held scan"])
def test_a_scan_that_is_held_does_not_leave_open_what_both_scans_of_an_event_saw_fixed(
    operation: str, held: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of the two has anything to write: there is no issue."""
    world = Schedule(0, monkeypatch, GROUPS)
    world.ec2.change("sg-1", -LAG, (SSH,))

    def fixed() -> None:
        world.ec2.change("sg-1", world.step, ())
        time = world.now()
        world.step += LAG
        world.scan("sg-1", events=[("sg-1", time)])
        world.step += SECOND_S
        world.scan("sg-1")

    hold(world, operation, fixed, *held)
    assert world.exposed() == {}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_the_order_repetition_and_loss_of_events_one_scan_gives_what_it_gives_alone(
    monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    changes = data.draw(st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from(STATES)), min_size=1, max_size=8))
    world = Schedule(data.draw(st.integers(0, 9)), monkeypatch, GROUPS)
    notified: list[tuple[str, datetime]] = []
    for group_id, state in changes:
        world.step += data.draw(st.integers(0, 2 * LAG))
        world.ec2.change(group_id, world.step, state)
        notified.append((group_id, world.now()))
        # Any choice of events in any order: repeated, lost, before or after later changes.
        for number in data.draw(st.lists(st.integers(0, len(notified) - 1), max_size=2)):
            handle(world, notified[number], data.draw(st.booleans()))
    for event in data.draw(st.lists(st.sampled_from(notified), max_size=6)):
        handle(world, event, data.draw(st.booleans()))
    # Each is handled when its second message was.
    world.step += SECOND_S
    world.scan(*GROUPS)
    world.scan()
    alone = Schedule(0, monkeypatch, GROUPS)
    alone.ec2, alone.step = world.ec2, world.step
    alone.scan()
    assert world.details() == alone.details()


def handle(world: Schedule, event: tuple[str, datetime], is_early: bool) -> None:
    """Handle an event: at once, when EC2 may not show the change yet, or later."""
    world.step += 0 if is_early else LAG
    group_id, _ = event
    by = OpenedBy("ana", "203.0.113.7", "Terraform", "AuthorizeSecurityGroupIngress", START, f"event-{world.step}")
    opening = OpeningCall(by, (OpenedRule("tcp", 22, 22, "0.0.0.0/0"),))
    world.scan(group_id, calls=[(group_id, opening)], events=[event])


class TestEvents:
    """What scans may do before EC2 must show a group's newest event, five minutes after it."""

    def open(self, monkeypatch: pytest.MonkeyPatch, *rules: object) -> Schedule:
        world = Schedule(0, monkeypatch, GROUPS)
        world.ec2.change("sg-1", -LAG, rules or (SSH,))  # type: ignore[arg-type]
        world.scan()
        world.step = 2 * LAG
        return world

    @pytest.mark.parametrize("names", [("sg-1",), ()], ids=["a scan of the group", "a scan of the region"])
    @pytest.mark.parametrize(
        ("age", "status"),
        [
            pytest.param(0, "open", id="now"),
            pytest.param(290, "open", id="290 seconds"),
            pytest.param(300, "resolved", id="300 seconds"),
            pytest.param(10_000, "resolved", id="hours"),
        ],
    )
    def test_only_a_scan_that_began_five_minutes_after_it_resolves(
        self, names: tuple[str, ...], age: int, status: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = self.open(monkeypatch)
        world.ec2.change("sg-1", 0, ())
        world.scan("sg-1", events=[("sg-1", world.now() - timedelta(seconds=age))])
        world.scan(*names)
        assert world.issue("sg-1")["status"] == status

    def test_exposures_are_added_and_none_is_taken_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = self.open(monkeypatch)
        world.ec2.change("sg-1", 0, (RDP,))
        world.scan("sg-1", events=[("sg-1", world.now())])
        details = world.issue("sg-1")["issue_details"]
        assert [perm["cidr"] for perm in details["perms"]] == [SSH.cidr, RDP.cidr]
        assert details["status"] == "open_completely"
        world.step += SECOND_S
        world.scan("sg-1")
        details = world.issue("sg-1")["issue_details"]
        assert ([perm["cidr"] for perm in details["perms"]], details["status"]) == ([RDP.cidr], "open_partly")

    def test_nothing_is_written_twice_for_what_it_may_not_take_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = self.open(monkeypatch, SSH, RDP)
        world.ec2.change("sg-1", 0, (RDP,))
        before = world.issue("sg-1")
        world.scan("sg-1", events=[("sg-1", world.now())])
        after = world.issue("sg-1")
        assert after | {"last_seen": before["last_seen"]} == before

    def test_of_events_in_any_order_the_newest_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = self.open(monkeypatch)
        world.ec2.change("sg-1", 0, ())
        world.scan("sg-1", events=[("sg-1", world.now())])
        world.scan("sg-1", events=[("sg-1", world.now() - timedelta(hours=1))])
        assert world.issue("sg-1")["status"] == "open"

    def test_an_event_from_the_future_counts_as_one_of_now(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = self.open(monkeypatch)
        world.ec2.change("sg-1", 0, ())
        world.scan("sg-1", events=[("sg-1", world.now() + timedelta(days=900))])
        world.step += SECOND_S + 5
        world.scan("sg-1")
        assert world.issue("sg-1")["status"] == "resolved"

    def test_a_second_scan_whose_clock_is_behind_lets_the_moment_pass(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = self.open(monkeypatch)
        world.ec2.change("sg-1", 0, ())
        world.scan("sg-1", events=[("sg-1", world.now())])
        world.step += SECOND_S - 3
        begun = world.step
        world.scan("sg-1")
        assert world.issue("sg-1")["status"] == "resolved"
        assert world.step >= begun + 3

    @pytest.mark.parametrize(
        ("group_ids", "events"),
        [(("sg-1", "sg-2"), ["sg-2"]), (("sg-1",), ["sg-1"]), ((), [])],
        ids=["a newer event of another group", "its own first message, which was late", "a scan of the region"],
    )
    def test_it_lets_the_moment_pass_whatever_it_was_merged_with(
        self, monkeypatch: pytest.MonkeyPatch, group_ids: tuple[str, ...], events: list[str]
    ) -> None:
        world = self.open(monkeypatch)
        world.ec2.change("sg-1", 0, ())
        event = world.now()
        world.scan("sg-1", events=[("sg-1", event)])
        world.step += SECOND_S - 3
        times = {"sg-1": event, "sg-2": world.now()}
        world.scan(*group_ids, events=[(group_id, times[group_id]) for group_id in events])
        assert world.issue("sg-1")["status"] == "resolved"

    @pytest.mark.parametrize("stored", ["", None, "2026-11-01T00:00:00Z", "2026-11-01T01:00:00.000+01:00"])
    def test_a_time_that_other_tooling_wrote_otherwise_keeps_no_issue_open(
        self, monkeypatch: pytest.MonkeyPatch, stored: str | None
    ) -> None:
        world = self.open(monkeypatch)
        world.items.items[ACCOUNT, "sg-1"]["last_seen"] = stored
        world.ec2.change("sg-1", 0, ())
        world.scan()
        assert world.issue("sg-1")["status"] == "resolved"

    def test_a_scan_that_saw_nothing_new_writes_when_it_was(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = self.open(monkeypatch)
        before = world.issue("sg-1")
        world.scan()
        assert world.issue("sg-1") == before, "a scan of the region writes nothing of what did not change"
        for _ in range(2):  # two scans of one moment, too
            seen = world.issue("sg-1")["last_seen"]
            world.scan("sg-1")
            assert world.issue("sg-1")["last_seen"] > seen
