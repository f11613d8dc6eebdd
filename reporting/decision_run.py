"""What a reporting run does about decisions: labels, what is untold, messages, and whether somebody listens to Slack.

decisions = DecisionRun(config, services, summary)
decisions.read_labels(selection)      # before anything is written into a ticket
decisions.note(issue)                 # for each issue that is read anyway
...
decisions.notify(selection)           # after tickets and messages
decisions.notify_webhook()            # last: it delays nobody
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from library.aws.decision_messages import ButtonMessage
from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import UnreadableIssueError
from library.aws.records import ListenerRecords, alert_key
from library.config.models import limits_of
from library.documents.slack_message import Alert, literal
from library.errors import ConflictError
from library.issues.decision_rules import exempt_until, possible
from library.issues.issue import Issue, Status
from library.notifications.slack_connection import SlackError
from reporting.decision_labels import DecisionLabels
from reporting.decision_messages import buttons, decide_command
from reporting.decision_notifications import DecisionNotifications

if TYPE_CHECKING:
    from library.config import Configuration
    from library.jobs.command_line import Selection
    from reporting.read import ReportSummary
    from reporting.run import Services

BUTTONS_A_RUN = 20
"""How many messages with buttons a run sends to one destination at most; the other issues name the command."""


@dataclass(slots=True)
class DecisionRun:
    """One run.

    Attributes:
        unread: account and group of the issues whose tickets must not be written to in this run.
    """

    config: Configuration
    services: Services
    summary: ReportSummary
    unread: set[tuple[str, str]] = field(default_factory=set)
    _untold: dict[tuple[str, str], None] = field(default_factory=dict)

    @property
    def notifier(self) -> DecisionNotifications:
        """The ways to reach people."""
        services = self.services
        return DecisionNotifications(self.config, services.table, services.jira, services.slack, services.now)

    def read_labels(self, selection: Selection) -> None:
        """Carry out what labels of tickets ask for."""
        jira = self.services.jira
        if jira is None or not (self.config.decisions.enabled and self.config.jira.decisions):
            return
        labels = DecisionLabels(self.config, self.notifier, jira)
        for account_id in self.config.scanned_accounts():
            self.services.renew()
            try:
                # What cannot be read is named where the issues are read to be reported.
                # Of one that was resolved since the label was set the person is told so, before its ticket is closed.
                issues = [
                    issue
                    for issue in self.services.table.with_status(
                        account_id, Status.OPEN, Status.WHITELISTED, Status.RESOLVED, unreadable=lambda _: None
                    )
                    if selection.takes(account_id, issue.details.region, issue.issue_id)
                ]
            except AWS_ERRORS as error:
                self.summary.problem(f"account {account_id}: labels of tickets could not be read: {explain(error)}")
                continue
            problems, unread = labels.read(issues)
            self.unread |= unread
            self.summary.problem(*problems)

    def note(self, issue: Issue) -> None:
        """Remember an issue of which something is still to be told. Called in several threads."""
        if issue.decided.outbox:
            self._untold[issue.account_id, issue.issue_id] = None

    def with_buttons(self, alert: Alert, issue: Issue, number: int) -> Alert:
        """An alert with the buttons that are possible for its issue now; or with the command that does the same.

        `number` is how many alerts with buttons go to the same destinations before it.
        """
        if not self.config.decisions.enabled:
            return alert
        today = self.services.now().date()
        kinds = possible(issue, limits_of(self.config, issue.account_id), today)
        if not kinds:
            return alert
        if not self.notifier.has_buttons or number >= BUTTONS_A_RUN:
            return replace(alert, details=(*alert.details, f"    To decide about it: {literal(decide_command(issue))}"))
        return replace(alert, actions=buttons(issue, kinds, extends=exempt_until(issue, today) is not None))

    def posted(self, issue: Issue, channel: str, ts: str) -> None:
        """Keep a message with buttons, so that it is rewritten when its issue changes."""
        message = ButtonMessage(channel, ts, self.notifier.message(issue).digest)
        try:
            self.notifier.messages.add(issue.account_id, issue.issue_id, message)
        except (ConflictError, *AWS_ERRORS) as error:
            self.summary.problem(
                f"{issue.location}: its message in Slack is not kept, and stays as it is: {explain(error)}"
            )

    def notify(self, selection: Selection) -> None:
        """Tell what is untold of decisions, rewrite messages, and alert if nobody listens."""
        for issue in self._read_untold():
            self.summary.problem(*self.notifier.notify(issue))
        if not self.config.decisions.enabled or self.services.slack is None or selection.groups:
            return
        for account_id in self.config.scanned_accounts():
            if selection.accounts and account_id not in selection.accounts:
                continue
            self.services.renew()
            try:
                self.summary.problem(*self.notifier.notify_all(account_id))
            except (ConflictError, *AWS_ERRORS) as error:
                self.summary.problem(f"account {account_id}: messages in Slack were not rewritten: {explain(error)}")
        try:
            self._alert_if_deaf()
        except AWS_ERRORS as error:
            self.summary.problem(f"whether hammer listen is connected could not be read: {explain(error)}")

    def notify_webhook(self) -> None:
        """Tell the webhook what is untold of decisions."""
        if self.services.webhook is None:
            return
        notification = replace(self.notifier, webhook=self.services.webhook)
        for issue in self._read_untold():
            if issue.decided.outbox:
                self.summary.problem(*notification.notify(issue))

    def _read_untold(self) -> Iterator[Issue]:
        """The issues that were noted, as they are now. One that cannot be read is named."""
        for account_id, group_id in self._untold:
            self.services.renew()
            try:
                issue = self.services.table.get(account_id, group_id)
            except (UnreadableIssueError, *AWS_ERRORS) as error:
                self.summary.problem(f"{group_id} in {account_id}: {explain(error)}")
                continue
            if issue is not None:
                yield issue

    def _alert_if_deaf(self) -> None:
        """Tell the default channel, once, that nobody listens to Slack."""
        slack, now = self.services.slack, self.services.now()
        if slack is None or not slack.has_app_token:
            return
        records = ListenerRecords(self.services.table.items, self.config.aws.main_account_id, self.services.now)
        state = records.read()
        if state.connected is None and state.expected is None:
            records.expect()
            return
        disconnected_reason = state.disconnected_reason(now)
        if not disconnected_reason or state.alerted == alert_key(state):
            return
        channel = self.config.slack.default_channel
        try:
            slack.post(slack.channel(channel), f"{literal(disconnected_reason)}.", ())
        except SlackError as error:
            self.summary.problem(f"{channel} was not told that hammer listen is not connected: {error}")
            return
        records.alerted(state)
