"""What remediation did is recorded with bounds: an issue's item must have room for what every job keeps in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from library.issues.change_notifications import (
    KEPT_BYTES,
    KEPT_LIMIT,
    ChangeNotification,
    Channel,
    new_notification,
    notifications_from_item,
    record_paths,
)
from tests.worlds.memory_table import size_of

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def notification(number: int, *, notified: bool = True, size: int = 0) -> ChangeNotification:
    made = new_notification(1, NOW, "Remediated", f"change {number}", ("x" * 200,) * (size // 200))
    return replace(made, notified=frozenset(Channel)) if notified else made


def test_the_first_needs_the_map() -> None:
    new = notification(0, notified=False)
    assert record_paths((), new) == ({"change_news": {new.key: new.to_item()}}, [])


def test_a_second_one_leaves_the_first_alone() -> None:
    new = notification(1, notified=False)
    assert record_paths((notification(0, notified=False),), new) == ({f"change_news.{new.key}": new.to_item()}, [])


def test_who_was_told_of_it_stays_told() -> None:
    known = notification(0)
    assert record_paths((known,), replace(known, notified=known.notified - {Channel.JIRA})) == ({}, [])


def test_the_oldest_that_was_told_goes_first() -> None:
    known = [notification(number, notified=number != 0) for number in range(KEPT_LIMIT)]
    assert record_paths(known, notification(KEPT_LIMIT))[1] == [f"change_news.{known[1].key}"]


def test_long_ones_are_bounded_by_their_size() -> None:
    kept: list[ChangeNotification] = []
    for number in range(KEPT_LIMIT):
        new = notification(number, size=8_000)
        gone = {path.removeprefix("change_news.") for path in record_paths(kept, new)[1]}
        kept = [*(each for each in kept if each.key not in gone), new]
    assert kept[-1] == notification(KEPT_LIMIT - 1, size=8_000)
    assert len(kept) > 1
    assert size_of({each.key: each.to_item() for each in kept}) < KEPT_BYTES + 2_000


def test_what_nobody_was_told_of_stays_whatever_its_size() -> None:
    known = [notification(number, notified=False, size=8_000) for number in range(KEPT_LIMIT)]
    assert record_paths(known, notification(KEPT_LIMIT, size=8_000))[1] == []


@pytest.mark.parametrize(
    "rules",
    [["x" * 300] * 40, ["x"] * 100, ["ä" * 2_000] * 9],
    ids=["long descriptions", "many lines", "many bytes"],
)
def test_however_much_was_changed_the_way_back_is_told(rules: list[str]) -> None:
    way_back = ("Backup: s3://b/k", "Your security team can bring it back: hammer restore")
    made = new_notification(1, NOW, "Remediated", "Hammer closed the group.", (*rules, *way_back))
    assert made.details[-2:] == way_back
    assert made.details[0] == rules[0]
    assert made.details[-3] == f"{len(rules) - len(made.details) + 3} more are left out here"
    assert len(made.details) <= 60
    assert sum(len(detail.encode()) for detail in made.details) <= 8_000
    assert notifications_from_item({made.key: made.to_item()}) == (made,)
    assert made.key == new_notification(1, NOW, "Remediated", "Hammer closed the group.", made.details).key


def test_what_there_is_room_for_is_kept_as_it_is() -> None:
    for details in ((), ("a",), ("a", "b"), tuple("abcdef")):
        assert new_notification(1, NOW, "Remediated", "text", details).details == details


@pytest.mark.parametrize(
    ("stored", "notified", "claims"),
    [
        ({"in_jira": False, "in_slack": False}, {Channel.WEBHOOK}, {}),
        ({"in_jira": True, "in_slack": True, "in_webhook": False}, {Channel.JIRA, Channel.SLACK}, {}),
        (
            {"in_jira": False, "in_slack": True, "claim_jira": "2026 a", "claim_webhook": "released b"},
            {Channel.SLACK, Channel.WEBHOOK},
            {Channel.JIRA: "2026 a", Channel.WEBHOOK: "released b"},
        ),
    ],
    ids=["nobody", "without the webhook", "claimed"],
)
def test_the_channels_are_stored_each_by_its_name(
    stored: dict[str, Any], notified: set[Channel], claims: dict[Channel, str]
) -> None:
    made = replace(notification(1), notified=frozenset(notified), claims=claims)
    item = made.to_item()
    assert {name: value for name, value in item.items() if name.startswith(("in_", "claim_"))} == stored
    assert notifications_from_item({made.key: item}) == (made,)
