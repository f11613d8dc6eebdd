"""Tells people what became of a group: in its issue's ticket, and its owners in Slack."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import ConflictError
from library.notifications.broadcast import note

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable
    from library.documents.document import Document
    from library.issues.issue import Issue
    from remediation.message import Message

_log = logging.getLogger(__name__)


class Teller(Protocol):
    """Ways to reach people: `library.notifications.broadcast.Notifier` is one."""

    def comment(self, issue: Issue, document: Document) -> str:
        """Comment on the issue's ticket. Returns why it could not be done, else an empty text."""

    def alert(self, issue: Issue, heading: str, text: str, details: Sequence[str] = ()) -> None:
        """Have the issue's owners told by `send`."""

    def alert_operators(self, heading: str, text: str) -> None:
        """Have those who run Hammer told by `send`."""

    def send(self) -> list[str]:
        """Send the alerts. Returns what could not be told, one line each."""


def tell(teller: Teller, table: IssueTable, issue: Issue, message: Message, *, repeated: bool) -> str:
    """Tell of one thing that happened to a group.

    Args:
        teller: the ways to reach people.
        table: remembers what the ticket was told last.
        issue: the group's issue.
        message: what happened.
        repeated: whether every run may find the same: the ticket then hears of it once, until it changes.

    Returns:
        What could not be told, one line, else an empty text.
    """
    _log.log(
        logging.WARNING if repeated else logging.INFO,
        "%s: %s",
        message.heading,
        message.text,
        extra={"account_id": issue.account_id, "region": issue.details.region, "group_id": issue.issue_id},
    )
    teller.alert(issue, message.heading, message.text, message.details)
    if repeated and issue.remediation_details.get("told") == message.text:
        return ""
    if problem := teller.comment(issue, note(message.text, *message.details)):
        return problem
    try:
        fresh = table.get(issue.account_id, issue.issue_id)
        told = message.text if repeated else None
        if fresh and fresh.remediation_details.get("told") != told:
            table.update(fresh, {"remediation_details": {**fresh.remediation_details, "told": told}})
    except (*AWS_ERRORS, ConflictError) as error:
        return f"{issue.issue_id}: that its ticket was told could not be recorded: {explain(error)}"
    return ""
