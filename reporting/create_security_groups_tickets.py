"""The command `hammer report`: tickets and messages for what is new, changed or gone.

The reporting job, also `python -m reporting.create_security_groups_tickets`: the module's path is contractual. This
module has the options and puts the job together; `reporting.run` does it. With JIRA and Slack both off, the console
shows each ticket as it would be filed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from library.aws.issue_table import IssueTable
from library.aws.lock import REPORTING_LOCK_ID, Lock, this_process
from library.aws.records import JobRecords
from library.aws.secrets import SecretReader
from library.aws.session import Sessions
from library.documents.text import printable
from library.jobs.command_line import (
    AccountOption,
    ConfigOption,
    DryRunOption,
    Exit,
    GroupOption,
    RegionOption,
    application,
    name_problems,
    open_table,
    read_configuration,
    run,
    select,
    utc_now,
)
from library.jobs.process import expect_many_objects, take_long_turns
from library.jobs.run import Lease, hold_lock, renewing_sleep
from library.jobs.standard_streams import output_errors_noted
from library.notifications.clients import open_channels
from reporting.read import ReportSummary
from reporting.run import Reporter, Services

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from library.config import Configuration

STREAM = "reporting.create_security_groups_tickets"


def command(
    config: ConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Report issues: tickets and alerts for what is new, changed or gone."""
    expect_many_objects()
    take_long_turns()
    configuration = read_configuration(config)
    section, aws = configuration.secgrp_unrestricted_access, configuration.aws
    if not section.reporting:
        typer.echo("reporting is off (secgrp_unrestricted_access.reporting): nothing to do")
        return
    # The role is remediation's, too: reporting leaves behind what it does not need of it.
    access = open_table(configuration, aws.role_name_reporting, read_only=True)
    selection = select(access, account, region, group)
    configuration, sessions, table = access.config, access.sessions, access.table
    dynamodb = sessions.client("dynamodb")
    lock = Lock(dynamodb, section.table_name, aws.main_account_id, this_process(), utc_now, REPORTING_LOCK_ID)
    records = JobRecords(table.items, aws.main_account_id)
    departed = sorted(records.watched_accounts() - configuration.scanned_accounts().keys())
    if dry_run:
        reporter = Reporter(configuration, _services(configuration, sessions, dynamodb, None, departed))
        reporter.run(selection, dry_run=True)
        would = "would tell: " if reporter.summary.notified else ""
        _show(reporter.summary, f"dry run, nothing was told: {would}")
    else:
        with hold_lock(lock, STREAM, aws.region), records.recorded("report", this_process(), utc_now) as problems:
            records.watch_accounts(configuration.scanned_accounts())
            reporter = Reporter(
                configuration, _services(configuration, sessions, dynamodb, Lease(lock, utc_now), departed)
            )
            try:
                reporter.run(selection, dry_run=False)
            finally:
                problems += reporter.summary.problems
                with output_errors_noted(problems):
                    _show(reporter.summary)
    if reporter.summary.problems:
        raise typer.Exit(Exit.INCOMPLETE)


def _services(
    configuration: Configuration,
    sessions: Sessions,
    dynamodb: DynamoDBClient,
    lease: Lease | None,
    left_accounts: Sequence[str],
) -> Services:
    """What a run works with. `lease`: None for a dry run, which holds no lock and writes nothing."""
    secrets = SecretReader(lambda: sessions.client("secretsmanager"), os.environ)
    before_write = lease.renew_now if lease else _nothing
    sleep = renewing_sleep(time.sleep, before_write)
    channels = open_channels(configuration, secrets, sleep, before_write, utc_now)
    return Services(
        sessions=sessions,
        table=IssueTable(dynamodb, configuration.secgrp_unrestricted_access.table_name),
        jira=channels.jira,
        slack=channels.slack,
        webhook=channels.webhook,
        now=utc_now,
        sleep=sleep,
        renew=lease.renew if lease else _nothing,
        show_text=_show_text,
        left_accounts=left_accounts,
        reads_sources=True,
    )


def _nothing() -> None:
    pass


def _show_text(text: str) -> None:
    with output_errors_noted([]):  # what ends the run shows its summary, and finds the same
        typer.echo(text)


def _show(summary: ReportSummary, prefix: str = "") -> None:
    typer.echo(f"{prefix}{summary.text}")
    for note in summary.notes:
        typer.echo(printable(note))
    name_problems(summary.problems)


app = application(command)


def main() -> None:
    """Run the job."""
    run(app)


if __name__ == "__main__":
    main()
