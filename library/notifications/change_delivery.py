"""How what remediation did to a group is brought to people: by the remediation run itself, else by the reporting job.

Both write the same comment, which ends with a reference by which it is known again, and the same alert. Each channel is
notified once, whichever runs are at it: a claim comes first, and a record afterwards.

    delivery = NotificationDelivery(table, issue, notification, Channel.SLACK, now, not_recorded)
    if delivery.begin():
        send()
        delivery.done()  # or `give_back`, where the channel did not take it

The claim is written on the condition that it is still as it was read and that the channel was not notified since. Of a
remediation run and a reporting run one gets it; the other leaves the change to it. In a ticket the comment's marker is
looked for between reading and `begin`, so that the comment of a run that died right after it is found.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from library.aws.conditional_writes import placeholders
from library.aws.failures import AWS_ERRORS, explain
from library.documents.document import Document, Section, fitted, jira_markup, paragraph
from library.documents.slack_message import Alert, slack_literal
from library.documents.text import ascii_only
from library.errors import ConflictError
from library.issues.change_notifications import ChangeNotification, Channel, claimed_at, is_held, new_claim, released
from library.issues.issue import Issue
from library.notifications.broadcast import Sent, broadcast, issue_key, issue_line, issue_subject
from library.notifications.jira_connection import JiraError
from library.notifications.webhook import WebhookError

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable
    from library.config import Configuration
    from library.notifications.jira_client import JiraClient
    from library.notifications.slack_connection import SlackClient
    from library.notifications.webhook import WebhookClient
    from library.notifications.webhook_events import WebhookEvent

_log = logging.getLogger(__name__)

PLAIN_LIMIT = 1500
"""Characters of a short text, for a JIRA that refuses a longer one."""

CHANGES = "Hammer changed security groups"
"""What a message about changes begins with."""


class NotificationDelivery:
    """One thing that happened to a group, and one channel.

    Args:
        not_recorded: called with what the table said where it did not take the claim, or the record. What was not
            claimed is told by the next reporting run.
    """

    def __init__(
        self,
        table: IssueTable,
        issue: Issue,
        notification: ChangeNotification,
        channel: Channel,
        now: Callable[[], datetime],
        not_recorded: Callable[[Issue, Exception], None],
    ) -> None:
        self._table = table
        self._issue = issue
        self._notification = notification
        self._channel = channel
        self._now = now
        self._not_recorded = not_recorded
        self._claim = ""
        self._path = f"change_news.{notification.key}"
        self._claim_path = f"{self._path}.claim_{channel}"
        self._notified_path = f"{self._path}.in_{channel}"

    @property
    def delivered_to(self) -> tuple[str, ...]:
        """The destinations that an earlier run told, while others could not be told."""
        return self._notification.delivered_to

    def begin(self) -> bool:
        """Claim it. False: it was told since it was read, another run is telling it, or it could not be claimed."""
        as_read, now = self._notification.claim(self._channel), self._now()
        if is_held(claimed_at(as_read), now):
            return False
        mine = new_claim(now)
        claim, notified = placeholders(self._claim_path), placeholders(self._notified_path)
        # The claim may be ours already (`:mine`): botocore sends a write again whose answer was lost.
        unclaimed = f"{claim} = :as_read" if as_read else f"attribute_not_exists({claim})"
        try:
            self._table.update(
                self._issue,
                {self._claim_path: mine},
                only_if=f"{notified} = :untold AND ({unclaimed} OR {claim} = :mine)",
                values={":untold": False, ":mine": mine, **({":as_read": as_read} if as_read else {})},
            )
        except ConflictError:
            return False
        except AWS_ERRORS as error:
            self._not_recorded(self._issue, error)
            return False
        self._claim = mine
        return True

    def done(self) -> None:
        """Record that the channel was told, or has nobody to tell."""
        removes = [self._claim_path, *([f"{self._path}.heard"] if self._channel is Channel.SLACK else [])]
        try:
            self._table.update(self._issue, {self._notified_path: True}, removes=removes)
        except (ConflictError, *AWS_ERRORS) as error:
            self._not_recorded(self._issue, error)

    def give_back(self, delivered_to: Iterable[str] = ()) -> None:
        """Let the next run notify it: the channel did not take it, but for the destinations in `delivered_to`.

        Where that cannot be recorded, the next run waits until the claim is over.
        """
        if not self._claim:
            return
        sets: dict[str, Any] = {self._claim_path: released(self._claim)}
        if notified := sorted({*delivered_to, *self._notification.delivered_to}):
            sets[f"{self._path}.heard"] = notified
        mine = f"{placeholders(self._claim_path)} = :mine"
        try:
            self._table.update(self._issue, sets, only_if=mine, values={":mine": self._claim})
        except (ConflictError, *AWS_ERRORS) as error:
            _log.warning(
                "%s: %s is not told before its claim is over: %s", self._issue.location, self._channel, explain(error)
            )


class Unrecorded:
    """A delivery of what could not be recorded: twice is better than never."""

    delivered_to: tuple[str, ...] = ()

    def begin(self) -> bool:
        """Always."""
        return True

    def done(self) -> None:
        """Nothing is recorded."""

    def give_back(self, delivered_to: Iterable[str] = ()) -> None:
        """Nothing is recorded."""


Delivery = NotificationDelivery | Unrecorded
"""Keeps who notifies a channel of one change, and that it was notified."""


def notification_document(notification: ChangeNotification) -> Document:
    """The comment on a ticket."""
    return (Section("", tuple(paragraph(sentence) for sentence in (notification.text, *notification.details))),)


def comment_with_reference(jira: JiraClient, ticket: str, document: Document, reference: str, limit: int) -> None:
    """Comment on a ticket in at most `limit` characters, ending with what the comment is known again by.

    JIRA may refuse a character, or take less than the configuration says: then the comment is short and plain.

    Raises:
        JiraError: it was not done, or nobody knows whether it was.
    """
    end = f"\n\nReference: {reference}\n"
    try:
        jira.comment(ticket, fitted(document, jira_markup, limit - len(end)).rstrip() + end)
    except JiraError as error:
        if not error.refuses_text:
            raise
        short = fitted(document, jira_markup, min(limit, PLAIN_LIMIT) - len(end))
        jira.comment(ticket, ascii_only(short).rstrip() + end)


def notification_alert(
    config: Configuration, jira: JiraClient | None, issue: Issue, notification: ChangeNotification
) -> Alert:
    """The alert in Slack. `jira`: for the link to the ticket; None: off."""
    line = f"{issue_line(config, jira, issue)}: {slack_literal(notification.text)}"
    details = tuple(slack_literal(detail) for detail in notification.details)
    return Alert(issue_key(issue), notification.heading, issue_subject(issue), line, details)


def comment_once(
    jira: JiraClient, ticket: str, notification: ChangeNotification, limit: int, delivery: Delivery
) -> bool:
    """Comment on a ticket in at most `limit` characters, unless it has the comment, or another run writes it.

    Returns:
        Whether the ticket has it now; else another run tells it.

    Raises:
        JiraError: it could not be done. The next run tries again.
    """
    if jira.has_comment(ticket, notification.key):
        return True  # by a run that ended before it recorded that
    if not delivery.begin():
        return False
    try:
        comment_with_reference(jira, ticket, notification_document(notification), notification.key, limit)
    except JiraError:
        delivery.give_back()
        raise
    return True


@dataclass(slots=True)
class ExpectedAlert:
    """An alert that is to arrive. `missing`: the destinations that were not notified yet."""

    alert: Alert
    destinations: Sequence[str]
    delivery: Delivery = field(default_factory=Unrecorded)
    missing: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.missing = {*self.destinations} - {*self.delivery.delivered_to}


def send_alerts_once(slack: SlackClient, default_channel: str, title: str, listed: Sequence[ExpectedAlert]) -> Sent:
    """Send the alerts that no other run sends, one message for each destination, which begins with the title.

    Alerts that their own destination cannot get go to the default channel.
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
