"""The restore job: brings one group's ingress rules back to a backup; automatic remediation then leaves it alone.

`python -m remediation.restore_security_groups`, or `hammer restore`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from library.aws.failures import explain
from library.aws.issue_table import UnreadableIssueError
from library.aws.job_records import JobRecords
from library.jobs.command_line import (
    AccountOption,
    BatchOption,
    ConfigOption,
    DryRunOption,
    GroupOption,
    NotThereError,
    RegionOption,
    WrongUsageError,
    accounts_named,
    application,
    place_of_group,
    read_configuration,
    refuse_unknown_regions,
    run,
)
from library.jobs.run import end, hold_lock
from remediation.change import COULD_NOT
from remediation.context import RemediationContext, Screen, build_context, has_terminal
from remediation.group_state import describe_live
from remediation.restore import RestoreJob
from remediation.restore_source import CannotRestoreError, RestoreTarget

LOG_STREAM = "remediation.restore_security_groups"


def command(
    config: ConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
    backup: Annotated[
        str, typer.Option("--backup", metavar="KEY", help="Go back to this one. Else to the newest from a remediation.")
    ] = "",
    exact: Annotated[bool, typer.Option("--exact", help="Revoke also the rules that others made since.")] = False,
    release_: Annotated[
        bool, typer.Option("--release", help="Change no rule: let a restored group be remediated automatically again.")
    ] = False,
    batch: BatchOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Restore one group's ingress rules from a backup. Asks first, unless --batch."""
    if len(group or ()) != 1 or len(account or ()) > 1 or len(region or ()) > 1:
        raise WrongUsageError(
            "name exactly one group: --group; --account and --region where the table has no issue of it"
        )
    if not (batch or dry_run or release_ or has_terminal()):
        raise WrongUsageError("there is no terminal to ask at: --batch asks nothing, --dry-run changes nothing")
    configuration = read_configuration(config)
    aws = configuration.aws
    known: Mapping[str, str] = {}
    if not isinstance(aws.accounts, str):  # the organization's are not asked for: an account may have left it
        known = {aws.main_account_id: configuration.account_name(aws.main_account_id), **aws.accounts}
        account = accounts_named(account, known)
    refuse_unknown_regions(region, None)
    context, screen = build_context(configuration), Screen()
    group_id = (group or [""])[0]
    target = RestoreTarget(*place_of_group(group_id, account or (), region or (), known, context.table), group_id)
    job = RestoreJob(context, configuration, target, screen, exact=exact)
    problems: list[str] = []
    try:
        _refuse_unknown_group(context, target)
        if dry_run:
            job.show(backup)
            screen.say("dry run: nothing changed")
        else:
            records = JobRecords(context.table.items, aws.main_account_id)
            with (
                hold_lock(context.lock, LOG_STREAM, aws.region),
                records.recorded("restore", context.who, context.now) as recorded,
            ):
                try:
                    problems += job.release() if release_ else job.restore(backup, batch=batch)
                finally:
                    problems += context.notifier.send()
                    recorded += problems
    except (CannotRestoreError, *COULD_NOT) as error:
        reason = explain(error, context.sessions.role_arn(target.account_id))
        problems.append(f"{target.group_id} in {target.account_id}, {target.region}: {reason}")
    end(problems)


def _refuse_unknown_group(context: RemediationContext, target: RestoreTarget) -> None:
    """Raise NotThereError if a group has no backup, no issue, and is not in EC2 either: its name is a typing error.

    Raises:
        one of COULD_NOT: it could not be told.
    """
    if context.backups.list(*target):
        return
    try:
        if context.table.get(target.account_id, target.group_id):
            return
    except UnreadableIssueError:
        return
    if describe_live(context.sessions.client("ec2", target.account_id, target.region), target.group_id) is None:
        raise NotThereError(f"no group {target.group_id} in {target.account_id}, {target.region}, and no backup of one")


app = application(command)


def main() -> None:
    """Run the job."""
    run(app)


if __name__ == "__main__":
    main()
