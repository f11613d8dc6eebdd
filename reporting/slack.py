"""Carries the plan out in Slack: one message for each destination, with its details in the thread.

What a destination heard is recorded as soon as Slack took the message, so that a run that ends in between tells only
those who did not hear yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from library.documents.slack_message import Alert, slack_literal
from library.issues.reachability import Severity
from library.notifications.broadcast import Sent, broadcast, issue_key, issue_line, issue_subject
from reporting.context import texts_for
from reporting.group_text import exemption_line
from reporting.plan import AT_ONCE, Step, Update, channel_statement, state_with_reminder, use_notified
from reporting.remediation_text import closing_when, use_alert, waiting_lines
from reporting.ticket_facts import TicketFacts

if TYPE_CHECKING:
    from library.config import Configuration
    from library.notifications.jira_client import JiraClient
    from library.notifications.slack_connection import SlackClient
    from reporting.context import TicketContexts
    from reporting.decision_run import DecisionRun

TITLE = "Security groups"
_HEADINGS = {
    None: "Changed automatically soon",
    Update.NEW: "New",
    Update.FOUND_AGAIN: "Exposed again",
    Update.CLOSING: "Changed sooner or later than announced",
    Update.CHANGED: "Changed",
    Update.USE: "Who works through it",
    Update.EXEMPTION_ENDS: "Exemption ends soon",
    Update.EXEMPT: "Exempt now",
    Update.GONE: "No longer exposed",
    Update.NOT_WATCHED: "Not watched any more",
}
"""In the order in which a message has them; None: a reminder."""
_ORDER = tuple(_HEADINGS)


class Delivered(Protocol):
    """What is called when a destination was sent a step."""

    def __call__(self, step: Step, details: dict[str, Any], *, all_of_them: bool) -> None:
        """The step, its issue's new `slack_details`, and whether all of its destinations were sent it by now."""


def send_alerts(
    config: Configuration,
    slack: SlackClient,
    jira: JiraClient | None,
    steps: Sequence[Step],
    contexts: TicketContexts,
    delivered: Delivered,
    decisions: DecisionRun,
) -> Sent:
    """Send what steps with an alert or a reminder tell. Their issues have the tickets that they have by now."""
    by_key = {issue_key(step.issue): step for step in sorted(steps, key=_urgency)}
    destinations = {key: contexts.destinations(step) for key, step in by_key.items()}
    delivered_to = {key: _delivered_to(step) for key, step in by_key.items()}
    waiting: dict[str, list[Alert]] = {}
    for key, step in by_key.items():
        sent = [sum(bool(each.actions) for each in waiting.get(this, ())) for this in destinations[key]]
        alert = _alert(config, jira, step, contexts.of(step).facts)
        alert = decisions.with_buttons(alert, step.issue, max(sent, default=0))
        for destination in destinations[key]:
            if destination not in delivered_to[key]:
                waiting.setdefault(destination, []).append(alert)

    def to_all(key: str) -> bool:
        """Record that all of an issue's destinations were sent it; False: some were not."""
        if not delivered_to[key] >= set(destinations[key]):
            return False
        delivered(by_key[key], _notified(by_key[key], destinations[key]), all_of_them=True)
        return True

    def to_some(key: str, sent_to: set[str]) -> None:
        delivered(by_key[key], _partly_notified(by_key[key], destinations[key], sent_to), all_of_them=False)

    def confirmed(destination: str, keys: frozenset[str]) -> None:
        for key in sorted(keys):
            delivered_to[key].add(destination)
            if not to_all(key):
                to_some(key, delivered_to[key])

    def unconfirmed(destination: str, keys: frozenset[str]) -> None:
        # It is sent there again. If the issue is over before, there may be people who were told of it.
        for key in sorted(keys):
            to_some(key, delivered_to[key] - {destination})

    for key in by_key:
        to_all(key)  # the last run may have ended before it recorded as much

    def posted(alert: Alert, channel: str, ts: str) -> None:
        decisions.posted(by_key[alert.key].issue, channel, ts)

    return broadcast(slack, config.slack.default_channel, TITLE, waiting, confirmed, unconfirmed, posted)


def _urgency(step: Step) -> tuple[bool, int, int]:
    """Sorts what is over last, and the rest by severity, the worst first."""
    alert, severity = step.alert_update, step.issue.details.severity
    return bool(alert and alert.ends), list(Severity).index(severity), _ORDER.index(alert)


def _alert(config: Configuration, jira: JiraClient | None, step: Step, facts: TicketFacts) -> Alert:
    issue = step.issue
    line = issue_line(config, jira, issue)
    details: tuple[str, ...] = ()
    exemption = slack_literal(exemption_line(step, step.alert_update, issue.slack_details))
    if step.alert_update in (Update.EXEMPT, Update.EXEMPTION_ENDS):
        line = f"{line}: {exemption}" if exemption else line
    elif step.alert_update is Update.USE:
        known = use_alert(issue, closing_when(step), facts.scope)
        line, details = f"{line}: {known.text}", known.details
    elif step.alert_update is None or not step.alert_update.ends:
        is_reminder, has_ticket = step.alert_update is None, jira is not None
        said = texts_for(issue).alert(
            issue, facts, is_reminder=is_reminder, has_ticket=has_ticket, waiting=step.waiting
        )
        line = f"{line}: {said.text}"
        new = (f"    new: {slack_literal(text)}" for text in waiting_lines(step.waiting, step.retention_days))
        details = (*([f"    {exemption}"] if exemption else []), *new, *said.details)
        if issue.details.reachability:
            line = f"*{issue.details.severity}* {line}"
    return Alert(issue_key(issue), _HEADINGS[step.alert_update], issue_subject(issue), line, details)


def _alert_key(step: Step) -> str:
    """Tells one piece of news from another, so that who heard an older one does not count as told."""
    what = f"reminder {step.alert_reminder}" if step.alert_update is None else str(step.alert_update)
    if step.alert_update is Update.EXEMPTION_ENDS:
        what = f"{what} {step.reminder_of_end}"
    if step.alert_update is Update.USE and step.issue.use is not None:
        what = f"{what}, {step.issue.use.verdict}"
    promise = AT_ONCE if step.at_once and step.alert_update is not None else ""
    return f"{what}, occurrence {step.issue.occurrence}, {channel_statement(step.issue)}{promise}"


def _delivered_to(step: Step) -> set[str]:
    kept: Mapping[str, Any] = step.issue.slack_details.get("heard") or {}
    return {str(destination) for destination in kept.get("by", ())} if kept.get("news") == _alert_key(step) else set()


def _notified(step: Step, destinations: Sequence[str]) -> dict[str, Any]:
    kept = {name: value for name, value in step.issue.slack_details.items() if name != "heard"}
    notified = state_with_reminder(step, step.alert_update, step.alert_reminder, kept)
    if step.alert_update is None:
        return notified
    # Every alert about what is open says in its thread what flow logs show.
    says_use = {} if step.alert_update.ends or step.alert_update is Update.EXEMPTION_ENDS else use_notified(step.issue)
    return {**notified, **says_use, "destinations": list(destinations)}


def _partly_notified(step: Step, destinations: Sequence[str], delivered_to: set[str]) -> dict[str, Any]:
    kept = {**step.issue.slack_details, "heard": {"news": _alert_key(step), "by": sorted(delivered_to)}}
    return {**kept, "destinations": list(destinations)}
