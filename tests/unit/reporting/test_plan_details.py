"""Each part of a step of the ticket plan, what a channel remembers, and what is announced of remediation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from library.config.models import remediation_terms
from library.documents.document import Section, paragraph
from library.issues.history import PastOccurrence
from library.issues.issue import ClosingNotice, Issue, IssueDetails, Status, Timestamps
from library.issues.opening_calls import OpenedBy
from library.issues.reachability import Reachability, Severity, Sources, Verdict
from library.network.ports import PortSet
from library.security_groups.exemptions import Exemption
from library.security_groups.exposure import Exposure
from library.security_groups.users import GroupUsers
from reporting.exposure_text import exposure_line, ports_cell, share
from reporting.group_text import opened_by_text, ticket, verdict_line, with_exemption
from reporting.plan import (
    Channels,
    ChannelState,
    Forecast,
    Step,
    Update,
    plan,
    remediation_forecast,
    slack_state,
    state_after_update,
    state_as_notified,
    ticket_state,
    update_for,
)
from reporting.remediation_text import closing_changed
from reporting.ticket_facts import Location, TicketFacts
from tests.builders.config_files import config_with, parse
from tests.builders.forecasts import a_forecast

NOW = datetime(2026, 11, 22, tzinfo=UTC)
BEFORE = NOW - timedelta(days=2)
SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
JIRA, BOTH, CONSOLE = Channels(True, False), Channels(True, True), Channels(False, False)
OFF, ON = a_forecast(), a_forecast("1")
AT_ONCE = a_forecast("1", immediate={"1": frozenset({Severity.CRITICAL})})
JUDGED = Reachability.of(Verdict.INTERNET, Sources.ALL, "open_completely")


def issue(status: Status = Status.OPEN, reachability: Reachability | None = None, **changes: Any) -> Issue:
    details = IssueDetails("web", "eu-west-1", "vpc-1", "open_completely", {}, (SSH,), reachability=reachability)
    return replace(Issue("1", "sg-1", status, details, Timestamps(BEFORE, BEFORE)), **changes)


NOTIFIED = state_as_notified(issue(), closed=False)
REPORTED = Timestamps(BEFORE, BEFORE, BEFORE)
EXEMPTION = Exemption("sg-1", expires=BEFORE.date())


def step_of(given: Issue, channels: Channels = JIRA, remediation: Forecast = OFF, *exemptions: Exemption) -> Step:
    [step] = plan([given], channels, remediation, NOW, lambda account_id: exemptions)
    return step


def test_a_new_issue() -> None:
    given = issue()
    assert step_of(given, BOTH, ON) == Step(
        given, Update.NEW, Update.NEW, None, NOW + timedelta(days=21), report=True, close=False, notified=True
    )


def test_what_was_reported_and_is_told_for_the_first_time_is_reported_anew() -> None:
    given = issue(timestamps=REPORTED)
    assert step_of(given, JIRA, ON) == Step(
        given,
        Update.NEW,
        None,
        None,
        NOW + timedelta(days=21),
        report=True,
        close=False,
        report_anew=True,
        notified=True,
    )


def test_what_was_told_and_not_reported_is_reported() -> None:
    given = issue(jira_details={**NOTIFIED, "ticket": "SEC-1"})
    assert step_of(given) == Step(given, None, None, None, None, report=True, close=False, notified=True)


def test_what_changed_is_not_reported_anew() -> None:
    given = issue(timestamps=REPORTED, jira_details={**NOTIFIED, "ticket": "SEC-1", "digest": "another"})
    assert step_of(given, JIRA, ON) == Step(
        given, Update.CHANGED, None, None, BEFORE + timedelta(days=21), report=False, close=False, notified=True
    )


def test_what_is_gone_is_closed() -> None:
    given = issue(Status.RESOLVED, jira_details={**NOTIFIED, "ticket": "SEC-1"}, timestamps=REPORTED)
    assert step_of(given, JIRA, ON) == Step(given, Update.GONE, None, None, None, report=False, close=True)


@pytest.mark.parametrize(
    ("status", "still", "channels", "attends"),
    [
        pytest.param(Status.OPEN, {"watcher": "ana"}, JIRA, True, id="a watcher could not be set"),
        pytest.param(Status.OPEN, {}, JIRA, False, id="all was set"),
        pytest.param(Status.OPEN, {"watcher": "ana"}, Channels(False, True), False, id="JIRA is not enabled"),
    ],
)
def test_what_a_ticket_still_needs(status: Status, still: dict[str, str], channels: Channels, attends: bool) -> None:
    kept = {**NOTIFIED, "ticket": "SEC-1", "still": still}
    given = issue(status, timestamps=REPORTED, jira_details=kept, slack_details=NOTIFIED)
    assert [step.follow_up for step in plan([given], channels, OFF, NOW)] == ([True] if attends else [])


def test_a_closed_ticket_and_one_that_is_told_something_needs_nothing_besides() -> None:
    kept = {**NOTIFIED, "ticket": "SEC-1", "still": {"watcher": "ana"}}
    assert not step_of(issue(Status.RESOLVED, jira_details=kept)).follow_up
    assert not step_of(issue(jira_details={**kept, "digest": "another"}, timestamps=REPORTED)).follow_up


def test_an_exemption_that_ended_is_named_where_the_occurrence_is_reported_first() -> None:
    given = issue()
    assert step_of(given, JIRA, OFF, EXEMPTION).exemption == EXEMPTION
    changed = issue(timestamps=REPORTED, jira_details={**NOTIFIED, "ticket": "SEC-1", "digest": "another"})
    assert step_of(changed, JIRA, OFF, EXEMPTION).exemption is None


def test_that_a_ticket_was_told_otherwise_is_said_of_it() -> None:
    given = issue(reachability=JUDGED, timestamps=REPORTED)
    given = replace(given, jira_details={**state_as_notified(given, closed=False), "ticket": "SEC-1"})
    step = step_of(given, JIRA, AT_ONCE)
    assert (step.ticket_update, step.closing_time_changed, step.at_once, step.notice) == (
        Update.CLOSING,
        True,
        True,
        True,
    )
    assert not step_of(issue(reachability=JUDGED), JIRA, AT_ONCE).closing_time_changed
    closed = issue(Status.WHITELISTED, JUDGED, jira_details={**NOTIFIED, "ticket": "SEC-1"})
    assert not step_of(closed, JIRA, AT_ONCE).closing_time_changed


def test_what_slack_alone_hears_is_no_news_for_a_ticket() -> None:
    given = issue(timestamps=REPORTED, slack_details={**NOTIFIED, "digest": "another"})
    assert not step_of(given, Channels(False, True), OFF).closing_time_changed


@pytest.mark.parametrize(
    ("kept", "on_paper", "channel_state"),
    [
        pytest.param({}, False, None, id="nothing"),
        pytest.param({"ticket": "SEC-1"}, False, ChannelState(), id="a ticket of other tooling"),
        pytest.param({"ticket": "SEC-1", "console": 1}, False, ChannelState(closed=True), id="a ticket before it"),
        pytest.param({"ticket": "SEC-1", "console": 2}, False, ChannelState(), id="the console before the ticket"),
        pytest.param({"ticket": "SEC-1", "console": 1}, True, ChannelState(), id="the console is asked"),
        pytest.param({"console": 1}, False, None, id="the console alone"),
        pytest.param({"digest": "d"}, True, ChannelState(digest="d"), id="told on the console"),
        pytest.param({"digest": "d"}, False, None, id="told on the console, and tickets are asked"),
        pytest.param({"intent": {}}, False, None, id="no intent"),
        pytest.param({"intent": {"news": "new"}}, False, None, id="an intent for an open issue"),
        pytest.param(
            {"ticket": "SEC-1", "occurrence": 3, "closed": True, "digest": "d", "verdict": "blocked",
             "severity": "low", "at_once": True},
            False,
            ChannelState(3, True, "d", "blocked", "low", True),
            id="all of it",
        ),
    ],
)  # fmt: skip
def test_what_a_ticket_says(kept: dict[str, Any], on_paper: bool, channel_state: ChannelState | None) -> None:
    assert ticket_state(issue(jira_details=kept), on_paper=on_paper) == channel_state


def test_a_run_that_was_killed_may_have_filed_a_ticket_that_is_to_be_closed() -> None:
    given = issue(Status.RESOLVED, jira_details={"intent": {"news": "new"}}, occurrence=4)
    assert ticket_state(given) == ChannelState(4)
    assert ticket_state(issue(timestamps=REPORTED), on_paper=True) == ChannelState()
    assert slack_state(issue(slack_details={"digest": "d", "verdict": ""})) == ChannelState(digest="d", verdict="")
    assert slack_state(issue(slack_details={"occurrence": 1})) is None


def test_what_is_remembered() -> None:
    two = replace(issue(reachability=JUDGED).details, perms=(SSH, SSH._replace(cidr="::/0")))
    assert state_as_notified(issue(reachability=JUDGED, details=two), closed=True, at_once=True) == {
        "occurrence": 1,
        "closed": True,
        "digest": "862c17503a2ae3c5",
        "verdict": "internet",
        "severity": "critical",
        "at_once": True,
    }
    assert state_as_notified(issue(), closed=False) == {
        "occurrence": 1,
        "closed": False,
        "digest": NOTIFIED["digest"],
        "verdict": "",
        "severity": "high",
    }


@pytest.mark.parametrize(
    ("reachability", "channel_state", "is_new"),
    [
        pytest.param(None, ChannelState(verdict="", severity="high"), False, id="as it was"),
        pytest.param(None, ChannelState(), False, id="nobody knew the severity, which follows from the status"),
        pytest.param(None, ChannelState(severity="low"), True, id="another severity"),
        pytest.param(JUDGED, ChannelState(verdict="internet", severity="critical"), False, id="the same verdict"),
        pytest.param(JUDGED, ChannelState(verdict="blocked", severity="critical"), True, id="another verdict alone"),
        pytest.param(JUDGED, ChannelState(verdict="", severity="critical"), False, id="judged for the first time"),
        pytest.param(JUDGED, ChannelState(verdict="internet", severity="high"), True, id="another severity alone"),
        pytest.param(JUDGED, ChannelState(), True, id="judged, and worse than the status tells"),
        pytest.param(None, ChannelState(verdict="internet", severity="high"), True, id="not judged any more"),
    ],
)
def test_whether_reachability_is_news(
    reachability: Reachability | None, channel_state: ChannelState, is_new: bool
) -> None:
    given = issue(reachability=reachability)
    known = replace(channel_state, digest=NOTIFIED["digest"], occurrence=1)
    assert update_for(given, known) == (Update.CHANGED if is_new else None)


@pytest.mark.parametrize(
    ("given", "remediation", "anew", "closes_at"),
    [
        pytest.param(issue(), ON, False, NOW + timedelta(days=21), id="not reported yet"),
        pytest.param(issue(timestamps=REPORTED), ON, False, BEFORE + timedelta(days=21), id="reported"),
        pytest.param(issue(timestamps=REPORTED), ON, True, NOW + timedelta(days=21), id="reported anew"),
        pytest.param(issue(reachability=JUDGED), AT_ONCE, False, NOW, id="at once"),
        pytest.param(issue(reachability=JUDGED, timestamps=REPORTED), AT_ONCE, False, NOW, id="at once, reported"),
        pytest.param(
            issue(reachability=JUDGED, timestamps=REPORTED),
            a_forecast("1", retention=timedelta(days=1), immediate={"1": frozenset({Severity.CRITICAL})}),
            False,
            BEFORE + timedelta(days=1),
            id="at once, and due before",
        ),
        pytest.param(
            issue(reachability=JUDGED, timestamps=REPORTED, closing_notice=ClosingNotice(NOW - timedelta(1), 1)),
            AT_ONCE,
            False,
            NOW - timedelta(days=1),
            id="people were told",
        ),
        pytest.param(
            issue(reachability=JUDGED, closing_notice=ClosingNotice(NOW - timedelta(1), 1)),
            AT_ONCE,
            False,
            NOW,
            id="people were told, and it is not reported",
        ),
        pytest.param(issue(), OFF, False, None, id="remediation is off"),
        pytest.param(issue(), a_forecast("1", scope=frozenset({"open_partly"})), False, None, id="out of scope"),
        pytest.param(
            issue(remediation_details={"restored": {"by": "ana"}}), ON, False, None, id="somebody restored it"
        ),
    ],
)
def test_when_it_is_closed(given: Issue, remediation: Forecast, anew: bool, closes_at: datetime | None) -> None:
    assert remediation.of(given, NOW).closes_at(anew=anew) == closes_at


@pytest.mark.parametrize(("days", "is_due"), [(2, True), (3, False), (1, True)])
def test_whether_it_is_due_anyway(days: int, is_due: bool) -> None:
    remediation = a_forecast("1", retention=timedelta(days=days))
    assert remediation.of(issue(timestamps=REPORTED), NOW).is_due_anyway is is_due
    assert not remediation.of(issue(), NOW).is_due_anyway


def test_what_a_configuration_announces() -> None:
    changes = {
        "secgrp_unrestricted_access/remediation": True,
        "secgrp_unrestricted_access/remediation_scope": ["open_partly"],
        "secgrp_unrestricted_access/remediation_strategy": "carve_ports",
        "secgrp_unrestricted_access/remediation_retention_period": 5,
        "slack/reminder_days": [1, 7, 3],
    }
    config = parse(config_with(changes))
    accounts = frozenset(config.remediation_accounts())
    assert accounts
    forecast = remediation_forecast(config)
    assert (forecast.strategy, forecast.retention, forecast.reminder_days) == (
        "carve_ports",
        timedelta(days=5),
        (7, 3, 1),
    )
    off = remediation_forecast(parse(config_with(changes | {"secgrp_unrestricted_access/remediation": False})))
    for account_id in accounts:
        terms = forecast.of(issue(account_id=account_id), NOW).terms
        assert terms == replace(remediation_terms(config, account_id), reaches_people=False)
        assert (terms.is_on, terms.scope) == (True, frozenset({"open_partly"}))
        assert not off.of(issue(account_id=account_id), NOW).terms.is_on


@pytest.mark.parametrize(
    ("perm", "line"),
    [
        (SSH, "tcp 22 from 0.0.0.0/0, open completely"),
        (Exposure("-1", None, None, "::/0", "open_completely"), "all traffic from ::/0, open completely"),
        (Exposure("50", None, None, "::/0", "open_partly"), "50 all from ::/0, open partly"),
        (SSH._replace(prefix_list_id="pl-1"), "tcp 22 from 0.0.0.0/0 through pl-1, open completely"),
    ],
)
def test_a_line_of_what_was_told(perm: Exposure, line: str) -> None:
    assert exposure_line(perm) == line


@pytest.mark.parametrize(
    ("cidr", "text"),
    [("2a00::/96", "4,294,967,296 addresses"), ("2a00::/95", "less than 1 % of IPv6"), ("128.0.0.0/1", "43 % of IPv4")],
)
def test_the_edges_of_a_share(cidr: str, text: str) -> None:
    assert share(cidr) == text


@pytest.mark.parametrize(
    ("perm", "cell"),
    [
        (SSH, "22"),
        (SSH._replace(from_port=0, to_port=65535), "all"),
        (SSH._replace(from_port=1, to_port=65535), "1-65535"),
        (Exposure("50", None, None, "::/0", "open_partly"), "all"),
    ],
)
def test_the_ports_of_a_rule_in_a_table(perm: Exposure, cell: str) -> None:
    assert ports_cell(perm) == cell


@pytest.mark.parametrize(
    ("agent", "program"), [("my-tool/1.2\n", "my-tool/1.2"), ("aws-cli/2", "the AWS command line")]
)
def test_the_program_that_opened_a_group(agent: str, program: str) -> None:
    by = OpenedBy("arn:aws:iam::1:user/ana", "8.8.8.8", agent, "AuthorizeSecurityGroupIngress", NOW, "e-1")
    assert opened_by_text(by) == f"user ana, from 8.8.8.8 with {program}, 2026-11-22 00:00 UTC"


def test_of_many_reasons_why_it_is_not_known_the_first_is_told() -> None:
    unknown = Reachability.of(Verdict.UNKNOWN, None, "open_completely", (), (), ("One.", "Two."))
    assert verdict_line(issue(reachability=unknown)) == (
        "It is not known who on the Internet can connect now. One. Severity: high."
    )


@pytest.mark.parametrize(("days", "text"), [(1, "1 day"), (2, "2 days")])
def test_the_comment_on_another_date_counts_days(days: int, text: str) -> None:
    facts = TicketFacts(Location("1", "1", "eu-west-1"), PortSet(), GroupUsers(), None, "", frozenset(), days, "")
    which = "only the rules that are due"
    said = "Hammer does not change security group sg-1 at its next run any more. "
    said += f"Unless it is fixed or exempt by then, Hammer will replace {which} {text} after it was reported."
    assert closing_changed(issue(), facts) == (Section("", (paragraph(said),)),)


def test_what_is_told_of_an_end_keeps_the_memory_of_one_told_before() -> None:
    given = issue()
    kept = {"exemption_told": "2026-01-01, 3 days"}
    assert state_after_update(step_of(given), Update.NEW, kept) == {**kept, **state_as_notified(given, closed=False)}


def test_a_group_that_is_opened_again_and_again_and_nobody_knows_by_whom() -> None:
    history = tuple(PastOccurrence(None, BEFORE - timedelta(days=days)) for days in (2, 1))
    document = ticket(
        issue(history=history),
        TicketFacts(Location("1", "1", "eu-west-1"), PortSet(), GroupUsers(), None, "", frozenset(), 21, ""),
    )
    assert paragraph("The group was opened again 2 times in 7 days.") in document[0].blocks


def test_where_nothing_is_to_be_said_of_an_exemption_a_text_stays_as_it_is() -> None:
    document = (Section("", (paragraph("Text."),)),)
    step = Step(issue(), Update.CHANGED, None, None, None, report=False, close=False, exemption=EXEMPTION)
    assert with_exemption(document, step) == document
