"""Tells people what was decided: comments on tickets, assignees, people in Slack, rewritten messages, events.

Whichever process comes next does this: the one that carried the decision out, the service that listens to Slack, or the
next reporting run. What is still to be told is in the issue's item; a process claims it before it tells it, and looks
for its own comment before it writes one, so a process that dies leaves nothing untold and nothing is told twice.

`DecisionNotifications.notify` does not raise because JIRA or Slack cannot be reached: it returns what was not done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from library.aws.decision_messages import ButtonMessage, DecisionMessages
from library.aws.decision_store import Decisions
from library.aws.failures import AWS_ERRORS, explain
from library.documents.text import printable
from library.errors import ConflictError
from library.issues.decision_record import Decision, DecisionKind, Untold
from library.notifications.broadcast import issue_line
from library.notifications.change_delivery import comment_with_reference
from library.notifications.jira_connection import JiraError
from library.notifications.slack_connection import (
    SlackDestinationError,
    SlackError,
    SlackMessageRefusedError,
)
from library.notifications.webhook import WebhookError
from library.notifications.webhook_events import EventType, decision_event, subject_of
from reporting.decision_messages import IssueMessage, answer_text, comment, issue_message

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable
    from library.config import Configuration
    from library.issues.issue import Issue
    from library.notifications.jira_client import JiraClient
    from library.notifications.slack_connection import SlackClient
    from library.notifications.webhook import WebhookClient

_REWRITES = 5  # of one message, while its issue keeps changing


@dataclass(frozen=True, slots=True)
class DecisionNotifications:
    """Ways to reach people. One that is None is off; the webhook may also be left to the reporting run."""

    config: Configuration
    table: IssueTable
    jira: JiraClient | None
    slack: SlackClient | None
    now: Callable[[], datetime]
    webhook: WebhookClient | None = None

    @property
    def messages(self) -> DecisionMessages:
        """The messages with buttons."""
        return DecisionMessages(self.table.items, self.now)

    def notify(self, issue: Issue) -> list[str]:
        """Tell what is still to be told of an issue, and rewrite its messages that show something else.

        Returns:
            What could not be told, one line each. Another run tries again.
        """
        problems: list[str] = []
        try:
            tells_webhook = self.webhook is not None or not self.config.webhook.is_on
            issue, taken = Decisions(self.table, self.now).claim_untold(issue, webhook=tells_webhook)
            if taken:
                left = [self._notify_one(issue, untold, problems) for untold in taken]
                issue = Decisions(self.table, self.now).notified(issue, left, taken)
            self.rewrite(issue, problems)
        except (ConflictError, *AWS_ERRORS) as error:
            problems.append(f"{issue.location}: what was decided could not be told: {explain(error)}")
        return problems

    def _notify_one(self, issue: Issue, untold: Untold, problems: list[str]) -> Untold:
        """Tell one decision. Returns what is left to tell of it."""
        if untold.ticket and self._notify_ticket(issue, untold, problems):
            untold = replace(untold, ticket=False)
        if untold.slack and self._notify_in_slack(issue, untold.decision, problems):
            untold = replace(untold, slack=False)
        if untold.webhook and self._notify_webhook(issue, untold, problems):
            untold = replace(untold, webhook=False)
        return untold

    def _notify_webhook(self, issue: Issue, untold: Untold, problems: list[str]) -> bool:
        """Send the event. Returns whether nothing is left to do."""
        if self.webhook is None:
            return not self.config.webhook.is_on
        if not self.webhook.wants(EventType.DECIDED):
            return True
        try:
            self.webhook.send(decision_event(issue, subject_of(self.config, self.jira, issue), untold))
        except WebhookError as error:
            problems.append(f"{issue.location}: the event decided was not sent: {error}")
            return False
        return True

    def _notify_ticket(self, issue: Issue, untold: Untold, problems: list[str]) -> bool:
        """Comment on the ticket, assign it, and take the label off. Returns whether nothing is left to do."""
        if self.jira is None:
            return True
        key = str(issue.jira_details.get("ticket") or "")
        if not key:
            return not self._gets_ticket(issue)  # the ticket that is filed later gets it
        decision = untold.decision
        try:
            self._comment(self.jira, issue, key, untold, problems)
            if decision.kind is DecisionKind.NOT_MINE and decision.is_done:
                _assign(self.jira, key, decision.owner, problems)
            if untold.label:
                problems += self.take_off(key, untold.label)
        except JiraError as error:
            problems.append(f"{issue.location}: what was decided is not in {key} yet: {error}")
            # Nobody reads a ticket that is gone. One that refuses may be replaced while its issue is open.
            return error.says_gone or (error.is_refusal and not self._gets_ticket(issue))
        return True

    def _gets_ticket(self, issue: Issue) -> bool:
        """Whether a ticket may be filed for an issue: not where it is over, or where nothing is scanned any more."""
        return issue.status.is_exposed and self.config.watches(issue.account_id, issue.details.region)

    def take_off(self, key: str, label: str) -> list[str]:
        """Take a label off a ticket. One that JIRA does not let go decides nothing again.

        Returns:
            Why it stays, one line; nothing where it is off.

        Raises:
            JiraError: JIRA did not answer, or not of itself.
        """
        if self.jira is None:
            return []
        try:
            self.jira.edit_labels(key, remove=[label])
        except JiraError as error:
            if not error.is_refusal:
                raise
            return [f"{key} keeps the label {printable(label)}: {error}"]
        return []

    def _comment(self, jira: JiraClient, issue: Issue, key: str, untold: Untold, problems: list[str]) -> None:
        # JIRA Cloud gives back another text than it was given: the comment is known again by its marker.
        text = f"{issue.account_id} {issue.issue_id} {untold.number}"
        marker = f"decision {hashlib.sha256(text.encode()).hexdigest()[:16]}"
        limit = self.config.jira.text_field_character_limit
        if not jira.has_comment(key, marker):
            try:
                comment_with_reference(jira, key, comment(untold.decision), marker, limit)
            except JiraError as error:
                if not error.refuses_text:
                    raise
                problems.append(f"{key} takes no comment on what was decided: {error}")

    def _notify_in_slack(self, issue: Issue, decision: Decision, problems: list[str]) -> bool:
        """Tell whom a decision concerns. Returns whether nothing is left to do."""
        if self.slack is None:
            return True
        if decision.kind is DecisionKind.RESTORE:
            return self._notify_of_refusal(self.slack, issue, decision, problems)
        return self._notify_new_owner(self.slack, issue, decision, problems)

    def _notify_of_refusal(self, slack: SlackClient, issue: Issue, decision: Decision, problems: list[str]) -> bool:
        """Tell who decided on a restore, and nobody else, why it was not carried out."""
        text = f"{issue.location}: the group was not restored: {decision.rejection}."
        try:
            slack.post(decision.by, answer_text(text), ())
        except SlackError as error:
            problems.append(
                f"{issue.location}: {printable(decision.by)} was not told that it was not restored: {error}"
            )
            return error.may_have_arrived or isinstance(error, (SlackDestinationError, SlackMessageRefusedError))
        return True

    def _notify_new_owner(self, slack: SlackClient, issue: Issue, decision: Decision, problems: list[str]) -> bool:
        try:
            self.post(issue, slack.channel(decision.owner))
        except (SlackDestinationError, SlackMessageRefusedError) as error:
            if error.may_have_arrived:
                problems.append(f"{issue.location}: the new owner was not told: {error}")
                return True
            default = self.config.slack.default_channel
            problems.append(f"{printable(decision.owner)}: {error}; {default} is told instead")
            try:
                self.post(issue, default)
            except SlackError as failed:
                problems.append(f"{issue.location}: {default} was not told who owns it: {failed}")
                return failed.may_have_arrived
        except SlackError as error:
            problems.append(f"{issue.location}: the new owner was not told: {error}")
            return error.may_have_arrived
        return True

    def post(self, issue: Issue, channel: str) -> None:
        """Send the message of an issue, with its buttons where somebody listens. Raises SlackError."""
        if self.slack is None:
            return
        message = self.message(issue)
        # Without buttons at first: where this process dies before it could keep the message, nobody can press them.
        where, ts = self.slack.post(channel, message.text, message.blocks[:1])
        if self.has_buttons and ts:
            self.messages.add(issue.account_id, issue.issue_id, ButtonMessage(where, ts))

    @property
    def has_buttons(self) -> bool:
        """Whether messages have buttons: somebody may listen to them."""
        return self.slack is not None and self.config.decisions.enabled and self.slack.has_app_token

    def message(self, issue: Issue) -> IssueMessage:
        """The message of an issue as it is now."""
        line = issue_line(self.config, self.jira, issue)
        return issue_message(self.config, issue, line, self.now().date())

    def rewrite(self, issue: Issue, problems: list[str]) -> None:
        """Rewrite the messages of an issue that show something else than it is.

        Raises:
            ConflictError, ClientError, BotoCoreError: the table could not be read or written.
        """
        if self.slack is None:
            return
        found = self.messages.of_issue(issue.account_id, issue.issue_id)
        for message in found.messages:
            if message.claims or message.shown != self.message(issue).digest:
                issue = self._rewrite(self.slack, issue, message, problems)

    def _rewrite(self, slack: SlackClient, issue: Issue, kept: ButtonMessage, problems: list[str]) -> Issue:
        """Rewrite one message until it shows the issue as it is. Returns the issue as it is."""
        messages, location = self.messages, (issue.account_id, issue.issue_id)
        for _ in range(_REWRITES):
            claim = messages.claim(*location, kept.key)
            # Read after the claim: what changes after this read is seen below, or by whoever sees the claim.
            issue = self.table.get(*location) or issue
            message = self.message(issue)
            keep = True
            try:
                slack.update(kept.channel, kept.ts, message.text, message.blocks)
            except SlackDestinationError:
                keep = False  # the message is gone, or it cannot be rewritten any more
            except SlackError as error:
                problems.append(f"{issue.location}: a message in Slack still shows what was before: {error}")
                messages.rewritten(*location, kept.key, claim, "", keep=True)
                return issue
            fresh = self.table.get(*location)
            messages.rewritten(*location, kept.key, claim, message.digest, keep=keep)
            if fresh is None or not keep or self.message(fresh).digest == message.digest:
                return issue
        return issue

    def notify_all(self, account_id: str, note: Callable[[Issue], None] = lambda _: None) -> list[str]:
        """Rewrite every message of an account that shows something else than its issue is, and tell what is untold.

        `note` is called with each issue of which something is untold, before that is told.

        Raises:
            ConflictError, ClientError, BotoCoreError: the table could not be read.
        """
        found = list(self.messages.of_account(account_id))
        issues = self.table.get_many(account_id, [each.group_id for each in found], unreadable=lambda _: None)
        problems: list[str] = []
        for each in found:
            issue = issues.get(each.group_id)
            if issue is None:
                continue
            if issue.decided.outbox:
                note(issue)
            shown = self.message(issue).digest
            if issue.decided.outbox or any(kept.claims or kept.shown != shown for kept in each.messages):
                problems += self.notify(issue)
        return problems


def _assign(jira: JiraClient, key: str, owner: str, problems: list[str]) -> None:
    if owner.startswith("#"):
        return  # a channel is Slack's business
    try:
        user = jira.users.assignable(key.rpartition("-")[0], owner)
        if user is None:
            problems.append(f"{key} is not assigned to {printable(owner)}: JIRA knows no such user, or several")
            return
        jira.assign(key, user)
    except JiraError as error:
        if error.may_pass:
            raise
        problems.append(f"{key} is not assigned to {printable(owner)}: {error}")
