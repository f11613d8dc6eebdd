from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.security_groups.exposure import Exposure
from reporting.plan import Channels, Forecast, Update, plan, state_as_notified
from tests.builders.forecasts import a_forecast

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
PARTLY = Exposure("tcp", 22, 22, "8.8.8.8/32", "open_partly")
BOTH, JIRA, SLACK, CONSOLE = Channels(True, True), Channels(True, False), Channels(False, True), Channels(False, False)
OFF, ON = a_forecast(), a_forecast("1", reminder_days=(7, 1))


def issue(status: Status = Status.OPEN, *perms: Exposure, **changes: Any) -> Issue:
    details = IssueDetails("web", "eu-west-1", "vpc-1", "open_completely", {}, perms or (SSH,))
    return replace(Issue("1", "sg-1", status, details, Timestamps(NOW, NOW)), **changes)


NOTIFIED = state_as_notified(issue(), closed=False)
OVER = state_as_notified(issue(), closed=True)
TICKET = {**NOTIFIED, "ticket": "SEC-1"}
CLOSED = {**OVER, "ticket": "SEC-1"}
REPORTED = Timestamps(NOW, NOW, NOW)


@pytest.mark.parametrize(
    ("given", "channels", "ticket", "alert"),
    [
        pytest.param(issue(), BOTH, Update.NEW, Update.NEW, id="new"),
        pytest.param(issue(), JIRA, Update.NEW, None, id="new, JIRA alone"),
        pytest.param(issue(), SLACK, None, Update.NEW, id="new, Slack alone"),
        pytest.param(issue(), CONSOLE, Update.NEW, None, id="new, console"),
        pytest.param(issue(jira_details=TICKET), BOTH, None, Update.NEW, id="the ticket was filed, Slack was down"),
        pytest.param(issue(slack_details=NOTIFIED), BOTH, Update.NEW, None, id="Slack was told, JIRA was down"),
        pytest.param(
            issue(jira_details={"ticket": None, "intent": {"news": "new"}}),
            JIRA,
            Update.NEW,
            None,
            id="a run was killed",
        ),
        pytest.param(
            issue(Status.OPEN, PARTLY, jira_details=TICKET, slack_details=NOTIFIED),
            BOTH,
            Update.CHANGED,
            Update.CHANGED,
            id="changed",
        ),
        pytest.param(
            issue(occurrence=2, jira_details=CLOSED, slack_details=OVER),
            BOTH,
            Update.FOUND_AGAIN,
            Update.FOUND_AGAIN,
            id="found again after it was closed",
        ),
        pytest.param(
            issue(occurrence=2, jira_details=TICKET),
            JIRA,
            Update.FOUND_AGAIN,
            None,
            id="found again, its ticket is open",
        ),
        pytest.param(
            issue(jira_details=CLOSED), JIRA, Update.FOUND_AGAIN, None, id="open again in the same occurrence"
        ),
        pytest.param(
            issue(Status.RESOLVED, jira_details=TICKET, slack_details=NOTIFIED),
            BOTH,
            Update.GONE,
            Update.GONE,
            id="gone",
        ),
        pytest.param(
            issue(Status.RESOLVED, jira_details={"intent": {"news": "new"}}),
            JIRA,
            Update.GONE,
            None,
            id="gone, and a killed run may have filed a ticket",
        ),
        pytest.param(
            issue(Status.RESOLVED, occurrence=2, jira_details={**CLOSED, "intent": {"news": "found again"}}),
            JIRA,
            Update.GONE,
            None,
            id="gone, and a killed run may have reopened the ticket",
        ),
        pytest.param(issue(Status.RESOLVED), BOTH, None, None, id="gone before anybody was told"),
        pytest.param(
            issue(Status.RESOLVED, jira_details=CLOSED, slack_details=NOTIFIED),
            BOTH,
            None,
            Update.GONE,
            id="gone, half told",
        ),
        pytest.param(
            issue(Status.WHITELISTED, jira_details=TICKET, slack_details=NOTIFIED),
            BOTH,
            Update.EXEMPT,
            Update.EXEMPT,
            id="exempt",
        ),
        pytest.param(
            issue(jira_details={"ticket": "SEC-1"}, timestamps=Timestamps(NOW, NOW + timedelta(1), NOW)),
            JIRA,
            Update.CHANGED,
            None,
            id="changed, and other tooling told it",
        ),
        pytest.param(
            issue(jira_details={**TICKET, "severity": "low"}),
            JIRA,
            Update.CHANGED,
            None,
            id="more severe than was told",
        ),
    ],
)
def test_what_is_told(given: Issue, channels: Channels, ticket: Update | None, alert: Update | None) -> None:
    [step] = plan([given], channels, OFF, NOW)
    assert (step.ticket_update, step.alert_update) == (ticket, alert)


@pytest.mark.parametrize(
    ("given", "channels"),
    [
        pytest.param(issue(timestamps=REPORTED, jira_details=TICKET, slack_details=NOTIFIED), BOTH, id="told"),
        pytest.param(issue(timestamps=REPORTED), CONSOLE, id="told, on the console"),
        pytest.param(issue(timestamps=REPORTED, jira_details={"ticket": "SEC-1"}), JIRA, id="told by other tooling"),
        pytest.param(issue(Status.WHITELISTED), BOTH, id="exempt before anybody was told"),
        pytest.param(issue(Status.WHITELISTED, jira_details=CLOSED, slack_details=OVER), BOTH, id="exempt, and told"),
    ],
)
def test_nothing_is_done_where_all_is_told(given: Issue, channels: Channels) -> None:
    assert plan([given], channels, ON, NOW) == []


@pytest.mark.parametrize(
    ("given", "ticket", "alert"),
    [
        pytest.param(
            issue(timestamps=REPORTED, jira_details=TICKET, slack_details=NOTIFIED),
            Update.NOT_WATCHED,
            Update.NOT_WATCHED,
            id="open",
        ),
        pytest.param(
            issue(Status.WHITELISTED, jira_details=CLOSED, slack_details=OVER), None, None, id="exempt, and told"
        ),
        pytest.param(issue(), None, None, id="nobody was told"),
        pytest.param(
            issue(Status.RESOLVED, jira_details=TICKET, slack_details=NOTIFIED),
            Update.GONE,
            Update.GONE,
            id="resolved before",
        ),
    ],
)
def test_the_issue_of_a_place_that_is_left_is_ended_with_a_word(
    given: Issue, ticket: Update | None, alert: Update | None
) -> None:
    [step] = plan([given], BOTH, ON, NOW, watches=lambda _: False)
    assert (step.ticket_update, step.alert_update, step.close) == (ticket, alert, True)


def test_a_name_or_tag_is_no_news() -> None:
    given = issue(timestamps=REPORTED, jira_details=TICKET, slack_details=NOTIFIED)
    renamed = replace(given, details=replace(given.details, name="other", tags={"a": "b"}))
    assert plan([renamed], BOTH, OFF, NOW) == []


@pytest.mark.parametrize(
    ("given", "report", "close"),
    [
        (issue(), True, False),
        (issue(jira_details=TICKET, slack_details=NOTIFIED), True, False),
        (issue(Status.RESOLVED), False, True),
        (issue(Status.OPEN, PARTLY, timestamps=REPORTED, jira_details=TICKET, slack_details=NOTIFIED), False, False),
    ],
)
def test_what_is_recorded(given: Issue, report: bool, close: bool) -> None:
    [step] = plan([given], BOTH, OFF, NOW)
    assert (step.report, step.close) == (report, close)


@pytest.mark.parametrize(
    ("days", "sent", "reminder"),
    [
        (13.9, None, None),
        (14, None, 7),
        (15, 7, None),
        (19.9, 7, None),
        (20, 7, 1),
        (20, None, 1),
        (20.5, 1, None),
        (30, 1, None),
    ],
)
def test_when_somebody_is_reminded(days: float, sent: int | None, reminder: int | None) -> None:
    kept = {**NOTIFIED, **({"reminded": sent} if sent else {})}
    steps = plan([issue(timestamps=REPORTED, slack_details=kept)], SLACK, ON, NOW + timedelta(days=days))
    assert [step.alert_reminder for step in steps] == ([] if reminder is None else [reminder])


@pytest.mark.parametrize(
    ("given", "remediation"),
    [
        pytest.param(issue(timestamps=REPORTED, slack_details=NOTIFIED), OFF, id="remediation is off"),
        pytest.param(
            issue(timestamps=REPORTED, slack_details=NOTIFIED),
            a_forecast("2", reminder_days=(7, 1)),
            id="another account",
        ),
        pytest.param(
            issue(timestamps=REPORTED, slack_details=NOTIFIED),
            a_forecast("1", scope=frozenset({"open_partly"}), reminder_days=(7, 1)),
            id="no scope",
        ),
        pytest.param(
            issue(timestamps=REPORTED, slack_details=NOTIFIED, remediation_details={"restored": {"by": "x"}}),
            ON,
            id="restored",
        ),
        pytest.param(
            issue(timestamps=REPORTED, slack_details=NOTIFIED),
            a_forecast("1", retention=timedelta(days=1), reminder_days=(7, 1)),
            id="told just now",
        ),
    ],
)
def test_nobody_is_reminded_of_what_will_not_happen(given: Issue, remediation: Forecast) -> None:
    assert plan([given], SLACK, remediation, NOW + timedelta(hours=23)) == []
    if remediation.retention > timedelta(days=1):
        assert plan([given], SLACK, remediation, NOW + timedelta(days=20)) == []


def test_an_alert_takes_the_place_of_a_reminder() -> None:
    given = issue(Status.OPEN, SSH, PARTLY, timestamps=REPORTED, slack_details=NOTIFIED)
    [step] = plan([given], SLACK, ON, NOW + timedelta(days=20))
    assert (step.alert_update, step.alert_reminder) == (Update.CHANGED, None)


@pytest.mark.parametrize(
    ("given", "is_announced"),
    [
        pytest.param(issue(), True, id="open"),
        pytest.param(issue(Status.WHITELISTED, jira_details=TICKET), False, id="exempt"),
        pytest.param(issue(Status.RESOLVED, jira_details=TICKET), False, id="resolved"),
        pytest.param(issue(issue_id="finding-1"), False, id="a finding"),
    ],
)
def test_a_closing_date_is_announced_only_for_what_will_be_closed(given: Issue, is_announced: bool) -> None:
    [step] = plan([given], JIRA, ON, NOW)
    assert step.closes_at == (NOW + timedelta(days=21) if is_announced else None)
