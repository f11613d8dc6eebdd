"""Who is notified of the end of an exemption, when, and in which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from library.documents.document import plain_text
from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.security_groups.exemptions import Exemption
from library.security_groups.exposure import Exposure
from reporting.group_text import exemption_line, with_exemption
from reporting.plan import Channels, Step, Update, plan, state_after_update, state_as_notified
from tests.builders.forecasts import a_forecast

END = date(2027, 3, 1)
MIDNIGHT = datetime(2027, 3, 1, tzinfo=UTC)
EXEMPTION = Exemption("sg-1", expires=END, reason="partner VPN", author="Ana Lima")
OFF = a_forecast()
BOTH, JIRA, SLACK, CONSOLE = Channels(True, True), Channels(True, False), Channels(False, True), Channels(False, False)


def issue(status: Status = Status.WHITELISTED, identified: datetime = MIDNIGHT, **changes: Any) -> Issue:
    perms = (Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely"),)
    details = IssueDetails("web", "eu-west-1", "vpc-1", "open_completely", {}, perms)
    return replace(Issue("1", "sg-1", status, details, Timestamps(identified, identified)), **changes)


def a_step(exemption: Exemption | None) -> Step:
    return Step(issue(), None, None, None, None, report=False, close=False, exemption=exemption)


def steps(given: Issue, now: datetime, channels: Channels = SLACK, *exemptions: Exemption) -> Sequence[Step]:
    return plan([given], channels, OFF, now, lambda account_id: (exemptions or (EXEMPTION,)) * (account_id == "1"))


@pytest.mark.parametrize(
    ("days", "notified", "reminder"),
    [
        pytest.param(15, "", None, id="not near"),
        pytest.param(14, "", "2027-03-01, 14 days", id="14 days before"),
        pytest.param(13, "2027-03-01, 14 days", None, id="told once"),
        pytest.param(4, "", "2027-03-01, 14 days", id="late, but before the next date"),
        pytest.param(3, "2027-03-01, 14 days", "2027-03-01, 3 days", id="3 days before"),
        pytest.param(3, "2026-03-01, 3 days", "2027-03-01, 3 days", id="it was extended since"),
        pytest.param(1, "2027-03-01, 3 days", None, id="both were told"),
        pytest.param(0, "", None, id="it has ended, and no scan saw the group since"),
    ],
)
def test_when_the_end_is_told(days: int, notified: str, reminder: str | None) -> None:
    found = steps(issue(slack_details={"exemption_told": notified}), MIDNIGHT - timedelta(days=days))
    assert [(step.alert_update, step.reminder_of_end) for step in found] == (
        [] if reminder is None else [(Update.EXEMPTION_ENDS, reminder)]
    )


@pytest.mark.parametrize(
    ("channels", "ticket", "expected"),
    [
        pytest.param(BOTH, True, (Update.EXEMPTION_ENDS, Update.EXEMPTION_ENDS), id="ticket and Slack"),
        pytest.param(BOTH, False, (None, Update.EXEMPTION_ENDS), id="no ticket: Slack"),
        pytest.param(JIRA, False, None, id="no ticket and no Slack: nobody"),
        pytest.param(CONSOLE, False, (Update.EXEMPTION_ENDS, None), id="console"),
    ],
)
def test_where_the_end_is_told(
    channels: Channels, ticket: bool, expected: tuple[Update | None, Update | None] | None
) -> None:
    kept = {**state_as_notified(issue(), closed=True), "ticket": "SEC-1"} if ticket else {}
    found = steps(issue(jira_details=kept), MIDNIGHT - timedelta(days=3), channels)
    assert [(step.ticket_update, step.alert_update) for step in found] == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("exemptions", "expires"),
    [
        pytest.param((EXEMPTION, Exemption("sg-1")), None, id="another one has no end"),
        pytest.param((EXEMPTION, Exemption("vpc-1:web", expires=date(2027, 3, 3))), date(2027, 3, 3), id="by name"),
        pytest.param((Exemption("sg-2", expires=END),), None, id="of another group"),
    ],
)
def test_the_end_that_counts(exemptions: tuple[Exemption, ...], expires: date | None) -> None:
    found = steps(issue(), MIDNIGHT - timedelta(days=2), SLACK, *exemptions)
    assert [step.exemption.expires for step in found if step.exemption] == ([expires] if expires else [])


@pytest.mark.parametrize(
    ("identified", "is_named"),
    [
        pytest.param(MIDNIGHT - timedelta(seconds=1), False, id="exposed before it ended"),
        pytest.param(MIDNIGHT, True, id="exposed by its end"),
        pytest.param(MIDNIGHT + timedelta(days=6), True, id="seen a few days later"),
        pytest.param(MIDNIGHT + timedelta(days=7), False, id="exposed by something else"),
    ],
)
def test_a_new_occurrence_names_the_exemption_that_ended(identified: datetime, is_named: bool) -> None:
    kept = state_as_notified(issue(), closed=True)
    [step] = steps(issue(Status.OPEN, identified, occurrence=2, slack_details=kept), MIDNIGHT + timedelta(days=8))
    assert (step.alert_update, step.exemption) == (Update.FOUND_AGAIN, EXEMPTION if is_named else None)


def test_what_is_remembered_of_an_end_keeps_what_was_known() -> None:
    kept = {**state_as_notified(issue(), closed=True), "ticket": "SEC-1"}
    given = issue(jira_details=kept)
    [step] = steps(given, MIDNIGHT - timedelta(days=3), BOTH)
    notified = state_after_update(step, Update.EXEMPTION_ENDS, kept)
    assert notified == {**kept, "exemption_told": "2027-03-01, 3 days"}
    assert (
        steps(replace(given, jira_details=notified, slack_details=notified), MIDNIGHT - timedelta(days=3), BOTH) == []
    )


def test_who_hears_that_a_group_is_exempt_for_a_few_days_needs_no_reminder_of_it() -> None:
    given = issue(slack_details=state_as_notified(issue(Status.OPEN), closed=False))
    [step] = steps(given, MIDNIGHT - timedelta(days=3))
    assert step.alert_update is Update.EXEMPT
    notified = state_after_update(step, Update.EXEMPT, given.slack_details)
    assert steps(replace(given, slack_details=notified), MIDNIGHT - timedelta(days=3)) == []


@pytest.mark.parametrize(
    ("notification", "exemption", "line"),
    [
        pytest.param(
            Update.EXEMPTION_ENDS,
            EXEMPTION,
            "The exemption of security group sg-1 ends on 2027-03-01. From that day on it is an open issue again, "
            "unless it is fixed or the exemption is extended before. Reason of the exemption: partner VPN (Ana Lima)",
            id="ends soon",
        ),
        pytest.param(
            Update.FOUND_AGAIN,
            EXEMPTION,
            "The exemption of security group sg-1 ended on 2027-03-01. Reason of the exemption: partner VPN (Ana Lima)",
            id="ended",
        ),
        pytest.param(
            Update.NEW,
            Exemption("sg-1", expires=END),
            "The exemption of security group sg-1 ended on 2027-03-01.",
            id="no reason",
        ),
        pytest.param(
            Update.EXEMPT,
            EXEMPTION,
            "The exemption ends on 2027-03-01. Reason of the exemption: partner VPN (Ana Lima)",
            id="exempt",
        ),
        pytest.param(
            Update.EXEMPT,
            Exemption("sg-1", author="Ana Lima"),
            "Reason of the exemption: Ana Lima",
            id="an author alone",
        ),
        pytest.param(Update.EXEMPT, Exemption("sg-1"), "", id="nothing to say"),
        pytest.param(Update.CHANGED, EXEMPTION, "", id="changed"),
        pytest.param(Update.GONE, None, "", id="no exemption"),
    ],
)
def test_what_is_said_of_an_exemption(notification: Update, exemption: Exemption | None, line: str) -> None:
    assert exemption_line(a_step(exemption), notification, {}) == line


@pytest.mark.parametrize(
    ("notification", "was_exempt", "in_part", "line"),
    [
        pytest.param(
            Update.FOUND_AGAIN,
            True,
            False,
            "The exemption of security group sg-1 was taken back, or does not cover what is open now.",
            id="the exemption was deleted",
        ),
        pytest.param(Update.FOUND_AGAIN, False, False, "", id="it was fixed in between"),
        pytest.param(
            Update.CHANGED,
            False,
            True,
            "An exemption covers a part of security group sg-1: what it covers is not listed as open.",
            id="exempt in part",
        ),
        pytest.param(Update.NEW, False, True, "", id="exempt in part, and nobody was told otherwise"),
        pytest.param(Update.GONE, True, True, "", id="gone"),
    ],
)
def test_what_is_said_of_an_exemption_that_has_no_end(
    notification: Update, was_exempt: bool, in_part: bool, line: str
) -> None:
    step = replace(a_step(None), exempt_in_part=in_part)
    assert exemption_line(step, notification, {"exempt": True} if was_exempt else {}) == line


def test_an_open_group_is_exempt_in_part_while_an_exemption_counts() -> None:
    for now, in_part in ((MIDNIGHT - timedelta(days=1), True), (MIDNIGHT, False)):
        [step] = steps(issue(Status.OPEN), now)
        assert step.exempt_in_part is in_part


def test_a_channel_keeps_that_a_group_is_exempt_until_it_is_told_otherwise() -> None:
    notified = state_after_update(
        steps(issue(slack_details=state_as_notified(issue(), closed=False)), MIDNIGHT - timedelta(days=30))[0],
        Update.EXEMPT,
        {},
    )
    assert notified["exempt"] is True
    [step] = steps(issue(Status.OPEN, slack_details=notified), MIDNIGHT)
    assert step.alert_update is Update.FOUND_AGAIN
    assert "exempt" not in state_after_update(step, Update.FOUND_AGAIN, notified)


def test_a_untrusted_reason_stays_on_its_line() -> None:
    untrusted = replace(EXEMPTION, reason="ok\r\n[x|http://e] \x1b[31m\u202e", author="<!channel>")
    text = plain_text(with_exemption((), replace(a_step(untrusted), ticket_update=Update.FOUND_AGAIN)))
    assert len(text.strip().splitlines()) == 1
    assert text.strip().isprintable()
