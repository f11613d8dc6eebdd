"""What people are told of sources that are refused since a change, when JIRA or the table do not do as they should."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from library.aws.conditional_writes import Items
from library.issues.after_care import ITEM_PREFIX, AfterCare, RefusedSource
from tests.standins.server import Answer, Fault
from tests.worlds.reporting_world import MAIN, START, World, reporting_world

pytestmark = pytest.mark.usefixtures("table_in_memory")


@pytest.fixture
def here() -> Iterator[World]:
    """A group that was changed, and a source that was at work there."""
    with reporting_world() as world:
        world.sections["usage"] = {"enabled": True}
        world.sections["slack"] = {"enabled": False}
        world.found()
        world.report()
        world.table.update(world.issue(), {"timestamps.remediated": START.isoformat()})
        refused(world, "8.8.8.8", START + timedelta(hours=1))
        world.passes(hours=2)
        yield world


def refused(world: World, source: str, last: datetime) -> None:
    care = AfterCare(f"{ITEM_PREFIX}sg-1", START, (RefusedSource(source, "tcp/22", 3, START, last),))
    world.table.items.update(MAIN, f"{ITEM_PREFIX}sg-1", care.to_item())


def comments(world: World) -> list[str]:
    return world.jira.tickets["SEC-1"].comments


@pytest.mark.parametrize("answer", [None, Answer("<html>", 502)], ids=["none", "a page"])
def test_a_comment_whose_answer_is_lost_is_not_written_again(here: World, answer: Answer | None) -> None:
    here.jira.faults.append(Fault("POST /comment", answer, done=True))
    assert len(here.report().problems) == 1
    assert len(comments(here)) == 1
    here.passes(hours=1)
    for _ in range(2):
        assert here.report().problems == []
    assert len(comments(here)) == 1
    assert "8.8.8.8" in comments(here)[0]


def test_who_is_cut_off_meanwhile_is_told_all_the_same(here: World) -> None:
    here.jira.faults.append(Fault("POST /comment", done=True))
    here.report()
    refused(here, "9.9.9.9", here.clock)
    here.passes(hours=1)
    here.report()
    assert len(comments(here)) == 2
    assert "9.9.9.9" in comments(here)[1]


def test_a_ticket_that_takes_no_comment_is_named_once(here: World) -> None:
    here.jira.tickets["SEC-1"].archived = True
    summary = here.report()
    assert len(summary.problems) == 1
    assert summary.notified == {}
    here.passes(hours=1)
    assert here.report().problems == []


def test_a_table_that_fails_here_keeps_nothing_else_from_being_done(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = Items.query

    def failing(items: Items, condition: str, values: dict[str, object], **more: object) -> object:
        if ITEM_PREFIX in values.values():
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "Query")
        return query(items, condition, values, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Items, "query", failing)
    problems = here.report().problems
    assert len(problems) == 2
    assert all("refused since a change" in problem for problem in problems)
    monkeypatch.undo()
    assert here.report().problems == []
    assert len(comments(here)) == 1
