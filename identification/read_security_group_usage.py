"""The command `hammer usage`: reads VPC flow logs for the open issues and stores who uses their rules.

The usage job, also `python -m identification.read_security_group_usage`, once an hour: the module's path is
contractual. This module has the options and puts the job together; `identification.flow_logs.run` does it. It changes
nothing but the issue table.
"""

from __future__ import annotations

import typer

from identification.flow_logs.flow_log import command_for
from identification.flow_logs.run import UsageRun
from library.aws.lock import USAGE_LOCK_ID, Lock, this_process
from library.aws.records import JobRecords
from library.config.decided_exemptions import with_decided_exemptions
from library.documents.text import counted, printable
from library.issues.use import use_summary
from library.jobs.command_line import (
    AccountOption,
    ConfigOption,
    Exit,
    GroupOption,
    RegionOption,
    Selection,
    accounts_named,
    application,
    is_scanned,
    name_problems,
    open_table,
    read_configuration,
    refuse_unknown_groups,
    refuse_unknown_regions,
    run,
    utc_now,
)
from library.jobs.run import Lease, hold_lock
from library.jobs.standard_streams import output_errors_noted

STREAM = "identification.read_security_group_usage"


def command(
    config: ConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
) -> None:
    """Read VPC flow logs for the open issues: who works through the rules that expose a group.

    Exits with 1 when a bucket or log group refused, or something else could not be read or stored.
    """
    configuration = read_configuration(config)
    section, aws = configuration.secgrp_unrestricted_access, configuration.aws
    if not configuration.usage.enabled:
        typer.echo("usage is off (usage.enabled): nothing to do")
        return
    access = open_table(configuration, aws.role_name_reporting)
    configuration, sessions, table = access.config, access.sessions, access.table
    account = accounts_named(account, configuration.scanned_accounts())
    accounts = [each for each in configuration.scanned_accounts() if not account or each in account]
    refuse_unknown_regions(region, aws.regions, lambda each: is_scanned(table, accounts, each))
    dynamodb = sessions.client("dynamodb")
    refuse_unknown_groups(group, accounts, table, region)
    configuration = with_decided_exemptions(configuration, table, accounts)
    selection = Selection.of(account, region, group)
    lock = Lock(dynamodb, section.table_name, aws.main_account_id, this_process(), utc_now, USAGE_LOCK_ID)
    records = JobRecords(table.items, aws.main_account_id)
    with hold_lock(lock, STREAM, aws.region), records.recorded("usage", this_process(), utc_now) as problems:
        usage = UsageRun(sessions, table, configuration, utc_now(), Lease(lock, utc_now).renew)
        try:
            usage.run(accounts, lambda issue: selection.takes(issue.account_id, issue.details.region, issue.issue_id))
        finally:
            problems += usage.problems
            with output_errors_noted(problems):
                _show(usage)
    if usage.problems:
        raise typer.Exit(Exit.INCOMPLETE)


def _show(usage: UsageRun) -> None:
    for issue, use in usage.written:
        typer.echo(printable(f"{issue.location}: {use_summary(use, usage.now)}"))
    typer.echo(f"use of {counted(len(usage.written), 'issue')} read")
    for gap in usage.gaps:
        typer.echo(printable(gap))
    for region, interface_ids in sorted(usage.without_flow_log.items()):
        typer.echo(f"to switch flow logs on for these interfaces: {command_for(region, interface_ids)}")
    name_problems(usage.problems)


app = application(command)


def main() -> None:
    """Run the job."""
    run(app)


if __name__ == "__main__":
    main()
