"""What a channel that reported a group before its flow logs were read is told of them later, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from library.documents.document import plain_text
from library.issues.issue import Issue, Status
from library.issues.reachability import Reachability, Verdict
from library.issues.use import Use, UseVerdict
from library.network.addresses import parse_network
from library.network.ports import PortSet
from library.security_groups.exposure import Exposure
from library.security_groups.users import GroupUsers
from remediation.planning import keep_lines
from reporting.group_text import alert, ticket
from reporting.plan import Channels, Step, Update, plan, state_after_update, state_as_notified, use_notified
from reporting.remediation_text import closing_when, use_alert, use_alert_line, use_comment
from reporting.ticket_facts import Location, TicketFacts
from tests.builders.forecasts import WHOLE, a_forecast
from tests.unit.issues.test_use import use
from tests.unit.reporting.test_ticket_plan import OFF, REPORTED, issue

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOTIFIED = state_as_notified(issue(), closed=False)
BOTH = Channels(True, True)
WORKING, TALKED = use(), use(UseVerdict.TALKED)
NONE = use(UseVerdict.NONE, rules=(), covered=Decimal(1))
UNKNOWN = use(UseVerdict.UNKNOWN, rules=(), reason="No flow log covers eni-1")


def notified(seen: Use | None = None, occurrence: int = 1) -> Issue:
    state = {**NOTIFIED, **(use_notified(replace(issue(), use=seen, occurrence=occurrence)) if seen else {})}
    return issue(timestamps=REPORTED, jira_details={**state, "ticket": "SEC-1"}, slack_details=state)


@pytest.mark.parametrize(
    ("before", "now", "notification"),
    [
        pytest.param(None, None, None, id="not read"),
        pytest.param(None, UNKNOWN, None, id="nothing known yet"),
        pytest.param(None, NONE, Update.USE, id="nobody, and it was watched"),
        pytest.param(None, WORKING, Update.USE, id="a worker"),
        pytest.param(UNKNOWN, WORKING, Update.USE, id="the ticket said that it was unknown"),
        pytest.param(NONE, TALKED, Update.USE, id="somebody talks after nobody did"),
        pytest.param(TALKED, WORKING, Update.USE, id="it turns out to be work"),
        pytest.param(NONE, NONE, None, id="said once: nobody"),
        pytest.param(WORKING, WORKING, None, id="said once: a worker"),
        pytest.param(WORKING, TALKED, None, id="less than was said"),
        pytest.param(WORKING, NONE, None, id="nobody any more"),
        pytest.param(WORKING, UNKNOWN, None, id="unknown again"),
    ],
)
def test_what_flow_logs_show_later_is_told_once(
    before: Use | None, now: Use | None, notification: Update | None
) -> None:
    steps = plan([replace(notified(before), use=now)], BOTH, OFF, NOW)
    assert [(step.ticket_update, step.alert_update) for step in steps] == (
        [(notification, notification)] if notification else []
    )


def test_each_channel_is_told_what_it_was_not_told() -> None:
    given = replace(notified(), use=WORKING, slack_details={**NOTIFIED, **use_notified(replace(issue(), use=WORKING))})
    [step] = plan([given], BOTH, OFF, NOW)
    assert (step.ticket_update, step.alert_update) == (Update.USE, None)
    state = state_after_update(step, Update.USE, given.jira_details)
    assert plan([replace(given, jira_details=state)], BOTH, OFF, NOW) == []


@pytest.mark.parametrize(
    ("given", "notification"),
    [
        pytest.param(issue(use=WORKING), Update.NEW, id="new: the ticket says it"),
        pytest.param(replace(notified(WORKING), occurrence=2, use=WORKING), Update.FOUND_AGAIN, id="found again"),
        pytest.param(replace(notified(), use=WORKING, status=Status.RESOLVED), Update.GONE, id="gone"),
    ],
)
def test_other_news_comes_first(given: Issue, notification: Update) -> None:
    [step] = plan([given], BOTH, OFF, NOW)
    assert (step.ticket_update, step.alert_update) == (notification, notification)


def test_in_a_new_occurrence_it_is_told_again() -> None:
    given = replace(notified(WORKING, occurrence=1), occurrence=2, use=WORKING)
    state = {**state_as_notified(given, closed=False), "use_told": given.jira_details["use_told"]}
    [step] = plan([replace(given, jira_details={**state, "ticket": "SEC-1"}, slack_details=state)], BOTH, OFF, NOW)
    assert (step.ticket_update, step.alert_update) == (Update.USE, Update.USE)


@pytest.mark.parametrize("damaged", ["yes", {}, {"occurrence": None}, {"occurrence": 1, "verdict": ["none"]}, 7, None])
def test_a_damaged_memory_means_that_it_is_told(damaged: object) -> None:
    given = replace(notified(), use=WORKING)
    given = replace(given, jira_details={**given.jira_details, "use_told": damaged})
    assert [step.ticket_update for step in plan([given], Channels(True, False), OFF, NOW)] == [Update.USE]


def test_it_is_no_report_of_what_is_open_and_takes_no_notice_back() -> None:
    [step] = plan([replace(notified(), use=WORKING)], BOTH, OFF, NOW)
    assert (step.report, step.notified, step.notice, step.withdraws_notice) == (False, False, False, False)


def test_what_the_texts_say() -> None:
    given = replace(notified(), use=use(keep=("9.9.9.7/32", "9.9.9.8/32")))
    text = plain_text(use_comment(given, "on 2026-12-13 00:00 UTC or soon after", WHOLE))
    assert "Flow logs show by now who uses what is open in security group sg-1." in text
    assert "2 sources worked, last yesterday 18:02" in text
    assert "Hammer will replace this rule on 2026-12-13 00:00 UTC or soon after." in text
    command = (
        "hammer remediate --include-not-due --account 1 --region eu-west-1 --group sg-1 --keep 9.9.9.7/32,9.9.9.8/32"
    )
    assert command in text
    message = use_alert(given, "", WHOLE)
    assert "2 sources worked" in message.text
    assert any("9.9.9.7 worked through tcp/22" in line for line in message.details)
    assert command in message.details[-1]


def test_a_reminder_names_it_too() -> None:
    given = replace(notified(WORKING), use=WORKING)
    facts = replace(_facts(), closes_at=NOW + timedelta(days=1))
    message = alert(given, facts, is_reminder=True, has_ticket=True)
    assert any("2 sources worked" in line for line in message.details)


def test_when_it_closes_at_the_latest_is_in_it() -> None:
    waiting = a_forecast("1", wait_in_use=timedelta(days=7))
    [step] = plan([replace(notified(), use=WORKING)], BOTH, waiting, NOW)
    assert isinstance(step, Step)
    assert (step.ticket_update, step.closes_at) == (Update.USE, step.closes_last)


def test_the_date_of_who_waits_is_none_that_counts_when_nobody_works_any_more() -> None:
    waiting = a_forecast("1", wait_in_use=timedelta(days=7))
    [step] = plan([replace(notified(), use=WORKING)], BOTH, waiting, NOW)
    assert closing_when(step).endswith("it waits until then as long as flow logs show somebody at work, and no longer")
    [step] = plan([replace(notified(), use=NONE)], BOTH, waiting, NOW)
    assert step.closes_at is not None
    assert step.closes_last is not None
    assert step.closes_last - step.closes_at == timedelta(days=7)


def test_the_ticket_of_a_group_that_nothing_uses_now_says_who_worked_before() -> None:
    """Flow logs are read at other times than the network: an interface may be gone since."""
    unused = Reachability.of(Verdict.UNUSED, None, "open_completely")
    given = issue(use=WORKING)
    given = replace(given, details=replace(given.details, reachability=unused))
    [step] = plan([given], BOTH, OFF, NOW)
    text = plain_text(ticket(given, replace(_facts(), closes_at=step.closes_at)))
    assert "If nothing needs the group any more, delete it" in text
    assert "2 sources worked, last yesterday 18:02" in text


def _facts() -> TicketFacts:
    location = Location("main", "1", "eu-west-1")
    return TicketFacts(
        location,
        PortSet.parse([22]),
        GroupUsers(),
        None,
        "replace_rule",
        frozenset({"open_completely"}),
        21,
        "",
    )


def test_one_line_about_who_works_names_what_was_not_read_too() -> None:
    new = Exposure("tcp", 3389, 3389, "0.0.0.0/0", "open_completely")
    found = use(keep=("9.9.9.7/32",))
    for each, missing in ((found, False), (found.of_what_is_open([new]), True)):
        of_issue = issue(use=each)
        lines = list(keep_lines(of_issue, [parse_network("9.9.9.7/32")]))
        for text in (" ".join(lines), use_alert_line(of_issue)):
            assert ("Flow logs were not yet read for tcp/3389 from 0.0.0.0/0." in text) is missing
