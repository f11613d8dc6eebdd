"""Carries the plan out at the webhook: one event for each issue that has news, each once.

What the webhook took is recorded in the issue's `webhook_details` at once, and before that what is about to be sent: a
run that dies in between may have been heard, so the next one sends the same again, or tells what is true by then. An
event of a type that `webhook.events` leaves out is recorded without being sent, so that the next one is told against
what is true now.

Events come last in a run: a webhook that does not answer delays no ticket and no message. One that was not taken is
sent by the next run under the same id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from library.documents.text import counted
from library.issues.change_notifications import ChangeNotification
from library.issues.issue import SECURITY_GROUP, Issue, Status
from library.issues.times import format_time
from library.notifications.change_delivery import Delivery, send_event_once
from library.notifications.webhook import WebhookError, WebhookUnavailableError
from library.notifications.webhook_events import (
    EventType,
    WebhookEvent,
    change_event,
    issue_event,
    subject_of,
)
from reporting.context import location_of, texts_for
from reporting.group_text import exemption_line
from reporting.plan import DOUBTED, Step, Update, channel_statement, state_with_reminder

if TYPE_CHECKING:
    from library.config import Configuration
    from library.notifications.jira_client import JiraClient
    from library.notifications.webhook import WebhookClient
    from reporting.read import ReportSummary
    from reporting.run import Services
    from reporting.ticket_facts import Location

_TYPES = {
    Update.NEW: EventType.NEW,
    Update.FOUND_AGAIN: EventType.NEW,
    Update.CHANGED: EventType.CHANGED,
    Update.CLOSING: EventType.CHANGED,
    Update.EXEMPTION_ENDS: EventType.REMINDER,
    Update.EXEMPT: EventType.RESOLVED,
    Update.GONE: EventType.RESOLVED,
    Update.NOT_WATCHED: EventType.RESOLVED,
}


def type_of(update: Update | None) -> EventType:
    """Which event tells a piece of news; None: a reminder."""
    return EventType.REMINDER if update is None else _TYPES[update]


def step_event(config: Configuration, jira: JiraClient | None, step: Step, at: datetime) -> WebhookEvent:
    """The event that tells a step. Pure."""
    issue, kind = step.issue, type_of(step.event_update)
    location = location_of(config, issue)
    console_url = location.console_url(issue.issue_id) if issue.kind is SECURITY_GROUP else ""
    subject = subject_of(config, jira, issue, console_url)
    what = str(step.event_update) if step.event_update else "closed automatically soon"
    more: dict[str, Any] = {"due": format_time(step.closes_at), "due_at_once": step.at_once}
    if step.event_reminder is not None:
        more["days_left"] = step.event_reminder
    return issue_event(
        issue,
        subject,
        kind,
        at=at,
        occurrence=issue.occurrence,
        key=(what, _statement(step), _sent_before(step)),
        reason=what,
        text=_sentence(config, step, location),
        more=more,
    )


def _statement(step: Step) -> str:
    """Tells what an event of a step says from what another says of the same issue."""
    said = (step.issue.occurrence, step.event_update, step.event_reminder, step.reminder_of_end, step.at_once)
    text = repr([*map(str, said), channel_statement(step.issue)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sent_before(step: Step) -> int:
    """How many events the issue had before that of a step: one that may have arrived and said something else counts."""
    kept = step.issue.webhook_details
    doubted, says = kept.get(DOUBTED) or {}, _statement(step)
    return int(kept.get("sent") or 0) + int(doubted.get("says", says) != says)


def _sentence(config: Configuration, step: Step, location: Location) -> str:
    """A step in one sentence."""
    issue, text = step.issue, texts_for(step.issue)
    said = exemption_line(step, step.event_update, issue.webhook_details)
    restricted = config.secgrp_unrestricted_access.restricted_ports
    # What is over, or exempt, is not said to be open.
    is_open = issue.status is Status.OPEN and not (step.event_update and step.event_update.ends)
    about = text.summary(issue, location, restricted) if is_open else text.subject(issue, location)
    return f"{about}. {said}" if said else about


def notified_state(step: Step, *, sent: bool) -> dict[str, Any]:
    """The issue's `webhook_details` once a step is told. `sent`: whether an event was sent; else none was wanted."""
    issue = step.issue
    kept = {name: value for name, value in issue.webhook_details.items() if name != DOUBTED}
    kept["sent"] = _sent_before(step) + sent
    if sent and step.event_update is not None and step.event_update.begins:
        kept["reported"] = issue.occurrence
    return state_with_reminder(step, step.event_update, step.event_reminder, kept)


def begun_state(step: Step) -> dict[str, Any]:
    """The issue's `webhook_details` while an event is sent, and where nobody knows whether it arrived.

    Another event corrects it, or says that it is over, if the same event is not sent again. A reminder needs neither.
    """
    if step.event_update is None:
        return dict(step.issue.webhook_details)
    doubted = {"news": str(step.event_update), "at_once": step.at_once, "says": _statement(step)}
    return {**step.issue.webhook_details, "sent": _sent_before(step), DOUBTED: doubted}


@dataclass(slots=True)
class EventRun:
    """The events of one run.

    Attributes:
        client: the webhook.
        summary: gets what could not be done.
        left: how many events are left to the next run because the webhook cannot be used.
    """

    config: Configuration
    services: Services
    client: WebhookClient
    summary: ReportSummary
    left: int = 0
    _down: str = field(default="", init=False)

    def notify_changes(self, changes: Sequence[tuple[Issue, ChangeNotification, Delivery]]) -> None:
        """Tell what remediation recorded and could not tell itself."""
        for issue, notification, delivery in changes:
            event = change_event(issue, subject_of(self.config, self.services.jira, issue), notification)
            if self._sent(issue, event, partial(send_event_once, self.client, event, delivery)):
                delivery.done()

    def notify_steps(
        self,
        steps: Sequence[Step],
        notified: Callable[[Step, dict[str, Any]], None],
        keep: Callable[[Step, dict[str, Any]], bool],
    ) -> None:
        """Tell what is new, changed, due soon or over.

        `notified` is called with a step that was told and the issue's `webhook_details` by then, `keep` with what they
        are meanwhile: it returns whether they could be recorded.
        """
        for step in steps:
            if step.event_update is None and step.event_reminder is None:
                continue
            if not self.client.wants(type_of(step.event_update)):
                notified(step, notified_state(step, sent=False))
                continue
            event = step_event(self.config, self.services.jira, step, self.services.now())
            if self._sent(step.issue, event, partial(self._send, step, event, keep)):
                notified(step, notified_state(step, sent=True))

    def finish(self) -> None:
        """Name what is left to the next run."""
        if self.left:
            self.summary.problem(f"{self._down}: {counted(self.left, 'event is', 'events are')} left to the next run")

    def _sent(self, issue: Issue, event: WebhookEvent, send: Callable[[], bool]) -> bool:
        """Send an event, and name it if it is not taken. Returns whether nothing is left to do."""
        self.services.renew()
        try:
            return send()
        except WebhookUnavailableError as error:
            self._down = str(error)
            self.left += 1
        except WebhookError as error:
            self.summary.problem(f"{issue.location}: the event {event.type} was not sent: {error}")
        return False

    def _send(self, step: Step, event: WebhookEvent, keep: Callable[[Step, dict[str, Any]], bool]) -> bool:
        self.client.check()
        before, begun = dict(step.issue.webhook_details), begun_state(step)
        if begun != before and not keep(step, begun):
            return False
        try:
            self.client.send(event)
        except WebhookError as error:
            if begun != before and not error.may_have_arrived:
                keep(step, before)
            raise
        return True
