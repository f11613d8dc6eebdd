"""The reporting job: tickets and messages for what is new, changed or gone.

Run it as `python -m reporting.create_security_groups_tickets` or `hammer report`. This module has the options and puts
the job together; `reporting.reporter` does it. With JIRA and Slack both off, the console shows each ticket as it would
be filed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

import typer

from library.aws.issue_table import IssueTable
from library.aws.lock import LEASE, REPORTING_LOCK_ID, Lock, LockedError, this_process
from library.aws.secrets import SecretReader
from library.aws.session import Sessions
from library.config.organization import with_organization
from library.documents.text import printable
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
from library.jobs.selection import refuse_unknown_groups, refuse_unknown_regions
from library.notifications.clients import open_jira, open_slack
from reporting.reporter import Reporter, Services
from reporting.summary import ReportSummary

STREAM = "reporting.create_security_groups_tickets"


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
    refuse_unknown_regions(region, aws.regions)
    dynamodb = sessions.client("dynamodb")
    refuse_unknown_groups(group, account or configuration.scanned_accounts(), IssueTable(dynamodb, section.table_name))
    secrets = SecretReader(lambda: sessions.client("secretsmanager"), os.environ)
    lock = Lock(dynamodb, section.table_name, aws.main_account_id, this_process(), _now, REPORTING_LOCK_ID)
    services = Services(
        sessions=sessions,
        table=IssueTable(dynamodb, section.table_name),
        jira=open_jira(configuration, secrets, time.sleep),
        slack=open_slack(configuration, secrets, time.sleep),
        now=_now,
        sleep=time.sleep,
        renew=(lambda: None) if dry_run else _renewal(lock),
        say=typer.echo,
    )
    reporter = Reporter(configuration, services)
    selection = Selection.of(account, region, group)
    if dry_run:
        _end(reporter.run(selection, dry_run=True), "dry run, nothing was told: ")
        return
    try:
        with host_logging(STREAM, lambda: logs_client(aws.region)):
            lock.acquire()
            try:
                summary = reporter.run(selection, dry_run=False)
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


def _end(summary: ReportSummary, prefix: str = "") -> None:
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
