"""The usage job: reads VPC flow logs for the open issues and stores who uses their rules.

Run it as `python -m identification.read_security_group_usage` or `hammer usage`, once an hour. This module has the
options and puts the job together; `identification.flow_logs.run` does it. It changes nothing but the issue table.
"""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from identification.flow_logs.flow_log import command_for
from identification.flow_logs.run import UsageRun, UsageSettings
from library.aws.job_records import JobRecords
from library.aws.lock import USAGE_LOCK_ID, Lock, this_process
from library.config import Configuration
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
    name_problems,
    open_table,
    read_configuration,
    refuse_unknown_groups,
    refuse_unknown_regions,
    run,
)
from library.jobs.run import Lease, hold_lock

STREAM = "identification.read_security_group_usage"


def _now() -> datetime:
    return datetime.now(UTC)


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
    refuse_unknown_regions(region, aws.regions)
    dynamodb = sessions.client("dynamodb")
    accounts = [each for each in configuration.scanned_accounts() if not account or each in account]
    refuse_unknown_groups(group, accounts, table)
    configuration = with_decided_exemptions(configuration, table, accounts)
    selection = Selection.of(account, region, group)
    lock = Lock(dynamodb, section.table_name, aws.main_account_id, this_process(), _now, USAGE_LOCK_ID)
    records = JobRecords(table.items, aws.main_account_id)
    with hold_lock(lock, STREAM, aws.region), records.recorded("usage", this_process(), _now) as problems:
        usage = UsageRun(
            sessions, table, settings_of(configuration), configuration.exemptions, _now(), Lease(lock, _now).renew
        )
        try:
            usage.run(accounts, lambda issue: selection.takes(issue.account_id, issue.details.region, issue.issue_id))
        finally:
            problems += usage.problems
            _show(usage)
    if usage.problems:
        raise typer.Exit(Exit.INCOMPLETE)


def settings_of(configuration: Configuration) -> UsageSettings:
    """What a configuration says about use."""
    section, usage = configuration.secgrp_unrestricted_access, configuration.usage
    return UsageSettings(
        days=usage.days,
        limit_mb=usage.limit_mb,
        after_care_days=usage.after_care_days,
        retention_days=usage.retention_days,
        reader_roles=usage.reader_roles,
        external_id=configuration.aws.external_id,
        restricted=section.restricted_ports,
        trusted=section.trusted_cidrs,
        scope=frozenset(section.remediation_scope),
        replacements=section.remediation_sources,
        quota=section.rules_per_security_group_quota,
    )


def _show(usage: UsageRun) -> None:
    for issue, use in usage.written:
        typer.echo(printable(f"{issue.location}: {use_summary(use, usage.now)}"))
    typer.echo(f"use of {counted(len(usage.written), 'issue')} read")
    for region, interface_ids in sorted(usage.without_flow_log.items()):
        typer.echo(f"to switch flow logs on for these interfaces: {command_for(region, interface_ids)}")
    name_problems(usage.problems)


app = application(command)


def main() -> None:
    """Run the job."""
    run(app)


if __name__ == "__main__":
    main()
