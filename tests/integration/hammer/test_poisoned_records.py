"""Hammer's own records beside the issues, as somebody else wrote them: no job crashes, and a scan mends them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders.poisoned_rows import EVIL, MAIN, REGION, WRONG
from tests.worlds.poisoned_world import hammer, poisoned_world, put
from tests.worlds.remediation_world import ANYWHERE, World, permission

pytestmark = pytest.mark.usefixtures("table_in_memory")

COVERAGE = {
    "region": REGION,
    "outcome": "complete",
    "started": "2026-11-22T03:00:00+00:00",
    "milliseconds": 1,
    "groups": 1,
    "reason": "",
    "last_complete": "2026-11-22T03:00:00+00:00",
    "last_groups": 1,
    "begun": "2026-11-22T03:00:00+00:00",
    "swept": "2026-11-22T03:00:00+00:00",
}
EVENT = {"region": REGION, "heard": "2026-11-22T03:00:00+00:00", "event_name": "RunInstances"}
RUN = {
    "job": "report",
    "who": "x",
    "started": "2026-11-22T03:00:00+00:00",
    "ended": "2026-11-22T03:01:00+00:00",
    "outcome": "incomplete",
    "problems": ["JIRA is away"],
}
LISTENER = {
    "who": "x",
    "connected": "2026-11-22T03:00:00+00:00",
    "expected": "2026-11-22T03:00:00+00:00",
    "connections": 1,
    "problem": "",
    "alerted": "",
}
RECORDS: dict[str, dict[str, Any]] = {
    f"scan-coverage#{REGION}": COVERAGE,
    f"events#{REGION}": EVENT,
    "job-run#report": RUN,
    "listener#slack": LISTENER,
}
READ_BY_SCANS = (f"scan-coverage#{REGION}", f"events#{REGION}")
CASES = [(key, name) for key, record in RECORDS.items() for name in record]


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> Iterator[World]:
    with poisoned_world(tmp_path, {}) as made:
        yield made


@pytest.mark.parametrize(("key", "name"), CASES)
def test_no_command_crashes_at_a_record_that_is_not_as_it_should_be(made: World, key: str, name: str) -> None:
    open_group = made.group(permission("tcp", (22, 22), ANYWHERE))
    # The emulator cannot compare values of different types, which DynamoDB takes for unequal.
    for wrong in [None, EVIL] if name == "started" else WRONG:
        item: dict[str, Any] = {"account_id": MAIN, "issue_id": key, **RECORDS[key], name: wrong}
        put(made, item)
        hammer(made, "status")
        if key in READ_BY_SCANS or wrong is None:
            assert hammer(made, "identify", "--account", MAIN).exit_code == 0
        shown = hammer(made, "issues", "--format", "jsonl").stdout
        assert [json.loads(line)["group_id"] for line in shown.splitlines()] == [open_group]


def test_a_scan_s_record_that_cannot_be_read_is_named_with_what_to_do(made: World) -> None:
    key = f"scan-coverage#{REGION}"
    item: dict[str, Any] = {"account_id": MAIN, "issue_id": key, **COVERAGE, "started": EVIL}
    put(made, item)
    reason = f"its record {key} in the issue table is not as it should be: delete that item, and the next scan"
    shown = hammer(made, "status").output
    assert f"not seen whole: {MAIN} {REGION}, last complete scan 2026-11-22 03:00 UTC: {reason}" in shown
    listed = hammer(made, "issues")
    assert (listed.exit_code, reason in listed.stderr) == (1, True)
