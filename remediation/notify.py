"""Notifies people of what became of a group: in its issue's ticket, and its owners in Slack.

    notifier = open_notifier(config, sessions, os.environ, time.sleep)
    problem = notifier.comment(issue, note("The rules were replaced."))
    notifier.alert(issue, "Remediated", "2 rules replaced", ["Backup: s3://..."])
    problems = notifier.send()

The messages come first. Their readers may never have heard of Hammer, so each says what happened, what it means, and
what they can do. Nothing here raises because JIRA or Slack cannot be reached: it returns what could not be done, one
line each.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from library.aws.conditional_writes import ConflictError
from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import UnreadableIssueError
from library.aws.secrets import SecretReader
from library.documents.document import Document, Section, fitted, paragraph
from library.documents.jira_markup import jira_markup
from library.documents.slack_message import Alert, literal
from library.documents.text import printable
from library.issues.after_care import NOBODY_WATCHES
from library.issues.issue import Issue
from library.notifications.broadcast import broadcast, destinations_of, issue_key, issue_line, issue_subject
from library.notifications.clients import open_jira, open_slack
from library.notifications.jira_connection import JiraError
from library.security_groups.exposure import rule_text
from library.security_groups.group import IngressRule
from remediation.journal import JournalEntry
from remediation.restore_plan import StandIn

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable
    from library.aws.session import Sessions
    from library.config import Configuration
    from library.notifications.jira_client import JiraClient
    from library.notifications.slack_connection import SlackClient

_SHOWN_RULES = 20


@dataclass(frozen=True, slots=True)
class ChangeMessage:
    """One thing that happened to a group.

    Attributes:
        heading: what an alert is listed under.
        text: one sentence or two.
        details: more, a sentence each.
    """

    heading: str
    text: str
    details: tuple[str, ...] = ()


def restore_command(issue: Issue, backup: str) -> str:
    """The command that brings a group back to a backup."""
    return (
        f"hammer restore --account {issue.account_id} --region {issue.details.region} "
        f"--group {issue.issue_id} --backup {shlex.quote(backup)}"
    )


def release_command(issue: Issue) -> str:
    """The command that gives a restored group back to automatic remediation."""
    return (
        f"hammer restore --release --account {issue.account_id} --region {issue.details.region} "
        f"--group {issue.issue_id}"
    )


def remediated_message(
    issue: Issue, bucket: str, backup: str, add: Iterable[IngressRule], revoke: Iterable[IngressRule]
) -> ChangeMessage:
    """A group was remediated."""
    return ChangeMessage(
        "Remediated",
        "Hammer closed the group: its rules that exposed restricted ports were replaced.",
        (*_rules("Revoked", revoke), *_rules("Added", add), *_watched(issue), *_way_back(issue, bucket, backup)),
    )


def _watched(issue: Issue) -> Iterable[str]:
    """That nobody sees whom the change cuts off, where flow logs were looked for."""
    if issue.use is not None and NOBODY_WATCHES in issue.use.gaps:
        yield NOBODY_WATCHES


def incomplete_message(issue: Issue, bucket: str, entry: JournalEntry, reason: str) -> ChangeMessage:
    """A change of a group was begun and is not complete."""
    return ChangeMessage(
        "Not complete yet",
        f"Hammer has begun to change the group, and that is not complete yet: {reason}. "
        "The next remediation run that may change the group completes it.",
        (
            "Clients with private addresses (RFC 1918) that had access still have it.",
            *_rules("Revoked so far", entry.closed),
            *_rules("Added so far", entry.added),
            *_way_back(issue, bucket, entry.backup),
        ),
    )


def settled_message(text: str) -> ChangeMessage:
    """What an earlier run had begun is complete, and Hammer closed nothing."""
    return ChangeMessage(
        "Completed",
        f"Hammer completed a change of the group that an earlier run had begun: {text}. "
        "The rules that it was about to replace had been closed by somebody else, or need not be closed any more.",
    )


def failed_message(reason: str) -> ChangeMessage:
    """A group could not be remediated."""
    return ChangeMessage("Not remediated", f"Hammer could not close the group and changed nothing: {reason}.")


def stand_ins_text(stand_ins: Iterable[StandIn], unknown: Sequence[str], *, stay: bool) -> Iterable[str]:
    """What becomes of rules that Hammer added for rules that a restore does not bring back, a sentence each.

    Args:
        stand_ins: the rules.
        unknown: the keys of backups that are not understood, so that it is not known what the rules stand in for.
        stay: whether they stay in the group; else the restore revokes them.
    """
    by_missing: dict[tuple[str, ...], list[str]] = {}
    for one in stand_ins:
        missing = tuple(map(rule_text, one.missing))
        by_missing.setdefault(missing, []).append(rule_text(one.rule))
    for missing, rules in by_missing.items():
        what = _some(rules)
        if not missing:
            why = f"cannot be read: {_some(unknown)}. So it is not known which rules they stand in for"
            fate = "stay" if stay else "are revoked"
            yield printable(f"These rules that Hammer added {fate}: {what}. A backup from since {why}.")
        elif stay:
            yield printable(
                f"These rules that Hammer added stay: {what}. They stand in for {_some(missing)}, which Hammer closed "
                "after the backup was written, so that it is not in the backup."
            )
        else:
            yield printable(
                f"These rules that Hammer added are revoked: {what}. They stand in for {_some(missing)}, which is not "
                "in the backup: private clients that have access only over them lose it."
            )


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN_RULES} more" if len(texts) > _SHOWN_RULES else ""
    return ", ".join(texts[:_SHOWN_RULES]) + more


def restored_message(
    issue: Issue, bucket: str, source: str, backup: str, who: str, notes: Iterable[str] = ()
) -> ChangeMessage:
    """A group was restored. `notes`: what it has otherwise than the backup, a sentence each."""
    before = (f"Backup from before the restore: s3://{bucket}/{backup}",) if backup else ()
    return ChangeMessage(
        "Restored",
        f"{who} restored the group to a backup. Automatic remediation leaves it alone until somebody decides.",
        (
            f"Restored from: s3://{bucket}/{source}",
            *before,
            *notes,
            f"Your security team can let it be remediated again, on Hammer's host: {release_command(issue)}",
        ),
    )


def not_restored_message(issue: Issue, bucket: str, source: str, reason: str) -> ChangeMessage:
    """A group could not be restored, or not completely."""
    return ChangeMessage(
        "Not restored",
        f"The group could not be restored completely: {reason}. No other run continues the restore.",
        (
            f"Backup: s3://{bucket}/{source}",
            f"Your security team can restore it on Hammer's host: {restore_command(issue, source)}",
        ),
    )


def restore_interrupted_message(issue: Issue, bucket: str, entry: JournalEntry) -> ChangeMessage:
    """A restore was begun and is not complete."""
    return ChangeMessage(
        "Restore not complete",
        f"A restore of the group by {entry.by or 'somebody'} was interrupted. No other run continues it, and automatic "
        "remediation leaves the group alone until somebody decides.",
        (
            *_rules("Revoked so far", entry.closed),
            *_rules("Added so far", entry.added),
            f"Backup: s3://{bucket}/{entry.restored_from}",
            f"Your security team can complete it on Hammer's host: {restore_command(issue, entry.restored_from)}",
            f"Or let the group be remediated again: {release_command(issue)}",
        ),
    )


def released_message(who: str) -> ChangeMessage:
    """A restored group is given back to automatic remediation."""
    return ChangeMessage("Released", f"{who} decided that automatic remediation may change the group again.")


def described_rule(rule: IngressRule) -> str:
    """A rule with its description, on one line: `tcp/22 from 0.0.0.0/0 (ssh)`."""
    about = f" ({rule.description})" if rule.description else ""
    return printable(rule_text(rule) + about)


def _way_back(issue: Issue, bucket: str, backup: str) -> Iterable[str]:
    if backup:
        yield f"Backup: s3://{bucket}/{backup}"
        yield f"Your security team can bring it back on Hammer's host: {restore_command(issue, backup)}"


def _rules(what: str, rules: Iterable[IngressRule]) -> Iterable[str]:
    rules = list(rules)
    yield from (f"{what}: {described_rule(rule)}" for rule in rules[:_SHOWN_RULES])
    if len(rules) > _SHOWN_RULES:
        yield f"{what}: {len(rules) - _SHOWN_RULES} more, see the backup"


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
