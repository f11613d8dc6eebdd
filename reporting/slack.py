"""Carries the plan out in Slack: one message for each destination, with its details in the thread.

What a destination heard is recorded as soon as Slack took the message, so that a run that ends in between tells only
those who did not hear yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from library.documents.slack_message import Alert, literal
from library.issues.issue import Issue
from library.issues.reachability import Severity
from library.notifications.broadcast import Sent, broadcast, issue_key, issue_line, issue_subject
from reporting.context import text_of
from reporting.group_text import exemption_line
from reporting.plan import Step, Update, digest, state_of, use_notified
from reporting.remediation_text import closing_when, use_alert, waiting_lines
from reporting.ticket_facts import AlertAdvice, Location

if TYPE_CHECKING:
    from library.config import Configuration
    from library.notifications.jira_client import JiraClient
    from library.notifications.slack_connection import SlackClient
    from reporting.decision_run import DecisionRun

TITLE = "Security groups"
_HEADINGS = {
    None: "Changed automatically soon",
    Update.NEW: "New",
    Update.FOUND_AGAIN: "Exposed again",
    Update.CLOSING: "Changed sooner or later than announced",
    Update.CHANGED: "Changed",
    Update.EXEMPT: "Exempt now",
    Update.EXEMPTION_ENDS: "Exemption ends soon",
    Update.USE: "Who works through it",
    Update.GONE: "No longer exposed",
    Update.NOT_WATCHED: "Not watched any more",
}
_ORDER = (
    *(None, Update.NEW, Update.FOUND_AGAIN, Update.CLOSING, Update.CHANGED),
    *(Update.USE, Update.EXEMPTION_ENDS, Update.EXEMPT, Update.GONE, Update.NOT_WATCHED),
)


@dataclass(frozen=True, slots=True)
class WantedAlert:
    """What is to be told of one issue.

    Attributes:
        step: its step.
        destinations: where.
    """

    step: Step
    destinations: tuple[str, ...]


def send_alerts(
    config: Configuration,
    slack: SlackClient,
    jira: JiraClient | None,
    wanted: Sequence[WantedAlert],
    delivered_to_all: Callable[[Issue, dict[str, Any]], None],
    delivered_to_some: Callable[[Issue, dict[str, Any]], None],
    decisions: DecisionRun,
) -> Sent:
    """Send what is wanted.

    Args:
        config: the configuration.
        slack: Slack.
        jira: JIRA, for links to tickets; None: off.
        wanted: what and where. The issues carry the tickets that they have by now.
        delivered_to_all: called with an issue and its new `slack_details` when all of its destinations heard.
        delivered_to_some: the same, when others have still to hear.
        decisions: gives messages their buttons, and keeps where they are.
    """
    ordered = sorted(wanted, key=_urgency)
    issues = {issue_key(want.step.issue): want for want in ordered}
    delivered_to = {key: _delivered_to(want.step) for key, want in issues.items()}
    waiting: dict[str, list[Alert]] = {}
    for key, want in issues.items():
        sent = [sum(bool(each.actions) for each in waiting.get(this, ())) for this in want.destinations]
        alert = decisions.with_buttons(_alert(config, jira, want.step), want.step.issue, max(sent, default=0))
        for destination in want.destinations:
            if destination not in delivered_to[key]:
                waiting.setdefault(destination, []).append(alert)

    def delivered(destination: str, keys: frozenset[str]) -> None:
        for key in sorted(keys):
            want = issues[key]
            delivered_to[key].add(destination)
            if delivered_to[key] >= set(want.destinations):
                delivered_to_all(want.step.issue, _notified(want))
            else:
                delivered_to_some(want.step.issue, _partly_notified(want, delivered_to[key]))

    def unconfirmed(destination: str, keys: frozenset[str]) -> None:
        # It is sent there again. If the issue is over before, there may be people who were told of it.
        for key in sorted(keys):
            delivered_to_some(issues[key].step.issue, _partly_notified(issues[key], delivered_to[key] - {destination}))

    for key, want in issues.items():
        if delivered_to[key] >= set(want.destinations):  # the last run ended before it recorded as much
            delivered_to_all(want.step.issue, _notified(want))

    def posted(alert: Alert, channel: str, ts: str) -> None:
        decisions.posted(issues[alert.key].step.issue, channel, ts)

    return broadcast(slack, config.slack.default_channel, TITLE, waiting, delivered, unconfirmed, posted)


def _urgency(want: WantedAlert) -> tuple[bool, int, int]:
    """Sorts what is over last, and the rest by severity, the worst first."""
    alert, severity = want.step.alert_update, want.step.issue.details.severity
    return bool(alert and alert.ends), list(Severity).index(severity), _ORDER.index(alert)


def _alert(config: Configuration, jira: JiraClient | None, step: Step) -> Alert:
    issue = step.issue
    line = issue_line(config, jira, issue)
    scope = frozenset(config.secgrp_unrestricted_access.remediation_scope)
    details: tuple[str, ...] = ()
    was_exempt = bool(issue.slack_details.get("exempt"))
    said = exemption_line(step.alert_update, issue, step.exemption, was_exempt=was_exempt, in_part=step.exempt_in_part)
    exemption = literal(said)
    if step.alert_update in (Update.EXEMPT, Update.EXEMPTION_ENDS):
        line = f"{line}: {exemption}" if exemption else line
    elif step.alert_update is Update.USE:
        known = use_alert(issue, closing_when(step), scope)
        line, details = f"{line}: {known.text}", known.details
    elif step.alert_update is None or not step.alert_update.ends:
        restricted = config.secgrp_unrestricted_access.restricted_ports
        reminder = step.alert_update is None
        notified = text_of(issue).alert(
            issue,
            restricted,
            step.closes_at,
            is_reminder=reminder,
            at_once=step.at_once,
            closes_last=step.closes_last,
            advice=None if jira else _advice(config, issue),
            scope=scope,
            waiting=step.waiting,
        )
        line = f"{line}: {notified.text}"
        new = (f"    new: {literal(text)}" for text in waiting_lines(step.waiting, step.retention_days))
        details = (*([f"    {exemption}"] if exemption else []), *new, *notified.details)
        if issue.details.reachability:
            line = f"*{issue.details.severity}* {line}"
    return Alert(issue_key(issue), _HEADINGS[step.alert_update], issue_subject(issue), line, details)


def _advice(config: Configuration, issue: Issue) -> AlertAdvice:
    """Where a message without a ticket points its reader."""
    location = Location(config.account_name(issue.account_id), issue.account_id, issue.details.region)
    section = config.secgrp_unrestricted_access
    sources = section.remediation_sources
    return AlertAdvice(location.console_url(issue.issue_id), config.whitelisting_procedure_url, sources)


def _of(step: Step) -> str:
    """Tells one piece of news from another, so that who heard an older one does not count as told."""
    what = f"reminder {step.alert_reminder}" if step.alert_update is None else str(step.alert_update)
    if step.alert_update is Update.EXEMPTION_ENDS:
        what = f"{what} {step.reminder_of_end}"
    if step.alert_update is Update.USE and step.issue.use is not None:
        what = f"{what}, {step.issue.use.verdict}"
    promise = ", closed at once" if step.at_once and step.alert_update is not None else ""
    return f"{what}, occurrence {step.issue.occurrence}, {digest(step.issue)}{promise}"


def _delivered_to(step: Step) -> set[str]:
    kept: Mapping[str, Any] = step.issue.slack_details.get("heard") or {}
    return {str(destination) for destination in kept.get("by", ())} if kept.get("news") == _of(step) else set()


def _notified(want: WantedAlert) -> dict[str, Any]:
    step = want.step
    kept = {name: value for name, value in step.issue.slack_details.items() if name != "heard"}
    if step.alert_update is None:
        return {**kept, "reminded": step.alert_reminder}
    if step.alert_update not in (Update.CHANGED, Update.CLOSING, Update.EXEMPTION_ENDS, Update.USE):
        kept.pop("reminded", None)
    # Every alert about what is open says in its thread what flow logs show.
    says_use = {} if step.alert_update.ends or step.alert_update is Update.EXEMPTION_ENDS else use_notified(step.issue)
    return {**state_of(step, step.alert_update, kept), **says_use, "destinations": list(want.destinations)}


def _partly_notified(want: WantedAlert, delivered_to: set[str]) -> dict[str, Any]:
    kept = {**want.step.issue.slack_details, "heard": {"news": _of(want.step), "by": sorted(delivered_to)}}
    return {**kept, "destinations": list(want.destinations)}
