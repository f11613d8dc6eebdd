"""How what remediation did to a group is brought to people: by the remediation run itself, else by the reporting job.

Both write the same comment, which ends with a reference by which it is known again, and the same alert. Before either
is sent it is claimed (`library.aws.notification_delivery`), so that two runs that meet tell it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from library.documents.document import Document, Section, fitted, paragraph
from library.documents.jira_markup import jira_markup
from library.documents.slack_message import Alert, literal
from library.issues.change_notifications import ChangeNotification
from library.issues.issue import Issue
from library.notifications.broadcast import Sent, broadcast, issue_key, issue_line, issue_subject
from library.notifications.jira_connection import JiraError
from library.notifications.webhook import WebhookError

if TYPE_CHECKING:
    from library.config import Configuration
    from library.notifications.jira_client import JiraClient
    from library.notifications.slack_connection import SlackClient
    from library.notifications.webhook import WebhookClient
    from library.notifications.webhook_events import WebhookEvent


CHANGES = "Hammer changed security groups"
"""What a message about changes begins with."""


class Delivery(Protocol):
    """Keeps who tells a channel of one change, and that it was told: `library.aws.notification_delivery` has one."""

    @property
    def delivered_to(self) -> tuple[str, ...]:
        """The destinations that were told by an earlier run."""

    def begin(self) -> bool:
        """Whether this run is to tell it, and no other."""

    def done(self) -> None:
        """The channel was told, or has nobody to tell."""

    def give_back(self, delivered_to: Sequence[str] = ()) -> None:
        """It was not told, but for these destinations: the next run is to tell it."""


class Unrecorded:
    """A delivery of what could not be recorded: twice is better than never."""

    delivered_to: tuple[str, ...] = ()

    def begin(self) -> bool:
        """Always."""
        return True

    def done(self) -> None:
        """Nothing is recorded."""

    def give_back(self, delivered_to: Sequence[str] = ()) -> None:
        """Nothing is recorded."""


def notification_document(notification: ChangeNotification) -> Document:
    """The comment on a ticket."""
    return (Section("", tuple(paragraph(sentence) for sentence in (notification.text, *notification.details))),)


def comment_body(document: Document, limit: int, reference: str = "") -> str:
    """A comment as JIRA takes it.

    Args:
        document: what it says.
        limit: the longest text that JIRA takes.
        reference: by which the comment is known again; empty: by nothing.
    """
    if not reference:
        return fitted(document, jira_markup, limit)
    end = f"\n\nReference: {reference}\n"
    return fitted(document, jira_markup, limit - len(end)).rstrip() + end


def notification_alert(
    config: Configuration, jira: JiraClient | None, issue: Issue, notification: ChangeNotification
) -> Alert:
    """The alert in Slack. `jira`: for the link to the ticket; None: off."""
    line = f"{issue_line(config, jira, issue)}: {literal(notification.text)}"
    details = tuple(literal(detail) for detail in notification.details)
    return Alert(issue_key(issue), notification.heading, issue_subject(issue), line, details)


def comment_once(jira: JiraClient, key: str, body: str, reference: str, delivery: Delivery) -> bool:
    """Comment on a ticket, unless it has the comment, or another run writes it.

    Args:
        jira: JIRA.
        key: the ticket.
        body: the comment, with its reference.
        reference: by which it is known again; empty: by nothing.
        delivery: of the comment.

    Returns:
        Whether the ticket has it now; else another run tells it.

    Raises:
        JiraError: it could not be done. The next run tries again.
    """
    if reference and jira.has_comment(key, reference):
        return True  # by a run that ended before it recorded that
    if not delivery.begin():
        return False
    try:
        jira.comment(key, body)
    except JiraError:
        delivery.give_back()
        raise
    return True


@dataclass(slots=True)
class ExpectedAlert:
    """An alert that is to arrive.

    Attributes:
        alert: what is said.
        destinations: to whom.
        delivery: of it.
        missing: the destinations that were not told yet.
    """

    alert: Alert
    destinations: Sequence[str]
    delivery: Delivery = field(default_factory=Unrecorded)
    missing: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.missing = {*self.destinations} - {*self.delivery.delivered_to}


def send_alerts_once(slack: SlackClient, default_channel: str, title: str, listed: Sequence[ExpectedAlert]) -> Sent:
    """Send the alerts that no other run sends, one message for each destination.

    Args:
        slack: Slack.
        default_channel: where alerts go that their own destination cannot get.
        title: what each message begins with.
        listed: the alerts.
    """
    expected = [each for each in listed if each.delivery.begin()]
    waiting: dict[str, list[Alert]] = {}
    for each in expected:
        for destination in each.destinations:
            if destination in each.missing:
                waiting.setdefault(destination, []).append(each.alert)

    def arrived(destination: str, keys: frozenset[str]) -> None:
        # A message has all of an issue's alerts for a destination.
        for each in expected:
            if each.alert.key in keys and destination in each.missing:
                each.missing.discard(destination)
                if not each.missing:
                    each.delivery.done()

    for each in expected:
        if not each.missing:  # the last run ended before it recorded as much
            each.delivery.done()
    sent = broadcast(slack, default_channel, title, waiting, arrived)
    for each in expected:
        if each.missing:
            each.delivery.give_back(
                [destination for destination in each.destinations if destination not in each.missing]
            )
    return sent


def send_event_once(webhook: WebhookClient, event: WebhookEvent, delivery: Delivery) -> bool:
    """Send the webhook an event, unless another run does. One of a type that it does not get counts as sent.

    Returns:
        Whether nothing is left to do; else another run sends it.

    Raises:
        WebhookError: it was not taken. The next run sends it again.
    """
    if not delivery.begin():
        return False
    try:
        if webhook.wants(event.type):
            webhook.send(event)
    except WebhookError:
        delivery.give_back()
        raise
    return True
