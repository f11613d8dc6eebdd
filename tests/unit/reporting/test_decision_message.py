"""The message of an issue that people decide on in Slack: who decided, what its buttons carry, and when it has any."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from library.documents.slack_message import slack_literal
from library.documents.text import utf16_size
from library.issues.decision_record import (
    CloseNow,
    Decision,
    DecisionKind,
    DecisionState,
    RestoreRequest,
    Via,
)
from library.issues.decision_rules import ButtonValue, button_value, read_button, seen_now
from library.issues.issue import Issue
from library.security_groups.exposure import exposure_key
from reporting.decision_messages import issue_message
from reporting.decision_notifications import DecisionNotifications
from tests.builders.config_files import config_with, parse
from tests.builders.issues import NOW, RDP, an_issue

ON: dict[str, Any] = {"decisions": {"enabled": True, "allow": ["U0123456"]}}


def decided(by: str, via: Via) -> Issue:
    """An issue that somebody decided to close."""
    issue = an_issue()
    decision = Decision(DecisionKind.CLOSE_NOW, by, via, NOW, issue.occurrence)
    return replace(issue, decided=DecisionState(decisions=(decision,)))


@pytest.mark.parametrize(
    ("by", "via", "shown"),
    [
        ("<!channel>", Via.CLI, "&lt;!channel&gt;"),
        ("<@U0123456>", Via.JIRA, "&lt;@U0123456&gt;"),
        ("*ana*", Via.JIRA, "ana"),
        ("U0123456", Via.SLACK, "<@U0123456>"),
        ("U0123456", Via.CLI, "U0123456"),
        ("U1> <!here", Via.SLACK, "U1&gt; &lt;!here"),
    ],
    ids=["a channel", "a mention", "bold", "a user of Slack's", "a login that looks like one", "no user of Slack's"],
)
def test_only_a_user_of_slacks_is_shown_as_one(by: str, via: Via, shown: str) -> None:
    message = issue_message(parse(config_with(ON)), decided(by, via), "line", NOW.date())
    text = message.blocks[0]["text"]["text"]
    assert shown in text
    assert "<!" not in text
    assert text.count("<@") == (1 if via is Via.SLACK and by == "U0123456" else 0)


@pytest.mark.parametrize(
    ("section", "shown"),
    [
        ({"remediation": True, "remediation_scope": ["open_partly"]}, "Open: remediation closes it at its next run."),
        (
            {"remediation": True, "remediation_scope": ["open_completely"]},
            "Open: remediation closes it at its next run, once remediation_scope has what is open.",
        ),
        (
            {"remediation": False, "remediation_scope": ["open_completely"]},
            "Open: remediation closes it at its next run, once remediation is on here.",
        ),
    ],
    ids=["in the scope", "out of the scope", "remediation is off"],
)
def test_it_is_not_said_to_be_closed_where_remediation_leaves_it(section: dict[str, Any], shown: str) -> None:
    issue = an_issue()
    perms = (RDP,)
    issue = replace(issue, details=replace(issue.details, status="open_partly", perms=perms))
    close_now = CloseNow("U0123456", NOW, issue.occurrence, frozenset(map(exposure_key, perms)))
    issue = replace(issue, decided=DecisionState(close_now=close_now))
    changes = {**ON, **{f"secgrp_unrestricted_access/{name}": value for name, value in section.items()}}
    message = issue_message(parse(config_with(changes)), issue, "line", NOW.date())
    assert shown in message.blocks[0]["text"]["text"].splitlines()


def test_a_button_names_the_issue_and_what_is_seen_of_it() -> None:
    issue = an_issue()
    found = ButtonValue(issue.account_id, issue.details.region, issue.issue_id, seen_now(issue))
    assert read_button(button_value(issue)) == found
    elsewhere = replace(issue, details=replace(issue.details, region="ap-south-1"))
    assert read_button(button_value(elsewhere)) == replace(found, region="ap-south-1", seen=seen_now(elsewhere))


@pytest.mark.parametrize(
    ("decisions", "app_token", "expected"),
    [(True, True, True), (False, True, False), (True, False, False)],
    ids=["somebody may listen", "decisions are off", "no token to listen with"],
)
def test_messages_have_buttons_where_somebody_may_listen(*, decisions: bool, app_token: bool, expected: bool) -> None:
    config = parse(config_with({"decisions": {**ON["decisions"], "enabled": decisions}}))
    slack = cast(Any, SimpleNamespace(has_app_token=app_token))
    assert DecisionNotifications(config, cast(Any, None), None, slack, lambda: NOW).has_buttons is expected
    assert not DecisionNotifications(config, cast(Any, None), None, None, lambda: NOW).has_buttons


@pytest.mark.parametrize(
    "text", ["&", "*", "移", "\U0001f525", "why "], ids=["entity", "effect", "CJK", "emoji", "plain"]
)
@pytest.mark.parametrize("restores", [False, True])
def test_the_newest_decision_is_always_shown_and_slack_takes_the_message(text: str, *, restores: bool) -> None:
    """Five decisions with reasons of 500 characters, some of which Slack is given as five or more."""
    issue = an_issue()
    reason = text * (500 // len(text))
    decisions = [
        Decision(DecisionKind.NOT_MINE, f"U000000{number}", Via.SLACK, NOW, issue.occurrence, reason, owner=reason)
        for number in range(5)
    ]
    newest = RestoreRequest(replace(decisions[-1], kind=DecisionKind.RESTORE), "change") if restores else None
    issue = replace(issue, decided=DecisionState(decisions=tuple(decisions), restore=newest))
    line = slack_literal(text * 80)
    message = issue_message(parse(config_with(ON)), issue, line, NOW.date())
    shown = message.blocks[0]["text"]["text"]
    assert "<@U0000004> decided to restore" in shown if restores else "<@U0000004> handed it on" in shown
    assert utf16_size(shown) <= 3000
    assert len(json.dumps(message.blocks)) <= 12_000
