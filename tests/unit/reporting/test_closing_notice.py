"""Immediate mode in reporting: who is told that a group is closed at the next run, in which words, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from library.documents.document import plain_text
from library.issues.issue import ClosingNotice, Issue, IssueDetails, Status, Timestamps
from library.issues.reachability import Reachability, Severity, Sources, Verdict
from library.network.ports import PortSet
from library.security_groups.exposure import Exposure
from library.security_groups.users import GroupUsers
from reporting import group_text
from reporting.plan import Channels, Forecast, Step, Update, plan, state_after_update, state_as_notified
from reporting.remediation_text import closing_changed
from reporting.ticket_facts import Location, TicketFacts
from tests.builders.forecasts import a_forecast

NOW = datetime(2026, 11, 22, tzinfo=UTC)
BEFORE = NOW - timedelta(days=2)
BOTH, JIRA, CONSOLE = Channels(True, True), Channels(True, False), Channels(False, False)
WHOLE = frozenset({"open_completely"})
IMMEDIATE = {"1": frozenset({Severity.CRITICAL})}
ON, OFF = a_forecast("1", reminder_days=(7, 1), immediate=IMMEDIATE), a_forecast("1", reminder_days=(7, 1))
DETAILS = IssueDetails(
    "web", "eu-west-1", "vpc-1", "open_completely", {}, (Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely"),)
)
NOTICE = ClosingNotice(BEFORE, 1)


def issue(verdict: Verdict = Verdict.INTERNET, **other: Any) -> Issue:
    """A critical issue, unless the verdict is another; reported two days ago."""
    sources = Sources.ALL if verdict is Verdict.INTERNET else None
    details = replace(DETAILS, reachability=Reachability.of(verdict, sources, "open_completely"))
    return replace(Issue("1", "sg-1", Status.OPEN, details, Timestamps(BEFORE, BEFORE, BEFORE)), **other)


def notified(at_once: bool, verdict: Verdict = Verdict.INTERNET) -> dict[str, Any]:
    """What a channel keeps that was told of the issue, with or without the promise."""
    return {"ticket": "SEC-1", **state_as_notified(issue(verdict), closed=False, at_once=at_once)}


NEW = issue(timestamps=Timestamps(BEFORE, BEFORE))


@pytest.mark.parametrize(
    ("given", "channels", "remediation", "expected"),
    [
        pytest.param(NEW, BOTH, ON, (Update.NEW, Update.NEW, True, True), id="new"),
        pytest.param(NEW, BOTH, OFF, (Update.NEW, Update.NEW, False, False), id="new, without the mode"),
        pytest.param(
            issue(Verdict.BLOCKED, timestamps=NEW.timestamps),
            JIRA,
            ON,
            (Update.NEW, None, False, False),
            id="not severe",
        ),
        pytest.param(NEW, CONSOLE, ON, (Update.NEW, None, True, True), id="new, on the console"),
        pytest.param(
            issue(jira_details=notified(False), slack_details=notified(False)),
            BOTH,
            ON,
            (Update.CLOSING, Update.CLOSING, True, True),
            id="a date was promised, and the mode is enabled",
        ),
        pytest.param(
            issue(jira_details=notified(False, Verdict.BLOCKED), slack_details=notified(False, Verdict.BLOCKED)),
            BOTH,
            ON,
            (Update.CHANGED, Update.CHANGED, True, True),
            id="a date was promised, and it got critical",
        ),
        pytest.param(
            issue(jira_details=notified(True), slack_details=notified(False)),
            BOTH,
            ON,
            (None, Update.CLOSING, True, True),
            id="the ticket says it, Slack was down",
        ),
        pytest.param(
            issue(jira_details=notified(True), slack_details=notified(True)),
            BOTH,
            ON,
            (None, None, True, True),
            id="all were told, and the run ended before it recorded that",
        ),
        pytest.param(
            issue(jira_details=notified(True), closing_notice=replace(NOTICE, occurrence=0)),
            JIRA,
            ON,
            (None, None, True, True),
            id="the notice is of the occurrence before",
        ),
        pytest.param(
            issue(Verdict.BLOCKED, jira_details=notified(True), slack_details=notified(True), closing_notice=NOTICE),
            BOTH,
            ON,
            (Update.CHANGED, Update.CHANGED, False, False),
            id="told, and less severe by now",
        ),
        pytest.param(
            issue(jira_details=notified(True), closing_notice=NOTICE),
            JIRA,
            OFF,
            (Update.CLOSING, None, False, False),
            id="told, and the mode is switched off",
        ),
        pytest.param(
            issue(jira_details=notified(True), closing_notice=NOTICE),
            BOTH,
            ON,
            (None, Update.NEW, True, True),
            id="Slack was enabled since",
        ),
    ],
)
def test_what_is_told(
    given: Issue,
    channels: Channels,
    remediation: Forecast,
    expected: tuple[Update | None, Update | None, bool, bool],
) -> None:
    [step] = plan([given], channels, remediation, NOW)
    assert (step.ticket_update, step.alert_update, step.at_once, step.notice) == expected


@pytest.mark.parametrize(
    ("given", "remediation"),
    [
        pytest.param(issue(jira_details=notified(True), closing_notice=NOTICE), ON, id="all is told and recorded"),
        pytest.param(issue(jira_details=notified(False)), OFF, id="the mode is off"),
        pytest.param(
            issue(jira_details=notified(False), remediation_details={"restored": {"by": "x"}}),
            ON,
            id="restored: not closed",
        ),
        pytest.param(
            issue(jira_details=notified(False)),
            a_forecast(immediate=IMMEDIATE),
            id="remediation is off in the account",
        ),
        pytest.param(
            issue(jira_details=notified(False)),
            a_forecast("1", retention=timedelta(days=1), immediate=IMMEDIATE),
            id="due by its date anyway",
        ),
        pytest.param(
            issue(jira_details=notified(False)),
            a_forecast("1", scope=frozenset({"open_partly"}), immediate=IMMEDIATE),
            id="out of scope",
        ),
    ],
)
def test_nothing_is_told(given: Issue, remediation: Forecast) -> None:
    assert plan([given], JIRA, remediation, NOW) == []


@pytest.mark.parametrize(
    ("given", "remediation", "withdraws"),
    [
        (issue(Verdict.BLOCKED, jira_details=notified(True), closing_notice=NOTICE), ON, True),
        (issue(jira_details=notified(True), closing_notice=NOTICE), OFF, True),
        (issue(Verdict.BLOCKED, jira_details=notified(True)), ON, False),
        (
            issue(Verdict.BLOCKED, jira_details=notified(True), closing_notice=replace(NOTICE, withdrawn=True)),
            ON,
            False,
        ),
        (issue(jira_details=notified(False), closing_notice=replace(NOTICE, withdrawn=True)), ON, False),
    ],
    ids=["less severe", "switched off", "never recorded", "taken back already", "severe again"],
)
def test_a_notice_is_taken_back_before_another_date_is_told(
    given: Issue, remediation: Forecast, withdraws: bool
) -> None:
    [step] = plan([given], JIRA, remediation, NOW)
    assert step.withdraws_notice is withdraws


def test_what_was_told_is_kept_only_as_long_as_it_is_true() -> None:
    [step] = plan([NEW], JIRA, ON, NOW)
    kept = state_after_update(step, Update.NEW, {"ticket": "SEC-1"})
    assert kept["at_once"] is True
    [later] = plan([issue(Verdict.BLOCKED, jira_details=kept)], JIRA, ON, NOW)
    assert "at_once" not in state_after_update(later, Update.CHANGED, kept)


def test_nobody_is_reminded_of_what_is_closed_at_the_next_run() -> None:
    given = issue(slack_details=notified(True), closing_notice=NOTICE)
    assert plan([given], Channels(False, True), ON, NOW + timedelta(days=18)) == []


def facts(step: Step) -> TicketFacts:
    return TicketFacts(
        location=Location("1", "1", "eu-west-1"),
        restricted=PortSet.parse([22]),
        used_by=GroupUsers(),
        closes_at=step.closes_at,
        strategy="replace_rule",
        scope=WHOLE,
        retention_days=21,
        procedure_url="",
        at_once=step.at_once,
    )


def test_a_ticket_says_the_next_run_in_place_of_a_date() -> None:
    [step] = plan([NEW], JIRA, ON, NOW)
    text = plain_text(group_text.ticket(NEW, facts(step)))
    assert "Unless it is fixed or exempt by then, Hammer will replace this rule at its next run." in text
    assert "Hammer will replace the rules above, each of them whole, at its next run: what they open" in text
    assert "2026-12-13" not in text
    alert = group_text.alert(NEW, facts(step), is_reminder=False, has_ticket=True)
    assert alert.text.endswith("; Hammer will replace this rule at its next run")


def test_the_comment_on_another_date() -> None:
    [sooner] = plan([issue(jira_details=notified(False))], JIRA, ON, NOW)
    assert plain_text(closing_changed(sooner.issue, facts(sooner))) == (
        "The severity of security group sg-1 is critical. Unless it is fixed or exempt by then, Hammer will replace "
        "this rule at its next run.\n"
    )
    [later] = plan([issue(Verdict.BLOCKED, jira_details=notified(True))], JIRA, ON, NOW)
    assert plain_text(closing_changed(later.issue, facts(later))) == (
        "Hammer does not change security group sg-1 at its next run any more. Unless it is fixed or exempt by then, "
        "Hammer will replace this rule 21 days after it was reported.\n"
    )
