"""The reporting job: tickets and alerts for what is new, changed or gone.

`python -m reporting.create_security_groups_tickets`, or `hammer report`. Reads the table's open, exempt and resolved
issues once, plans, carries the plan out, and records in each issue what was told. With neither JIRA nor Slack enabled
the console shows each ticket as it would be filed.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

import typer

from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import IssueTable, LostRaceError
from library.aws.session import Sessions
from library.command_line import (
    AccountOption,
    ConfigOption,
    DryRunOption,
    Exit,
    GroupOption,
    RegionOption,
    Selection,
    application,
    read_configuration,
    run,
)
from library.config import Configuration
from library.issue import Status, format_time
from library.plain_text import plain_text
from library.usage import Usage
from reporting import ticket_text
from reporting.ticket_plan import Channels, News, Remediation, Step, plan, remembered

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Report:
    """What a run came to.

    Attributes:
        told: how many issues each kind of news was told of.
        unchanged: issues of which nothing was to be told.
        problems: what could not be done, one line each.
    """

    told: dict[News, int] = field(default_factory=dict)
    unchanged: int = 0
    problems: list[str] = field(default_factory=list)


def report(
    config: Configuration,
    table: IssueTable,
    selection: Selection,
    now: Callable[[], datetime],
    out: TextIO,
    *,
    dry_run: bool,
) -> Report:
    """Tell what there is to tell.

    Args:
        config: the configuration.
        table: the issues.
        selection: the issues to tell of.
        now: the clock, in UTC.
        out: where a person reads along.
        dry_run: show what would be told, tell nothing and record nothing.
    """
    result = Report()
    channels = Channels(config.jira.enabled, config.slack.enabled)
    remediation = announced(config)
    for account_id in config.scanned_accounts():
        if selection.accounts and account_id not in selection.accounts:
            continue
        try:
            issues = [
                issue
                for issue in table.with_status(account_id, Status.OPEN, Status.WHITELISTED, Status.RESOLVED)
                if selection.takes(account_id, issue.details.region, issue.issue_id)
            ]
        except AWS_ERRORS as error:
            result.problems.append(f"account {account_id}: its issues could not be read: {explain(error)}")
            continue
        steps = plan(issues, channels, remediation, now())
        result.unchanged += len(issues) - len(steps)
        for step in steps:
            _show(step, config, out, remediation, now())
            if step.ticket:
                result.told[step.ticket] = result.told.get(step.ticket, 0) + 1
            if not dry_run:
                _record(step, table, now(), result)
    return result


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


def _show(step: Step, config: Configuration, out: TextIO, remediation: Remediation, now: datetime) -> None:
    issue = step.issue
    section = config.secgrp_unrestricted_access
    place = ticket_text.Place(config.account_name(issue.account_id), issue.account_id, issue.details.region)
    title = ticket_text.summary(issue, place, section.restricted_ports)
    if step.ticket in (News.NEW, News.FOUND_AGAIN, News.CHANGED):
        facts = ticket_text.TicketFacts(
            place=place,
            restricted=section.restricted_ports,
            usage=Usage(),
            closes_at=step.closes_at,
            closes_by=remediation.strategy,
            procedure_url=config.whitelisting_procedure_url,
        )
        print(f"{step.ticket}: {title}\n\n{plain_text(ticket_text.ticket(issue, facts))}", file=out)
    elif step.ticket:
        print(f"{step.ticket}: {title}", file=out)


def _record(step: Step, table: IssueTable, now: datetime, result: Report) -> None:
    issue = step.issue
    sets: dict[str, Any] = {}
    if step.ticket:
        sets["jira_details"] = {"ticket": None, **issue.jira_details, **remembered(issue, closed=step.ticket.ends)}
    if step.report:
        sets["timestamps.reported"] = format_time(now)
    try:
        if sets:
            table.update(issue, sets)
        if step.close:
            table.close(issue, now)
    except LostRaceError:
        _log.info("changed meanwhile: the next run tells of it", extra={"group_id": issue.issue_id})
    except AWS_ERRORS as error:
        result.problems.append(f"{issue.issue_id} in {issue.account_id} could not be recorded: {explain(error)}")


def command(
    config: ConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Report issues: tickets and alerts for what is new, changed or gone."""
    configuration = read_configuration(config)
    section = configuration.secgrp_unrestricted_access
    if not section.reporting:
        typer.echo("reporting is off (secgrp_unrestricted_access.reporting): nothing to do")
        return
    aws = configuration.aws
    sessions = Sessions(aws.main_account_id, aws.region, aws.role_name_reporting, aws.external_id)
    table = IssueTable(sessions.client("dynamodb"), section.table_name)
    result = report(
        configuration,
        table,
        Selection.of(account, region, group),
        lambda: datetime.now(UTC),
        sys.stdout,
        dry_run=dry_run,
    )
    told = ", ".join(f"{count} {news}" for news, count in result.told.items()) or "nothing new"
    typer.echo(f"{told}; {result.unchanged} unchanged")
    for problem in result.problems:
        typer.echo(f"hammer: {problem}", err=True)
    if result.problems:
        raise typer.Exit(Exit.INCOMPLETE)


app = application(command)


def main() -> None:
    """Run the job."""
    run(app)


if __name__ == "__main__":
    main()
