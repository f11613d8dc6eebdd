"""The reporting job: tickets and alerts for what is new, changed or gone.

`python -m reporting.create_security_groups_tickets`, or `hammer report`. Reads the table's open, exempt and resolved
issues once, plans, carries the plan out, and records in each issue what was told. With neither JIRA nor Slack enabled
the console shows each ticket as it would be filed, and that counts as told.

An issue counts as reported (`timestamps.reported`, from which remediation counts) when every enabled channel told of
it: while one of them is down nobody's time runs. A resolved issue is closed when every channel told of that.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from textwrap import indent
from typing import TYPE_CHECKING, Any

import typer

from library.aws.failures import AWS_ERRORS, explain
from library.aws.group_usage import read_usage
from library.aws.issue_table import ConflictError, IssueTable, UnreadableIssueError
from library.aws.lock import LEASE, REPORTING_LOCK_ID, Lock, LockedError, this_process
from library.aws.secrets import SecretReader
from library.aws.session import Sessions
from library.config.organization import with_organization
from library.documents.plain_text import plain_text
from library.documents.text import printable
from library.issues.issue import Issue, Status
from library.issues.times import format_time
from library.jobs.command_line import (
    AccountOption,
    ConfigOption,
    DryRunOption,
    Exit,
    GroupOption,
    RegionOption,
    Selection,
    application,
    read_configuration,
    refuse_unknown_accounts,
    run,
)
from library.jobs.host_logs import host_logging, logs_client
from library.notifications.broadcast import desk_of, destinations_of, issue_key, messenger_of
from library.notifications.jira_client import TicketDesk, TicketError
from library.notifications.owners import Discovered, destinations, discover
from library.notifications.slack_client import Messenger
from library.security_groups.usage import Usage
from reporting import group_text
from reporting.alerts import Wanted, send_alerts
from reporting.plan import Channels, News, Remediation, Step, plan, remembered
from reporting.tickets import Filing, Tickets, would_do, would_say

if TYPE_CHECKING:
    from library.config import Configuration

STREAM = "reporting.create_security_groups_tickets"

_log = logging.getLogger(__name__)
_REPORTED = (Status.OPEN, Status.WHITELISTED, Status.RESOLVED)
_TEXTS_IN_A_PREVIEW = 10
_TOLD_ANEW = (News.NEW, News.FOUND_AGAIN)


@dataclass(slots=True)
class Summary:
    """What a run came to.

    Attributes:
        told: how many issues each kind of news was told of, by what is new to the ticket, else to Slack.
        unchanged: issues of which nothing was to be told.
        notes: what was done otherwise than asked, one line each.
        problems: what could not be done, one line each.
    """

    told: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the job works with.

    Attributes:
        sessions: give the clients that read who uses a group.
        desk: JIRA; None: off.
        messenger: Slack; None: off.
        renew: keeps the lock; raises LockedError.
        say: shows a person a text.
    """

    sessions: Sessions
    table: IssueTable
    desk: TicketDesk | None
    messenger: Messenger | None
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    renew: Callable[[], None]
    say: Callable[[str], None]


class Job:
    """One run.

    Args:
        config: the configuration.
        tools: what it works with.
    """

    def __init__(self, config: Configuration, tools: Tools) -> None:
        self._config = config
        self._tools = tools
        self._section = config.secgrp_unrestricted_access
        self._remediation = announced(config)
        self._summary = Summary()

    def run(self, selection: Selection, *, dry_run: bool) -> Summary:
        """Tell what there is to tell.

        Args:
            selection: the issues to tell of.
            dry_run: show what would be told; tell and record nothing.

        Raises:
            LockedError: another run took over.
        """
        steps: list[Step] = []
        for account_id in self._config.scanned_accounts():
            issues = self._issues(account_id, selection)
            planned: list[Step] = []
            for findings, channels in ((False, self._channels()), (True, self._channels_of_findings())):
                wanted = [issue for issue in issues if issue.is_finding is findings]
                if channels:
                    planned += plan(wanted, channels, self._remediation, self._tools.now())
            self._summary.unchanged += len(issues) - len(planned)
            steps += planned
        usage = self._usage(steps)
        if dry_run:
            self._preview(steps, usage)
            return self._summary
        done = [told for step in steps if (told := self._tell_ticket(step, usage)) is not None]
        self._tell_slack(done, usage)
        return self._summary

    def _channels(self) -> Channels:
        return Channels(self._tools.desk is not None, self._tools.messenger is not None)

    def _channels_of_findings(self) -> Channels | None:
        """Where Inspector's findings are told; None: nowhere, because only a channel that is off is wanted."""
        wanted, every = self._config.inspector, self._channels()
        channels = Channels(every.jira and wanted.table, every.slack and wanted.slack)
        return None if channels.console and not every.console else channels

    def _issues(self, account_id: str, selection: Selection) -> list[Issue]:
        if selection.accounts and account_id not in selection.accounts:
            return []

        def unreadable(item: UnreadableIssueError) -> None:
            if selection.takes(account_id, item.region, item.issue_id):
                self._problem(str(item))

        try:
            return [
                issue
                for issue in self._tools.table.with_status(account_id, *_REPORTED, unreadable=unreadable)
                if selection.takes(account_id, issue.details.region, issue.issue_id)
            ]
        except AWS_ERRORS as error:
            self._problem(f"account {account_id}: its issues could not be read: {explain(error)}")
            return []

    def _usage(self, steps: Iterable[Step]) -> dict[str, Usage]:
        """What uses the groups of new issues, by issue: one sweep for each account and region."""
        wanted: dict[tuple[str, str], list[Issue]] = {}
        for step in steps:
            if not step.issue.is_finding and (step.ticket in _TOLD_ANEW or step.alert in _TOLD_ANEW):
                wanted.setdefault((step.issue.account_id, step.issue.details.region), []).append(step.issue)
        found: dict[str, Usage] = {}
        for (account_id, region), issues in wanted.items():
            self._tools.renew()
            try:
                client = self._tools.sessions.client("ec2", account_id, region)
                used = read_usage(client, [issue.issue_id for issue in issues])
            except AWS_ERRORS as error:
                reason = explain(error, self._tools.sessions.role_arn(account_id))
                self._problem(f"account {account_id}, {region}: what uses the groups could not be read: {reason}")
                used = {issue.issue_id: Usage(unknown=reason) for issue in issues}
            self._tools.sessions.forget(account_id, region)
            found |= {issue_key(issue): used[issue.issue_id] for issue in issues}
        return found

    def _tell_ticket(self, step: Step, usage: Mapping[str, Usage]) -> Step | None:
        """Tell the ticket, or the console, and record that.

        Returns:
            The step with the issue as it is recorded now; `report` and `close` only if nothing but Slack is left to do.
            None: nothing more can be done for it in this run.
        """
        issue, told = step.issue, {}
        self._tools.renew()
        try:
            if step.ticket and self._tools.desk:
                told = self._tickets().tell(step, self._filing(step, usage))
            elif step.attend:
                told = self._tickets().attend(issue)
            elif step.ticket:
                self._show(step, usage)
                told = {"ticket": None, **issue.jira_details, **remembered(issue, closed=step.ticket.ends)}
        except TicketError as error:
            self._problem(f"{_place(issue)}: {step.ticket}: {error}")
            # Slack hears of it all the same; only then it is neither reported nor closed.
            return replace(step, report=False, close=False)
        except (ConflictError, *AWS_ERRORS) as error:
            self._not_recorded(issue, error)
            return None
        if step.ticket:
            self._count(step.ticket)
        if told:
            issue = replace(issue, jira_details=told)
        waits = step.alert is not None
        if not self._record(step, issue, {"jira_details": told} if told else {}, last=not waits):
            return None
        return replace(step, issue=issue)

    def _tell_slack(self, steps: Sequence[Step], usage: Mapping[str, Usage]) -> None:
        wanted = [
            Wanted(step, self._destinations(step, usage))
            for step in steps
            if step.alert is not None or step.reminder is not None
        ]
        if self._tools.messenger is None or not wanted:
            return
        by_issue = {issue_key(want.step.issue): want.step for want in wanted}

        def heard(issue: Issue, details: dict[str, Any], *, all_of_them: bool) -> None:
            self._tools.renew()
            step = by_issue[issue_key(issue)]
            if all_of_them and not step.ticket:
                self._count(step.alert or "reminded")
            self._record(step, issue, {"slack_details": details}, last=all_of_them and step.alert is not None)

        sent = send_alerts(
            self._config,
            self._tools.messenger,
            self._tools.desk,
            wanted,
            lambda issue, details: heard(issue, details, all_of_them=True),
            lambda issue, details: heard(issue, details, all_of_them=False),
        )
        self._summary.notes += sent.notes
        for problem in sent.problems:
            self._problem(problem)

    def _record(self, step: Step, issue: Issue, sets: dict[str, Any], *, last: bool) -> bool:
        """Record what was told, and with the last channel's that it is reported or closed.

        Returns:
            Whether that could be done.
        """
        if last and step.report:
            sets = {**sets, "timestamps.reported": format_time(self._tools.now())}
        if not sets and not (last and step.close):
            return True
        try:
            if sets:
                self._tools.table.update(issue, sets)
            if last and step.close:
                self._tools.table.close(issue, self._tools.now())
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
                "ticket_news": step.ticket,
                "alert_news": step.alert,
                "recorded": sorted(sets),
            },
        )
        return True

    def _not_recorded(self, issue: Issue, error: Exception) -> None:
        if isinstance(error, ConflictError):
            # Nobody has to act: the next run tells of the issue as it is by then.
            self._summary.notes.append(f"{_place(issue)} changed meanwhile: the next run tells of it")
        else:
            self._problem(f"{_place(issue)} could not be recorded: {explain(error)}")

    def _show(self, step: Step, usage: Mapping[str, Usage]) -> None:
        """Show a ticket as it would be filed."""
        text = self._headline(step)
        if step.ticket and not step.ticket.ends:
            text += f"\n\n{plain_text(group_text.ticket(step.issue, self._filing(step, usage).facts))}"
        self._tools.say(text)

    def _preview(self, steps: Sequence[Step], usage: Mapping[str, Usage]) -> None:
        """Show what would be told to whom, and of the first tickets the whole text."""
        texts = 0
        for step in steps:
            shown = [f"would tell: {self._headline(step)}"]
            filing = self._filing(step, usage)
            if step.ticket and self._tools.desk:
                shown.append(f"    JIRA: {would_do(step, filing)}")
            if step.alert or step.reminder is not None:
                told = (printable(destination) for destination in self._destinations(step, usage))
                shown.append(f"    Slack: {', '.join(told)}")
            if step.ticket:
                texts += 1
                if texts <= _TEXTS_IN_A_PREVIEW:
                    shown += ["", indent(plain_text(would_say(step, filing)), "    ")]
            self._tools.say("\n".join(shown))
        if texts > _TEXTS_IN_A_PREVIEW:
            self._tools.say(f"the texts of {texts - _TEXTS_IN_A_PREVIEW} more are not shown: choose with --group\n")

    def _headline(self, step: Step) -> str:
        news = step.ticket or step.alert or ("reminder" if step.reminder is not None else "")
        what = news or (
            "watcher and link, which the last run could not set"
            if step.attend
            else "to be recorded as closed"
            if step.close
            else "to be recorded as reported"
        )
        return f"{what}: {group_text.summary(step.issue, self._place(step.issue), self._section.restricted_ports)}"

    def _tickets(self) -> Tickets:
        if self._tools.desk is None:
            raise ValueError("JIRA is off")
        return Tickets(
            self._tools.desk,
            self._tools.table,
            self._config.jira.text_field_character_limit,
            self._tools.now,
            self._tools.sleep,
            self._summary.notes,
            self._summary.problems,
        )

    def _filing(self, step: Step, usage: Mapping[str, Usage]) -> Filing:
        issue = step.issue
        found = self._discovered(issue, usage)
        return Filing(
            owners=self._config.ticket_owners.resolve(issue.account_id, found.bu, found.product),
            discovered=found.owner,
            facts=group_text.TicketFacts(
                place=self._place(issue),
                restricted=self._section.restricted_ports,
                usage=usage.get(issue_key(issue), Usage(unknown="it was not asked")),
                closes_at=step.closes_at,
                closes_by=self._remediation.strategy,
                scope=self._remediation.scope,
                retention_days=self._remediation.retention.days,
                procedure_url=self._config.whitelisting_procedure_url,
            ),
        )

    def _destinations(self, step: Step, usage: Mapping[str, Usage]) -> tuple[str, ...]:
        issue = step.issue
        if step.alert not in _TOLD_ANEW:
            return destinations_of(self._config, issue)
        found = self._discovered(issue, usage)
        owners = self._config.ticket_owners.resolve(issue.account_id, found.bu, found.product)
        slack = self._config.slack
        return destinations(
            owners.slack_owner, found.owner, slack.default_channel, tell_configured=slack.notify_default_owner
        )

    def _discovered(self, issue: Issue, usage: Mapping[str, Usage]) -> Discovered:
        keys = self._section.owner_tags
        users = usage.get(issue_key(issue), Usage()).tags
        return discover(issue.details.tags, users, keys.owner, keys.bu, keys.product)

    def _place(self, issue: Issue) -> group_text.Place:
        return group_text.Place(self._config.account_name(issue.account_id), issue.account_id, issue.details.region)

    def _count(self, news: str) -> None:
        self._summary.told[news] = self._summary.told.get(news, 0) + 1

    def _problem(self, text: str) -> None:
        if text not in self._summary.problems:
            self._summary.problems.append(text)
            _log.error("%s", text)


def announced(config: Configuration) -> Remediation:
    """What automatic remediation will do by this configuration."""
    section = config.secgrp_unrestricted_access
    return Remediation(
        accounts=frozenset(config.remediation_accounts() if section.remediation else ()),
        scope=frozenset(section.remediation_scope),
        retention=timedelta(days=section.remediation_retention_period),
        strategy=section.remediation_strategy,
        reminder_days=tuple(sorted(config.slack.reminder_days, reverse=True)),
    )


def _place(issue: Issue) -> str:
    return f"{issue.issue_id} in {issue.account_id}, {issue.details.region}"


def _now() -> datetime:
    return datetime.now(UTC)


def command(
    config: ConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Report issues: tickets and alerts for what is new, changed or gone."""
    configuration = read_configuration(config)
    section, aws = configuration.secgrp_unrestricted_access, configuration.aws
    if not section.reporting:
        typer.echo("reporting is off (secgrp_unrestricted_access.reporting): nothing to do")
        return
    # The role is remediation's, too: reporting leaves behind what it does not need of it.
    sessions = Sessions(aws.main_account_id, aws.region, aws.role_name_reporting, aws.external_id, read_only=True)
    configuration = with_organization(configuration, sessions)
    refuse_unknown_accounts(account, configuration.scanned_accounts())
    dynamodb = sessions.client("dynamodb")
    secrets = SecretReader(lambda: sessions.client("secretsmanager"), os.environ)
    lock = Lock(dynamodb, section.table_name, aws.main_account_id, this_process(), _now, REPORTING_LOCK_ID)
    tools = Tools(
        sessions=sessions,
        table=IssueTable(dynamodb, section.table_name),
        desk=desk_of(configuration, secrets, time.sleep),
        messenger=messenger_of(configuration, secrets, time.sleep),
        now=_now,
        sleep=time.sleep,
        renew=(lambda: None) if dry_run else _renewal(lock),
        say=typer.echo,
    )
    job = Job(configuration, tools)
    selection = Selection.of(account, region, group)
    if dry_run:
        _end(job.run(selection, dry_run=True), "dry run, nothing was told: ")
        return
    try:
        with host_logging(STREAM, lambda: logs_client(aws.region)):
            lock.acquire()
            try:
                summary = job.run(selection, dry_run=False)
            finally:
                lock.release()
    except LockedError as error:
        typer.echo(f"hammer: {error}", err=True)
        raise typer.Exit(Exit.INCOMPLETE) from error
    _end(summary)


def _renewal(lock: Lock) -> Callable[[], None]:
    """Renews a lock, but not more often than its lease needs."""
    due = _now() + LEASE / 5

    def renew() -> None:
        nonlocal due
        if _now() >= due:
            lock.renew()
            due = _now() + LEASE / 5

    return renew


def _end(summary: Summary, prefix: str = "") -> None:
    told = ", ".join(f"{count} {news}" for news, count in summary.told.items()) or "nothing new"
    typer.echo(f"{prefix}{told}; {summary.unchanged} unchanged")
    for note in summary.notes:
        typer.echo(printable(note))
    for problem in summary.problems:
        typer.echo(f"hammer: {printable(problem)}", err=True)
    if summary.problems:
        raise typer.Exit(Exit.INCOMPLETE)


app = application(command)


def main() -> None:
    """Run the job."""
    run(app)


if __name__ == "__main__":
    main()
