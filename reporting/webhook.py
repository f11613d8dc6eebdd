"""Carries the plan out at the webhook: one event for each issue that has news, each once.

What the webhook took is recorded in the issue's `webhook_details` at once. An event of a type that `webhook.events`
leaves out is recorded without being sent, so that the next one is told against what is true now.

Events come last in a run: a webhook that does not answer delays no ticket and no message. One that was not taken is
sent by the next run under the same id.
"""

from __future__ import annotations

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
from reporting.plan import DOUBTED, Step, Update, channel_digest, state_with_reminder

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
    sent = int(issue.webhook_details.get("sent") or 0)
    key = (what, step.event_reminder, step.reminder_of_end, channel_digest(issue), step.at_once, sent)
    return issue_event(
        issue, subject, kind, at=at, key=key, reason=what, text=_sentence(config, step, location), more=more
    )


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
    kept["sent"] = int(kept.get("sent") or 0) + sent
    if sent and step.event_update is not None and step.event_update.begins:
        kept["reported"] = issue.occurrence
    return state_with_reminder(step, step.event_update, step.event_reminder, kept)


def doubted_state(step: Step) -> dict[str, Any]:
    """The issue's `webhook_details` where an event was not confirmed and may have arrived.

    Another event corrects it, or says that it is over, if the same event is not sent again.
    """
    if step.event_update is None:
        return dict(step.issue.webhook_details)
    return {**step.issue.webhook_details, DOUBTED: {"news": str(step.event_update), "at_once": step.at_once}}


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
    _is_doubted: bool = field(default=False, init=False)  # of the last event

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
        unconfirmed: Callable[[Step, dict[str, Any]], None],
    ) -> None:
        """Tell what is new, changed, due soon or over.

        `notified` is called with a step that was told, `unconfirmed` with one that may have been, each with the
        issue's `webhook_details`.
        """
        for step in steps:
            if step.event_update is None and step.event_reminder is None:
                continue
            is_wanted = self.client.wants(type_of(step.event_update))
            event = step_event(self.config, self.services.jira, step, self.services.now())
            if not is_wanted or self._sent(step.issue, event, partial(self._send, event)):
                notified(step, notified_state(step, sent=is_wanted))
            elif self._is_doubted and (details := doubted_state(step)) != step.issue.webhook_details:
                unconfirmed(step, details)

    def finish(self) -> None:
        """Name what is left to the next run."""
        if self.left:
            self.summary.problem(f"{self._down}: {counted(self.left, 'event is', 'events are')} left to the next run")

    def _sent(self, issue: Issue, event: WebhookEvent, send: Callable[[], bool]) -> bool:
        """Send an event, and name it if it is not taken. Returns whether nothing is left to do."""
        self.services.renew()
        self._is_doubted = False
        try:
            return send()
        except WebhookUnavailableError as error:
            self._down = str(error)
            self.left += 1
        except WebhookError as error:
            self._is_doubted = error.may_have_arrived
            self.summary.problem(f"{issue.location}: the event {event.type} was not sent: {error}")
        return False

    def _send(self, event: WebhookEvent) -> bool:
        self.client.send(event)
        return True
