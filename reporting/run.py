"""One run of reporting: read the issues, plan, write tickets and messages, and record what was sent.

The plan (`reporting.plan`) is pure. Here it is carried out: JIRA or the console first, then Slack, whose messages
link to the tickets, then the webhook. What was sent is recorded in each issue at once, so that the next run continues
one that broke off. A dry run prints the same plan, with the texts of the first tickets.

Where a group is defined that a ticket is about is asked of AWS and of Terraform files (`SourceReading`). What could not
be read is no problem of the run, since the permissions for it are optional: the ticket says less.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from textwrap import indent
from threading import Event
from typing import TYPE_CHECKING, Any

from library.aws.ec2 import read_security_groups
from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import UnreadableIssueError
from library.config.decided_exemptions import with_decided_exemptions
from library.documents.document import plain_text
from library.documents.text import printable
from library.errors import ConflictError
from library.issues.change_notifications import ChangeNotification, Channel, undelivered
from library.issues.issue import INSPECTOR_FINDING, KINDS, SECURITY_GROUP, ClosingNotice, Issue, IssueKind, Status
from library.issues.notified_exposures import new_record
from library.issues.schedule import issue_notified_times
from library.issues.times import format_time
from library.notifications.broadcast import destinations_of, issue_key
from library.notifications.change_delivery import (
    CHANGES,
    ExpectedAlert,
    NotificationDelivery,
    comment_once,
    notification_alert,
    send_alerts_once,
)
from library.notifications.jira_connection import JiraError, JiraUnavailableError
from library.source.cloudformation import StackReader
from library.source.find import STACKS_NOT_ASKED, TerraformFiles, locate, read_folders, read_rule_ids
from library.source.hcl import GrammarMissingError
from library.source.location import is_fresh, stored_source
from reporting.after_care import notify_after_care
from reporting.context import TicketContexts
from reporting.decision_run import DecisionRun
from reporting.group_text import exemption_line
from reporting.jira import Tickets, describe_action, step_document
from reporting.plan import Channels, Step, Update, plan, remediation_forecast, state_after_update, use_notified
from reporting.read import ReportSummary, read_accounts, read_users
from reporting.slack import send_alerts
from reporting.webhook import EventRun, type_of

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable
    from library.aws.session import Sessions
    from library.config import Configuration
    from library.jobs.command_line import Selection
    from library.notifications.jira_client import JiraClient
    from library.notifications.slack_connection import SlackClient
    from library.notifications.webhook import WebhookClient
    from library.source.location import SourceReport


_ISSUES_A_RUN = 200
_REGIONS_AT_ONCE = 10  # of the sixteen connections that a client keeps; most of it is waiting
_WITHOUT_SOURCE = (Update.EXEMPTION_ENDS, Update.USE)


@dataclass(slots=True)
class SourceReading:
    """Reads the sources of a run's issues, with what the role of reporting may read of CloudFormation.

    The policy `source-in-account` is optional. Some accounts and regions are read at the same time, and the groups of
    one in turn: where CloudFormation did not answer, it is not asked again.

    Attributes:
        stopped: set when the run ends, as by a signal or a lost lock: each region ends after the group that it is at.
    """

    config: Configuration
    services: Services
    summary: ReportSummary
    stopped: Event = field(default_factory=Event)

    def with_sources(self, steps: Sequence[Step], *, dry_run: bool) -> list[Step]:
        """The steps, each new or changed ticket's with the source of its group. A `dry_run` records nothing."""
        wanted = [step for step in steps if self._is_wanted(step)][:_ISSUES_A_RUN]
        if not wanted:
            return list(steps)
        files = self._files()
        regions: dict[tuple[str, str], list[Issue]] = {}
        for step in wanted:
            regions.setdefault((step.issue.account_id, step.issue.details.region), []).append(step.issue)
        found: dict[str, Issue] = {}
        # Whatever ends this block, the pool waits for the regions that it has begun.
        with ThreadPoolExecutor(_REGIONS_AT_ONCE) as pool, self._stopping_all():
            for issues, notes in pool.map(lambda each: self._read_region(each, files, dry_run), regions.values()):
                found |= {issue_key(issue): issue for issue in issues}
                self.summary.notes += notes
        return [replace(step, issue=found.get(issue_key(step.issue), step.issue)) for step in steps]

    @contextmanager
    def _stopping_all(self) -> Iterator[None]:
        """Have every region end when an exception ends this block."""
        try:
            yield
        except BaseException:
            self.stopped.set()
            raise

    def _is_wanted(self, step: Step) -> bool:
        issue = step.issue
        updates = [update for update in (step.ticket_update, step.alert_update) if update]
        names_source = any(update not in _WITHOUT_SOURCE and not update.ends for update in updates)
        return names_source and issue.kind is SECURITY_GROUP and not is_fresh(issue, self.services.now())

    def _files(self) -> TerraformFiles:
        try:
            return read_folders(self.config.source.terraform_paths)
        except GrammarMissingError as error:
            self.summary.notes.append(str(error))
            return TerraformFiles()

    def _read_region(
        self, issues: Sequence[Issue], files: TerraformFiles, dry_run: bool
    ) -> tuple[list[Issue], list[str]]:
        """Those issues of one account and region whose source was read, with it; and a note on each that was not."""
        with self._stopping_all():
            return self._read_issues(issues, files, dry_run)

    def _read_issues(
        self, issues: Sequence[Issue], files: TerraformFiles, dry_run: bool
    ) -> tuple[list[Issue], list[str]]:
        found: list[Issue] = []
        notes: list[str] = []
        is_refused = False  # whether CloudFormation did not answer
        for issue in issues:
            if self.stopped.is_set() or (is_refused and not files.files):
                break
            self.services.renew()
            try:
                report = self._locate(issue, files)
                if report is None:
                    continue
                is_refused |= any(problem.startswith(STACKS_NOT_ASKED) for problem in report.problems)
                source = stored_source(report, issue, self.services.now())
                if not dry_run:
                    self.services.table.update(issue, {"source": source})
            except ConflictError:
                continue  # it changed meanwhile: whoever writes its ticket finds that out, too
            except AWS_ERRORS as error:
                notes.append(f"{issue.location}: where it is defined could not be read: {explain(error)}")
                continue
            found.append(replace(issue, source=source))
        return found, notes

    def _locate(self, issue: Issue, files: TerraformFiles) -> SourceReport | None:
        """Where a group is defined; None: there is no such group."""
        sessions = self.services.sessions
        account_id, region, group_id = issue.account_id, issue.details.region, issue.issue_id
        client = sessions.client("ec2", account_id, region)
        groups = [group for page in read_security_groups(client, [group_id]) for group in page.groups]
        if not groups:
            return None
        return locate(
            groups[0],
            issue.details.perms,
            self.config.secgrp_unrestricted_access.remediation_sources,
            StackReader(sessions.client("cloudformation", account_id, region), account_id, region),
            lambda: read_rule_ids(client, group_id, issue.details.perms),
            files,
            issue.opened_by.user_agent if issue.opened_by else "",
        )


_TEXTS = 10


def preview(steps: Sequence[Step], contexts: TicketContexts, *, jira: bool) -> Iterator[str]:
    """One text for each step, and one that counts the tickets whose text is not shown."""
    texts = 0
    for step in steps:
        shown = [f"would tell: {contexts.headline(step)}"]
        context = contexts.of(step)
        if step.ticket_update and jira:
            shown.append(f"    JIRA: {describe_action(step, context)}")
        if step.alert_update or step.alert_reminder is not None:
            shown.append(f"    Slack: {', '.join(printable(found) for found in contexts.destinations(step))}")
        if step.event_update or step.event_reminder is not None:
            shown.append(f"    webhook: {type_of(step.event_update)}")
        if step.ticket_update:
            texts += 1
            if texts <= _TEXTS:
                shown += ["", indent(plain_text(step_document(step, context)), "    ")]
        yield "\n".join(shown)
    if texts > _TEXTS:
        yield f"the texts of {texts - _TEXTS} more are not shown: choose with --group\n"


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """What a run works with. A channel that is None is off.

    Attributes:
        renew: keeps the lock; raises LockedError.
        show_text: shows a person a text.
        left_accounts: accounts that left the configuration, whose issues are to be ended.
        reads_sources: whether it is asked where groups are defined, with what `sessions` may read of CloudFormation.
    """

    sessions: Sessions
    table: IssueTable
    jira: JiraClient | None
    slack: SlackClient | None
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    renew: Callable[[], None]
    show_text: Callable[[str], None]
    left_accounts: Sequence[str] = ()
    reads_sources: bool = False
    webhook: WebhookClient | None = None


def channels_of(kind: IssueKind, every: Channels, config: Configuration) -> Channels | None:
    """Where issues of a kind are reported; None: nowhere, because only a channel that is off is wanted."""
    wanted = {INSPECTOR_FINDING: (config.inspector.table, config.inspector.slack)}
    in_jira, in_slack = wanted.get(kind, (True, True))
    channels = replace(every, jira=every.jira and in_jira, slack=every.slack and in_slack)
    return None if channels.console and not every.console else channels


class Reporter:
    """One run.

    Attributes:
        summary: what was done so far.
    """

    def __init__(self, config: Configuration, services: Services) -> None:
        self._config = config
        self._services = services
        self._remediation = remediation_forecast(config)
        every = Channels(
            services.jira is not None, services.slack is not None, services.webhook is not None, config.webhook.reports
        )
        self._channels = {kind: channels_of(kind, every, config) for kind in KINDS}
        self.summary = ReportSummary()
        self._contexts: TicketContexts  # once it is read what uses the groups
        self._changes: list[tuple[Issue, ChangeNotification]] = []  # what remediation did, and a channel was not told
        self._owed: list[tuple[Issue, ChangeNotification]] = []  # what of it is left to be told
        self._decisions = DecisionRun(config, services, self.summary)
        self._not_alerted: set[str] = set()  # the keys of issues of which Slack was not told all
        self._left_out: dict[str, int] = {}  # issues beyond the first, by why JIRA cannot be used

    def run(self, selection: Selection, *, dry_run: bool) -> ReportSummary:
        """Report what there is to report. A `dry_run` shows what would be sent, sends nothing and records nothing.

        Raises:
            LockedError: another run took over.
        """
        if not dry_run:
            self._decisions.read_labels(selection)
        self._config = with_decided_exemptions(self._config, self._services.table, self._config.scanned_accounts())
        self._remediation = remediation_forecast(self._config)
        steps = self._plan(selection)
        if not dry_run:
            self._deliver_changes()
            owing = {issue_key(issue) for issue, _ in self._owed}
            owing |= {issue_key(step.issue) for step in steps if step.issue.decided.outbox}
            # Nothing is closed while somebody has to be told what was done, or decided: nobody reads it after that.
            steps = [replace(step, close=False) if issue_key(step.issue) in owing else step for step in steps]
        steps = self._with_sources(steps, dry_run=dry_run)
        new = [
            step.issue
            for step in steps
            if step.issue.kind.has_users
            and any(update and update.begins for update in (step.ticket_update, step.alert_update, step.event_update))
        ]
        users = read_users(self._services.sessions, new, self._services.renew, self.summary)
        self._contexts = TicketContexts(self._config, self._remediation, users)
        if dry_run:
            for text in preview(steps, self._contexts, jira=self._services.jira is not None):
                self._services.show_text(text)
            for step in steps:
                update = step.ticket_update or step.alert_update or step.event_update
                if update or step.reminds:
                    self.summary.count(update or "reminded")
            return self.summary
        done = [updated for step in steps if (updated := self._update_ticket(step)) is not None]
        for count in self._left_out.values():
            if count:
                issues = "1 more issue is" if count == 1 else f"{count} more issues are"
                self.summary.problem(f"JIRA is not asked again in this run: {issues} left to the next run")
        self._notify_slack(done)
        self._decisions.notify(selection)
        accounts = self._config.scanned_accounts() if self._config.usage.enabled else ()
        notify_after_care(self._config, self._services, accounts, selection, self.summary)
        self._notify_webhook(done)
        return self.summary

    def _with_sources(self, steps: list[Step], *, dry_run: bool) -> list[Step]:
        if not self._services.reads_sources:
            return steps
        return SourceReading(self._config, self._services, self.summary).with_sources(steps, dry_run=dry_run)

    def _plan(self, selection: Selection) -> list[Step]:
        steps: list[Step] = []
        accounts = [*self._config.scanned_accounts(), *self._services.left_accounts]

        def has_updates(issue: Issue) -> bool:
            self._decisions.note(issue)
            return bool(self._steps([issue])) or bool(self._undelivered(issue))

        for account in read_accounts(self._services.table, accounts, selection, has_updates, self.summary):
            planned = self._steps(account.with_updates)
            self.summary.unchanged += account.unchanged + len(account.with_updates) - len(planned)
            steps += planned
            self._changes += [
                (issue, notification) for issue in account.with_updates for notification in self._undelivered(issue)
            ]
        return steps

    def _undelivered(self, issue: Issue) -> Sequence[ChangeNotification]:
        services = self._services
        clients = {Channel.JIRA: services.jira, Channel.SLACK: services.slack, Channel.WEBHOOK: services.webhook}
        enabled = [channel for channel, client in clients.items() if client is not None]
        return undelivered(issue.change_notifications, enabled)

    def _deliver_changes(self) -> None:
        """Tell what remediation recorded and could not tell itself. What nobody takes now stays for the next run."""
        self._services.renew()
        read = [(issue, notification, self._still_undelivered(issue)) for issue, notification in self._changes]
        unread = [(issue, notification) for issue, notification, left in read if left is None]
        self._changes = [
            (issue, now) for issue, notification, left in read for now in left or () if now.key == notification.key
        ]
        for issue, notification in self._changes:
            if self._services.jira and Channel.JIRA not in notification.notified:
                self._comment_on_change(self._services.jira, issue, notification)
        wanted = [each for each in self._changes if Channel.SLACK not in each[1].notified]
        if self._services.slack and wanted:
            self._alert_of_changes(self._services.slack, wanted)
        self._owed = unread  # what could not be read may still be to be told
        for issue, notification in self._changes:
            left = self._still_undelivered(issue)
            self._owed += [(issue, each) for each in ([notification] if left is None else left)]

    def _still_undelivered(self, issue: Issue) -> Sequence[ChangeNotification] | None:
        """What is still to be told of an issue: a remediation run may have told more since the issue was read.

        Returns:
            None: it could not be read.
        """
        try:
            fresh = self._services.table.get(issue.account_id, issue.issue_id)
        except (UnreadableIssueError, *AWS_ERRORS) as error:
            self._not_recorded(issue, error)
            return None
        return self._undelivered(fresh) if fresh else ()

    def _delivery(self, issue: Issue, notification: ChangeNotification, channel: Channel) -> NotificationDelivery:
        return NotificationDelivery(
            self._services.table, issue, notification, channel, self._services.now, not_recorded=self._not_recorded
        )

    def _comment_on_change(self, jira: JiraClient, issue: Issue, notification: ChangeNotification) -> None:
        key = str(issue.jira_details.get("ticket") or "")
        delivery = self._delivery(issue, notification, Channel.JIRA)
        limit = self._config.jira.text_field_character_limit
        try:
            if key and not comment_once(jira, key, notification, limit, delivery):
                return
        except JiraError as error:
            self.summary.problem(f"{issue.location}: {notification.heading}: no comment on {key}: {error}")
            if not error.is_refusal:
                return
        delivery.done()

    def _alert_of_changes(self, slack: SlackClient, wanted: Sequence[tuple[Issue, ChangeNotification]]) -> None:
        expected = [
            ExpectedAlert(
                notification_alert(self._config, self._services.jira, issue, notification),
                destinations_of(self._config, issue),
                self._delivery(issue, notification, Channel.SLACK),
            )
            for issue, notification in wanted
        ]
        default = self._config.slack.default_channel
        self.summary.add(send_alerts_once(slack, default, CHANGES, expected))

    def _steps(self, issues: Sequence[Issue]) -> list[Step]:
        steps: list[Step] = []
        for kind, channels in self._channels.items():
            wanted = [issue for issue in issues if issue.kind is kind]
            if wanted and channels:
                now, config = self._services.now(), self._config
                steps += plan(wanted, channels, self._remediation, now, config.exemptions, self._watches)
        return steps

    def _watches(self, issue: Issue) -> bool:
        return issue.kind is not SECURITY_GROUP or self._config.watches(issue.account_id, issue.details.region)

    def _update_ticket(self, step: Step) -> Step | None:
        """Bring an issue's ticket up to date, or show it on the console, and record that.

        Returns:
            The step with the issue as it is recorded now. After a failure in JIRA the step goes on to Slack and the
            webhook, but nothing is recorded as reported or closed: `report`, `close`, `notice` and `notified` are off.
            None: nothing more can be done for it in this run.
        """
        issue = step.issue
        self._services.renew()
        try:
            if sets := _taken_back(step):
                self._services.table.update(issue, sets)
            if (step.ticket_update or step.follow_up) and (issue.account_id, issue.issue_id) in self._decisions.unread:
                return _without_ticket(step)
            details = self._write_ticket(step)
        except JiraError as error:
            if isinstance(error, JiraUnavailableError) and str(error) in self._left_out:
                self._left_out[str(error)] += 1
            else:
                self.summary.problem(f"{issue.location}: {step.ticket_update}: {error}")
            if isinstance(error, JiraUnavailableError):
                self._left_out.setdefault(str(error), 0)
            return _without_ticket(step)
        except (ConflictError, *AWS_ERRORS) as error:
            self._not_recorded(issue, error)
            return None
        if step.ticket_update:
            self.summary.count(step.ticket_update)
        if details:
            issue = replace(issue, jira_details=details)
        if not self._record(
            step,
            issue,
            {"jira_details": details} if details else {},
            is_last=step.alert_update is None and step.event_update is None,
        ):
            return None
        return replace(step, issue=issue)

    def _write_ticket(self, step: Step) -> dict[str, Any]:
        """Tell JIRA, or the console, of a step.

        Returns:
            The issue's new `jira_details`; empty: they stay.

        Raises:
            JiraError, ConflictError, ClientError, BotoCoreError: it could not be done.
        """
        if step.ticket_update and self._services.jira:
            return self._tickets(self._services.jira).update(step, self._contexts.of(step))
        if step.follow_up and self._services.jira:
            return self._tickets(self._services.jira).follow_up(step.issue)
        if step.ticket_update:
            self._show(step)
            return _shown_state(step, step.ticket_update)
        return {}

    def _notify_slack(self, steps: Sequence[Step]) -> None:
        wanted = [step for step in steps if step.alert_update is not None or step.alert_reminder is not None]
        if self._services.slack is None or not wanted:
            return
        self._not_alerted = {issue_key(step.issue) for step in wanted if step.alert_update is not None}

        def delivered(step: Step, details: dict[str, Any], *, all_of_them: bool) -> None:
            if all_of_them and not step.ticket_update:
                self.summary.count(step.alert_update or "reminded")
            is_last = all_of_them and step.alert_update is not None and step.event_update is None
            if self._record(step, step.issue, {"slack_details": details}, is_last=is_last) and all_of_them:
                self._not_alerted.discard(issue_key(step.issue))

        sent = send_alerts(
            self._config,
            self._services.slack,
            self._services.jira,
            wanted,
            self._contexts,
            delivered,
            self._decisions,
        )
        self.summary.add(sent)

    def _notify_webhook(self, steps: Sequence[Step]) -> None:
        """Send the webhook its events, after all others: it delays nobody."""
        webhook = self._services.webhook
        if webhook is None:
            return
        run = EventRun(self._config, self._services, webhook, self.summary)

        def record(step: Step, details: dict[str, Any]) -> None:
            is_last = step.event_update is not None and issue_key(step.issue) not in self._not_alerted
            if not step.ticket_update and not step.alert_update and step.alert_reminder is None:
                self.summary.count(step.event_update or "reminded")
            self._record(step, step.issue, {"webhook_details": details}, is_last=is_last)

        unsent = [each for each in self._changes if Channel.WEBHOOK not in each[1].notified]
        run.notify_changes([(*each, self._delivery(*each, Channel.WEBHOOK)) for each in unsent])

        def keep(step: Step, details: dict[str, Any]) -> bool:
            try:
                self._services.table.update(step.issue, {"webhook_details": details})
            except (ConflictError, *AWS_ERRORS) as error:
                self._not_recorded(step.issue, error)
                return False
            return True

        run.notify_steps(steps, record, keep)
        run.finish()
        self._decisions.notify_webhook()

    def _record(self, step: Step, issue: Issue, sets: dict[str, Any], *, is_last: bool) -> bool:
        """Record what was sent, and with the last channel's that it is reported or closed.

        Returns:
            Whether that could be done.
        """
        now = self._services.now()
        if is_last and step.report:
            sets = {**sets, "timestamps.reported": format_time(now)}
        if is_last and step.notified:
            sets = {**sets, **_notified_exposures(step, issue, now)}
        if is_last and step.notice:
            notice = ClosingNotice(now, issue.occurrence)
            sets = {**sets, "closing_notice": notice.to_item()}
        if not sets and not (is_last and step.close):
            return True
        try:
            if sets:
                self._services.table.update(issue, sets)
            if is_last and step.close:
                self._decisions.keep_ticket(issue)
                if issue.status is Status.RESOLVED:
                    self._services.table.close_resolved(issue, now)
                else:
                    self._services.table.close_unwatched(issue, now)
        except (ConflictError, *AWS_ERRORS) as error:
            self._not_recorded(issue, error)
            return False
        _log.info(
            "told",
            extra={
                "account_id": issue.account_id,
                "group_id": issue.issue_id,
                "region": issue.details.region,
                "ticket": issue.jira_details.get("ticket"),
                "ticket_news": step.ticket_update,
                "alert_news": step.alert_update,
                "event_news": step.event_update,
                "recorded": sorted(sets),
            },
        )
        return True

    def _not_recorded(self, issue: Issue, error: Exception) -> None:
        if isinstance(error, ConflictError):
            # Nobody has to act: the next run reports the issue as it is by then.
            self.summary.notes.append(f"{issue.location} changed meanwhile: the next run tells of it")
        else:
            self.summary.problem(f"{issue.location} could not be recorded: {explain(error)}")

    def _show(self, step: Step) -> None:
        """Show a ticket as it would be filed."""
        text = self._contexts.headline(step)
        if step.ticket_update and not step.ticket_update.ends:
            # There is no ticket to comment on: what changed is shown as a whole.
            is_apart = step.ticket_update in (Update.EXEMPTION_ENDS, Update.USE)
            shown = step if is_apart else replace(step, ticket_update=Update.NEW)
            text += f"\n\n{plain_text(step_document(shown, self._contexts.of(step)))}"
        elif line := exemption_line(step, step.ticket_update, step.issue.jira_details):
            text += f"\n\n{printable(line)}"
        self._services.show_text(text)

    def _tickets(self, jira: JiraClient) -> Tickets:
        return Tickets(
            jira,
            self._services.table,
            self._config.jira.text_field_character_limit,
            self._services.now,
            self._services.sleep,
            self.summary.notes,
            self.summary.problems,
        )


def _without_ticket(step: Step) -> Step:
    """A step of which JIRA is not told. The others are, all the same; only then it is neither reported nor closed."""
    return replace(step, report=False, close=False, notice=False, notified=False)


def _shown_state(step: Step, update: Update) -> dict[str, Any]:
    """What is kept of an issue that was shown on the console."""
    issue = step.issue
    state = state_after_update(step, update, {"ticket": None, **issue.jira_details})
    if not update.ends and update is not Update.EXEMPTION_ENDS:
        state |= use_notified(issue)  # there is no ticket to comment on: all of it is shown
    # So that the first channel that is enabled later is known to be the first that reports it.
    return state | ({"console": issue.occurrence} if update.begins else {})


def _notified_exposures(step: Step, issue: Issue, now: datetime) -> dict[str, Any]:
    """What is recorded once every channel has told of what is open: each exposure has a period of its own."""
    reported = None if step.report else issue.timestamps.reported
    record = new_record(
        issue.details.perms,
        issue.details.perms_total,
        issue.occurrence,
        issue_notified_times(issue, reported) if reported else None,
        reported or now,
        now,
    )
    return {} if record == issue.notified_exposures else {"exposures_told": record.to_item()}


def _taken_back(step: Step) -> dict[str, Any]:
    """What withdraws records of what people were told and is not true now. Written before they are told otherwise."""
    sets: dict[str, Any] = {}
    if step.report_anew:
        # Nobody's retention period may end while one channel has told of it and the other has not yet.
        sets["timestamps.reported"] = None
    if step.withdraws_notice and step.issue.closing_notice:
        sets["closing_notice"] = replace(step.issue.closing_notice, withdrawn=True).to_item()
    return sets
