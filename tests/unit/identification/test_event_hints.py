"""What events told about groups and prefix lists, kept in the table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from identification.event_hints import CLOCK_MARGIN, EventHintRecords
from library.security_groups.group import EVENTUAL_CONSISTENCY
from tests.worlds.memory_items import MemoryItems

ACCOUNT = "210987654321"


@pytest.mark.parametrize("passed", [-CLOCK_MARGIN, timedelta(), EVENTUAL_CONSISTENCY + CLOCK_MARGIN], ids=str)
def test_a_group_that_ec2_may_not_show_yet_is_known_whenever_its_event_came(passed: timedelta) -> None:
    for second in range(0, 1200, 5):
        items: Any = MemoryItems()
        records = EventHintRecords(items)
        at = datetime(2026, 11, 22, 3, tzinfo=UTC) + timedelta(seconds=second)
        records.add_users(ACCOUNT, "pl-1", ["sg-1"], at)
        records.add_users(ACCOUNT, "pl-1", ["sg-2"], at + passed)
        assert records.new_users(ACCOUNT, ["pl-1", "pl-2"], at + passed) == {"pl-1": {"sg-1", "sg-2"}}


def test_a_group_that_ec2_shows_since_long_is_not_among_them() -> None:
    items: Any = MemoryItems()
    records = EventHintRecords(items)
    at = datetime(2026, 11, 22, 3, tzinfo=UTC)
    records.add_users(ACCOUNT, "pl-1", ["sg-1"], at)
    records.add_users(ACCOUNT, "pl-1", ["sg-2"], at + timedelta(minutes=20))
    assert records.new_users(ACCOUNT, ["pl-1"], at + timedelta(minutes=21)) == {"pl-1": {"sg-2"}}
