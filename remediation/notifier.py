"""Tells people what became of a group: in its issue's ticket, and its owners in Slack.

    notifier = open_notifier(config, sessions, os.environ, time.sleep)
    problem = notifier.comment(issue, note("The rules were replaced."))
    notifier.alert(issue, "Remediated", "2 rules replaced", ["Backup: s3://..."])
    problems = notifier.send()

Nothing here raises because JIRA or Slack cannot be reached: it returns what could not be done, one line each.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from library.aws.conditional_writes import ConflictError
from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import UnreadableIssueError
from library.aws.secrets import SecretReader
from library.documents.document import Document, Section, fitted, paragraph
from library.documents.jira_markup import jira_markup
from library.documents.slack_message import Alert, literal
from library.notifications.broadcast import (
    broadcast,
    destinations_of,
    issue_key,
    issue_line,
    issue_subject,
)
from library.notifications.clients import open_jira, open_slack
from library.notifications.jira_connection import JiraError

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable
    from library.aws.session import Sessions
    from library.config import Configuration
    from library.issues.issue import Issue
    from library.notifications.jira_client import JiraClient
    from library.notifications.slack_client import SlackClient
    from remediation.message import ChangeMessage

_log = logging.getLogger(__name__)


class ChangeNotifier(Protocol):
    """Ways to reach people: `Notifier` is one."""

    def comment(self, issue: Issue, document: Document) -> str:
        """Comment on the issue's ticket. Returns why it could not be done, else an empty text."""

    def alert(self, issue: Issue, heading: str, text: str, details: Sequence[str] = ()) -> None:
        """Have the issue's owners told by `send`."""

    def alert_operators(self, heading: str, text: str) -> None:
        """Have those who run Hammer told by `send`."""

    def send(self) -> list[str]:
        """Send the alerts. Returns what could not be told, one line each."""


def notify(notifier: ChangeNotifier, table: IssueTable, issue: Issue, message: ChangeMessage, *, repeated: bool) -> str:
    """Notify people of one thing that happened to a group.

    Args:
        notifier: the ways to reach people.
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
    notifier.alert(issue, message.heading, message.text, message.details)
    if repeated and issue.remediation_details.get("told") == message.text:
        return ""
    if problem := notifier.comment(issue, note(message.text, *message.details)):
        return problem
    try:
        fresh = table.get(issue.account_id, issue.issue_id)
        told = message.text if repeated else None
        if fresh and fresh.remediation_details.get("told") != told:
            # Only this key: the rest is the journal's, perhaps of another run by now.
            known = bool(fresh.remediation_details)
            table.update(
                fresh, {"remediation_details.told": told} if known else {"remediation_details": {"told": told}}
            )
    except (*AWS_ERRORS, ConflictError, UnreadableIssueError) as error:
        return f"{issue.issue_id}: that its ticket was told could not be recorded: {explain(error)}"
    return ""


def open_notifier(
    config: Configuration, sessions: Sessions, environment: Mapping[str, str], sleep: Callable[[float], None]
) -> Notifier:
    """The notifier that a configuration means. Nothing is asked of JIRA or Slack yet.

    Args:
        config: the configuration.
        sessions: give the client for Secrets Manager, in the main account.
        environment: may hold the secrets.
        sleep: waits so many seconds.
    """
    secrets = SecretReader(lambda: sessions.client("secretsmanager"), environment)
    return Notifier(config, open_jira(config, secrets, sleep), open_slack(config, secrets, sleep))


class Notifier:
    """Tells people what was done about issues.

    Args:
        config: the configuration.
        jira: JIRA; None: off.
        slack: Slack; None: off.
    """

    def __init__(self, config: Configuration, jira: JiraClient | None, slack: SlackClient | None) -> None:
        self._config = config
        self._jira = jira
        self._slack = slack
        self._waiting: dict[str, list[Alert]] = {}

    def comment(self, issue: Issue, document: Document) -> str:
        """Comment on an issue's ticket, if it has one.

        Returns:
            Why it could not be done; empty: it was, or there is nothing to comment on.
        """
        key = str(issue.jira_details.get("ticket") or "")
        if self._jira is None or not key:
            return ""
        try:
            self._jira.comment(key, fitted(document, jira_markup, self._config.jira.text_field_character_limit))
        except JiraError as error:
            return f"{issue.issue_id}: no comment on {key}: {error}"
        return ""

    def alert(self, issue: Issue, heading: str, text: str, details: Sequence[str] = ()) -> None:
        """Have an issue's owners told in Slack, by `send`.

        Args:
            issue: the issue.
            heading: what it is listed under, in words of our own, such as "Remediated".
            text: one line; may hold hostile text.
            details: lines for the thread; may hold hostile text.
        """
        if self._slack is None:
            return
        line = f"{issue_line(self._config, self._jira, issue)}: {literal(text)}"
        lines = tuple(literal(detail) for detail in details)
        told = Alert(issue_key(issue), heading, issue_subject(issue), line, lines)
        for destination in destinations_of(self._config, issue):
            self._waiting.setdefault(destination, []).append(told)

    def alert_operators(self, heading: str, text: str) -> None:
        """Have those who run Hammer told by `send`, in `slack.default_channel`, of what is about no single issue.

        Args:
            heading: what it is listed under, in words of our own.
            text: one line; may hold hostile text.
        """
        if self._slack is not None:
            told = Alert(heading, heading, literal(heading), literal(text))
            self._waiting.setdefault(self._config.slack.default_channel, []).append(told)

    def send(self, title: str = "Hammer changed security groups") -> list[str]:
        """Send what is waiting: one message for each destination.

        Returns:
            What could not be told, one line each.
        """
        waiting, self._waiting = self._waiting, {}
        if self._slack is None:
            return []
        sent = broadcast(self._slack, self._config.slack.default_channel, title, waiting, lambda *_: None)
        return [*sent.notes, *sent.problems]


def note(*sentences: str) -> Document:
    """A comment of a few sentences, which may hold hostile text."""
    return (Section("", tuple(paragraph(sentence) for sentence in sentences)),)
