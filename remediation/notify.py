"""Notifies people of what became of a group: in its issue's ticket, its owners in Slack, and the webhook.

    notifier = open_notifier(config, sessions, os.environ, time.sleep)
    problem = notify(notifier, table, issue, message, repeated=False, now=now)
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
from datetime import datetime
from typing import TYPE_CHECKING

from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import UnreadableIssueError
from library.aws.secrets import SecretReader
from library.documents.slack_message import Alert, slack_literal
from library.documents.text import and_more, printable
from library.errors import ConflictError
from library.issues.after_care import NO_FLOW_LOGS_AT_HAND
from library.issues.change_notifications import (
    COMPLETED,
    NOT_DONE,
    RELEASED,
    REMEDIATED,
    RESTORED,
    ChangeNotification,
    Channel,
    new_notification,
    notification_key,
    record_paths,
)
from library.issues.decision_record import kept_sources
from library.issues.issue import Issue
from library.issues.names import hammer_options
from library.network.addresses import RFC_1918
from library.notifications.broadcast import destinations_of
from library.notifications.change_delivery import (
    CHANGES,
    Delivery,
    ExpectedAlert,
    NotificationDelivery,
    Unrecorded,
    comment_once,
    notification_alert,
    send_alerts_once,
    send_event_once,
)
from library.notifications.clients import open_channels
from library.notifications.jira_connection import JiraError
from library.notifications.webhook import WebhookError
from library.notifications.webhook_events import change_event, subject_of
from library.security_groups.exposure import rule_text, traffic_text
from library.security_groups.group import IngressRule
from remediation.journal import JournalEntry
from remediation.plan import DESCRIPTION_PREFIX
from remediation.restore_plan import StandIn

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable
    from library.aws.session import Sessions
    from library.config import Configuration
    from library.notifications.jira_client import JiraClient
    from library.notifications.slack_connection import SlackClient
    from library.notifications.webhook import WebhookClient

_log = logging.getLogger(__name__)

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


def restore_command(issue: Issue, backup: str = "", *, exact: bool = False) -> str:
    """The command that brings a group back to a backup; empty: to the one from before its newest remediation.

    With `exact` it revokes also what others made since.
    """
    options = (f" --backup {shlex.quote(backup)}" if backup else "") + (" --exact" if exact else "")
    return f"hammer restore {hammer_options(issue)}{options}"


def release_command(issue: Issue) -> str:
    """The command that gives a restored group back to automatic remediation."""
    return f"hammer restore --release {hammer_options(issue)}"


def give_up_command(issue: Issue) -> str:
    """The command that ends an unfinished change at a place that left the configuration."""
    return f"hammer restore --give-up {hammer_options(issue)}"


def given_up_message(who: str, backup: str) -> ChangeMessage:
    """An unfinished change was given up."""
    return ChangeMessage(
        "Given up",
        f"{who} gave up a change of the group that is not complete: Hammer leaves the group as it is. "
        f"The backup from before the change: {backup or 'none'}.",
    )


def remediated_message(
    issue: Issue,
    bucket: str,
    backup: str,
    add: Iterable[IngressRule],
    revoke: Iterable[IngressRule],
    left: str = "",
    undone: Iterable[str] = (),
) -> ChangeMessage:
    """A group was remediated.

    `left`: why some of it is open still; empty: nothing is, or it is not known. `undone`: what else was not done, a
    line each.
    """
    return ChangeMessage(
        REMEDIATED,
        "Hammer closed the group: its rules that exposed restricted ports were replaced.",
        (
            *_rules("Revoked", revoke),
            *_rules("Added", add),
            *_kept(issue),
            *((f"Some of it is still open, and was left: {left}.",) if left else ()),
            *undone_text(undone),
            *_watched(issue),
            *_way_back(issue, bucket, backup),
        ),
    )


def undone_text(undone: Iterable[str]) -> Iterable[str]:
    """What a change could not do, and went on without, a sentence each."""
    yield from (printable(f"Not done: {text}.") for text in undone)


def _kept(issue: Issue) -> Iterable[str]:
    """Whom a person kept: those stay open."""
    for each in kept_sources(issue):
        traffic = traffic_text(each.protocol, each.from_port, each.to_port)
        yield f"{traffic} from {each.cidr} is {each.text}: Hammer leaves it open until a person decides to close it."


def _watched(issue: Issue) -> Iterable[str]:
    """That nobody sees whom the change cuts off, where flow logs were looked for."""
    if issue.use is not None and NO_FLOW_LOGS_AT_HAND in issue.use.gaps:
        yield NO_FLOW_LOGS_AT_HAND


def incomplete_message(issue: Issue, bucket: str, entry: JournalEntry, reason: str) -> ChangeMessage:
    """A change of a group was begun and is not complete."""
    return ChangeMessage(
        "Not complete yet",
        f"Hammer has begun to change the group, and that is not complete yet: {reason}. "
        "The next remediation run that may change the group completes it.",
        (
            f"Clients {_with_access(entry)} that had access still have it.",
            *_rules("Revoked so far", entry.closed),
            *_rules("Added so far", entry.added),
            *_way_back(issue, bucket, entry.backup),
        ),
    )


def _with_access(entry: JournalEntry) -> str:
    """Who has access over the rules that replace others, by what was to replace them."""
    stand_ins = [added.rule for added in entry.add if added.rule.description.startswith(DESCRIPTION_PREFIX)]
    sources = dict.fromkeys(rule.prefix_list_id or rule.cidr for rule in stand_ins)
    if not sources or sources.keys() == set(RFC_1918):
        return "with private addresses (RFC 1918)"
    return f"from {and_more([*sources], _SHOWN_RULES)}"


def settled_message(text: str, backup: str) -> ChangeMessage:
    """What an earlier run had begun is complete, and Hammer closed nothing. `backup`: from before."""
    return ChangeMessage(
        COMPLETED,
        f"Hammer completed a change of the group that an earlier run had begun: {text}. "
        "The rules that it was about to replace had been closed by somebody else, or need not be closed any more.",
        (f"Backup: {backup}",),
    )


def failed_message(reason: str) -> ChangeMessage:
    """A group could not be remediated."""
    return ChangeMessage(NOT_DONE, f"Hammer could not close the group and changed nothing: {reason}.")


def stand_ins_text(stand_ins: Iterable[StandIn], unknown: Sequence[str], *, stay: bool) -> Iterable[str]:
    """What becomes of rules that Hammer added for rules that a restore does not bring back, a sentence each.

    If they do not `stay`, the restore revokes them. `unknown` are the keys of backups that are not understood, so that
    it is not known what the rules stand in for.
    """
    by_missing: dict[tuple[str, ...], list[str]] = {}
    for each in stand_ins:
        missing = tuple(map(rule_text, each.missing))
        by_missing.setdefault(missing, []).append(rule_text(each.rule))
    for missing, rules in by_missing.items():
        what = _some(rules)
        if not missing:
            cause = f"cannot be read: {_some(unknown)}. So it is not known which rules they stand in for"
            fate = "stay" if stay else "are revoked"
            yield printable(f"These rules that Hammer added {fate}: {what}. A backup from since {cause}.")
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
    return and_more(texts, _SHOWN_RULES)


def restored_message(
    issue: Issue, bucket: str, source: str, backup: str, who: str, notes: Iterable[str] = ()
) -> ChangeMessage:
    """A group was restored. `notes`: what it has otherwise than the backup, a sentence each."""
    before = (f"Backup from before the restore: s3://{bucket}/{backup}",) if backup else ()
    return ChangeMessage(
        RESTORED,
        f"{who} restored the group to a backup. Automatic remediation leaves it alone until somebody decides.",
        (
            f"Restored from: s3://{bucket}/{source}",
            *before,
            *notes,
            f"Your security team can let it be remediated again, on Hammer's host: {release_command(issue)}",
        ),
    )


def not_restored_message(
    issue: Issue, bucket: str, source: str, reason: str, *, exact: bool = False, undone: Iterable[str] = ()
) -> ChangeMessage:
    """A group could not be restored, or not completely.

    `exact`: as `restore_command` has it. `undone`: what else was not done, a line each.
    """
    return ChangeMessage(
        "Not restored",
        f"The group could not be restored completely: {reason}. No other run continues the restore.",
        (
            *undone_text(undone),
            f"Backup: s3://{bucket}/{source}",
            f"Your security team can restore it on Hammer's host: {restore_command(issue, source, exact=exact)}",
        ),
    )


def restore_interrupted_message(issue: Issue, bucket: str, entry: JournalEntry) -> ChangeMessage:
    """A restore was begun and is not complete."""
    again = restore_command(issue, entry.restored_from, exact=entry.is_exact)
    return ChangeMessage(
        "Restore not complete",
        f"A restore of the group by {entry.by or 'somebody'} was interrupted. No other run continues it, and automatic "
        "remediation leaves the group alone until somebody decides.",
        (
            *_rules("Revoked so far", entry.closed),
            *_rules("Added so far", entry.added),
            f"Backup: s3://{bucket}/{entry.restored_from}",
            f"Your security team can complete it on Hammer's host: {again}",
            f"Or let the group be remediated again: {release_command(issue)}",
        ),
    )


def released_message(who: str, at: str) -> ChangeMessage:
    """A restored group is given back to automatic remediation. `at`: when it was restored; empty: nobody knows."""
    text = f"{who} decided that automatic remediation may change the group again."
    return ChangeMessage(RELEASED, text, (f"It was restored at {at}.",) if at else ())


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


def notify(
    notifier: Notifier,
    table: IssueTable,
    issue: Issue,
    message: ChangeMessage,
    *,
    repeated: bool,
    now: Callable[[], datetime],
) -> str:
    """Notify people of one thing that happened to a group: in its ticket now, elsewhere by `Notifier.send`.

    It is recorded before anybody is told, so that the reporting job tells whom this run cannot tell. What was recorded
    before, because every run finds it again, is not told again. `repeated`: whether every run may find the same.

    Returns:
        What could not be told or recorded, one line, else an empty text.
    """
    _log.log(
        logging.WARNING if repeated else logging.INFO,
        "%s: %s",
        message.heading,
        message.text,
        extra={"account_id": issue.account_id, "region": issue.details.region, "group_id": issue.issue_id},
    )
    notification, problem = notification_of(issue, message, now(), webhook=notifier.has_webhook), ""
    try:
        notification = _recorded_with_retry(table, issue, notification)
    except (*AWS_ERRORS, ConflictError, UnreadableIssueError) as error:
        problem = f"{issue.issue_id}: what was done could not be recorded: {explain(error)}"

    def not_recorded(issue: Issue, error: Exception) -> None:
        _log.warning("%s: who was told is not recorded, the reporting job goes on: %s", issue.location, explain(error))

    def delivery(channel: Channel) -> Delivery:
        return Unrecorded() if problem else NotificationDelivery(table, issue, notification, channel, now, not_recorded)

    if Channel.SLACK not in notification.notified:
        notifier.queue_alert(issue, notification, delivery(Channel.SLACK))
    if Channel.WEBHOOK not in notification.notified:
        notifier.queue_event(issue, notification, delivery(Channel.WEBHOOK))
    if Channel.JIRA not in notification.notified:
        return notifier.comment(issue, notification, delivery(Channel.JIRA)) or problem
    return problem


def notification_of(issue: Issue, message: ChangeMessage, now: datetime, *, webhook: bool) -> ChangeNotification:
    """What is recorded of a message before anybody is told. `webhook`: whether that is on."""
    return new_notification(issue.occurrence, now, message.heading, message.text, message.details, webhook=webhook)


def is_restore_notified(issue: Issue, started: datetime | None) -> bool:
    """Whether it is recorded that a restore, which began then, was made: it is told from there."""
    return any(
        notification.heading == RESTORED and (started is None or notification.at >= started)
        for notification in issue.change_notifications
    )


def is_known(issue: Issue, message: ChangeMessage) -> bool:
    """Whether people were told of this by an earlier run, in this occurrence of the issue."""
    key = notification_key(issue.occurrence, message.heading, message.text, message.details)
    return any(
        notification.key == key and notification.notified.issuperset(Channel)
        for notification in issue.change_notifications
    )


def _recorded_with_retry(table: IssueTable, issue: Issue, notification: ChangeNotification) -> ChangeNotification:
    """As `_recorded`, tried a second time where AWS failed the first.

    The answer to a write may be lost although it was made. Then the reporting job tells it, too, so it must be claimed.
    """
    try:
        return _recorded(table, issue, notification)
    except AWS_ERRORS as error:
        _log.warning("%s: what was done is recorded again: %s", issue.location, explain(error))
        return _recorded(table, issue, notification)


def _recorded(table: IssueTable, issue: Issue, notification: ChangeNotification) -> ChangeNotification:
    """Record what happened. If the write that finished the change did so (`Journal.write`), returns what is recorded.

    Raises:
        ConflictError: the issue is gone, or has a new occurrence.
        UnreadableIssueError, ClientError, BotoCoreError: the issue could not be read, or written.
    """
    fresh = table.get(issue.account_id, issue.issue_id)
    if fresh is None:
        raise ConflictError(issue.issue_id)
    for known in fresh.change_notifications:
        if known.key == notification.key:
            return known
    # Only this run adds any: it holds the lock.
    sets, removes = record_paths(fresh.change_notifications, notification)
    table.update(issue, sets, removes)
    return notification


def open_notifier(
    config: Configuration, sessions: Sessions, environment: Mapping[str, str], sleep: Callable[[float], None]
) -> Notifier:
    """The notifier that a configuration means. Nothing is asked of JIRA or Slack yet."""
    secrets = SecretReader(lambda: sessions.client("secretsmanager"), environment)
    return Notifier(config, *open_channels(config, secrets, sleep))


class Notifier:
    """Tells people what was done about issues, on each channel that is given: None is one that is off."""

    def __init__(
        self,
        config: Configuration,
        jira: JiraClient | None,
        slack: SlackClient | None,
        webhook: WebhookClient | None = None,
    ) -> None:
        self._config = config
        self._jira = jira
        self._slack = slack
        self._expected: list[ExpectedAlert] = []
        self._webhook = webhook
        self._events: list[tuple[Issue, ChangeNotification, Delivery]] = []

    @property
    def has_webhook(self) -> bool:
        """Whether the webhook is on."""
        return self._webhook is not None

    def queue_event(self, issue: Issue, notification: ChangeNotification, delivery: Delivery) -> None:
        """Have the webhook told by `send`."""
        self._events.append((issue, notification, delivery))

    def comment(self, issue: Issue, notification: ChangeNotification, delivery: Delivery) -> str:
        """Comment on an issue's ticket, if it has one.

        Returns:
            Why it could not be done; empty: it was, or there is nothing to comment on, or another run does it.
        """
        key = str(issue.jira_details.get("ticket") or "")
        if self._jira is None or not key:
            delivery.done()
            return ""
        limit = self._config.jira.text_field_character_limit
        try:
            if comment_once(self._jira, key, notification, limit, delivery):
                delivery.done()
        except JiraError as error:
            return f"{issue.issue_id}: no comment on {key}: {error}"
        return ""

    def queue_alert(self, issue: Issue, notification: ChangeNotification, delivery: Delivery) -> None:
        """Have an issue's owners told in Slack, by `send`. Where Slack is off, the delivery is done."""
        if self._slack is None:
            delivery.done()
            return
        alert = notification_alert(self._config, self._jira, issue, notification)
        self._expected.append(ExpectedAlert(alert, tuple(destinations_of(self._config, issue)), delivery))

    def alert_operators(self, heading: str, text: str) -> None:
        """Have those who run Hammer told by `send`, in `slack.default_channel`, of what is about no single issue."""
        if self._slack is not None:
            alert = Alert(heading, heading, slack_literal(heading), slack_literal(text))
            self._expected.append(ExpectedAlert(alert, (self._config.slack.default_channel,)))

    def send(self) -> list[str]:
        """Send what is waiting: one message for each destination. Returns what could not be told, one line each."""
        expected, self._expected = self._expected, []
        events, self._events = self._events, []
        problems: list[str] = []
        if self._slack:
            sent = send_alerts_once(self._slack, self._config.slack.default_channel, CHANGES, expected)
            problems += [*sent.notes, *sent.problems]
        # Last: a webhook that does not answer delays no message.
        return [*problems, *(self._send_events(self._webhook, events) if self._webhook else [])]

    def _send_events(
        self, webhook: WebhookClient, events: Sequence[tuple[Issue, ChangeNotification, Delivery]]
    ) -> list[str]:
        problems: list[str] = []
        for issue, notification, delivery in events:
            event = change_event(issue, subject_of(self._config, self._jira, issue), notification)
            try:
                if send_event_once(webhook, event, delivery):
                    delivery.done()
            except WebhookError as error:
                problems.append(f"{issue.issue_id}: the event {event.type} was not sent: {error}")
        return problems
