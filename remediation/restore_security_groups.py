"""The command `hammer restore`: brings one group's ingress rules back to a backup.

Automatic remediation then leaves the group alone. The restore job, also `python -m
remediation.restore_security_groups`: the module's path is contractual.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from botocore.exceptions import ClientError

from library.aws.decision_store import Decisions
from library.aws.failures import error_code, explain
from library.aws.records import JobRecords
from library.config import Configuration
from library.config.loader import with_organization
from library.config.types import ACCOUNT_ID
from library.issues.decision_rules import change_id
from library.issues.times import format_time
from library.jobs.command_line import (
    BatchOption,
    ConfigOption,
    DryRunOption,
    NotThereError,
    OneGroupOption,
    WrongUsageError,
    account_ids,
    accounts_named,
    application,
    end,
    groups_without_issue,
    is_scanned,
    location_of_group,
    read_configuration,
    refuse_unknown_regions,
    run,
)
from library.jobs.run import hold_lock
from remediation.change import GROUP_ERRORS
from remediation.context import Prompt, RemediationContext, UnattendedPrompt, build_context, has_terminal
from remediation.group_state import describe_live
from remediation.journal import RemediationDetails, is_unfinished
from remediation.restore import RestoreJob
from remediation.restore_plan import CannotRestoreError, RestoreTarget

LOG_STREAM = "remediation.restore_security_groups"


# Lists, so that one that is given twice is refused and not forgotten.
AccountOption = Annotated[
    list[str] | None,
    typer.Option("--account", metavar="ID", help="The group's account, by id or name. Else as the table tells."),
]
RegionOption = Annotated[
    list[str] | None, typer.Option("--region", metavar="REGION", help="The group's region. Else as the table tells.")
]
BackupOption = Annotated[
    str | None,
    typer.Option(
        "--backup", metavar="KEY", help="Go back to this one. Else to that from before the newest remediation."
    ),
]


def command(
    config: ConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: OneGroupOption = None,
    backup: BackupOption = None,
    exact: Annotated[bool, typer.Option("--exact", help="Revoke also the rules that others made since.")] = False,
    release_: Annotated[
        bool, typer.Option("--release", help="Change no rule: let a restored group be remediated automatically again.")
    ] = False,
    give_up: Annotated[
        bool,
        typer.Option("--give-up", help="Change no rule: end an unfinished change where nothing is watched any more."),
    ] = False,
    batch: BatchOption = False,
    dry_run: DryRunOption = False,
    decided: Annotated[
        bool,
        typer.Option("--decided", help="Carry out the restore that somebody decided. Needs --account and --region."),
    ] = False,
) -> None:
    """Restore one group's ingress rules from a backup. Asks first, unless --batch."""
    _refuse_several(account or (), region or (), group or ())
    _refuse_changes({"--release": release_, "--give-up": give_up, "--decided": decided} if dry_run else {})
    if decided:
        if not account or not region:
            raise WrongUsageError("--decided needs --account, --region and --group, once each")
        end(carry_out_decided(config, account[0], region[0], (group or [""])[0]))
        return
    is_asking = not (batch or dry_run or release_ or give_up)
    _refuse_to_ask_nobody(is_asking=is_asking)
    configuration = read_configuration(config)
    context, prompt = build_context(configuration), Prompt() if is_asking or dry_run else UnattendedPrompt()
    _refuse_unknown_region(configuration, context, account or (), region or ())
    if give_up:
        end(give_up_change(configuration, context, prompt, account or (), region or (), (group or [""])[0]))
        return
    target = _target(configuration, context, account or (), region or (), (group or [""])[0])
    key = read_backup(backup, context.backups.bucket)
    job = RestoreJob(context, configuration, target, prompt, exact=exact)
    problems: list[str] = []
    try:
        _refuse_unknown_group(context, target)
        if dry_run:
            job.show(key)
            prompt.show("dry run: nothing changed")
        else:
            with _recorded(context, configuration, problems):
                problems += job.release() if release_ else job.restore(key, batch=batch)
    except (CannotRestoreError, *GROUP_ERRORS) as error:
        reason = explain(error, context.sessions.role_arn(target.account_id))
        problems.append(f"{target.group_id} in {target.account_id}, {target.region}: {reason}")
    end(problems)


@contextmanager
def _recorded(context: RemediationContext, config: Configuration, problems: list[str]) -> Iterator[None]:
    """Hold the lock, and record the run with its problems. Whatever ends it, what is waiting is sent."""
    records = JobRecords(context.table.items, config.aws.main_account_id)
    with (
        hold_lock(context.lock, LOG_STREAM, config.aws.region),
        records.recorded("restore", context.who, context.now) as recorded,
    ):
        try:
            yield
        finally:
            problems += context.notifier.send()
            recorded += problems


def _target(
    configuration: Configuration,
    context: RemediationContext,
    accounts: Sequence[str],
    regions: Sequence[str],
    group_id: str,
) -> RestoreTarget:
    """The group that the options name. The table tells the account and region where they do not."""
    known = _known(configuration, context, accounts)
    if known:
        accounts = accounts_named(accounts, known)
    return RestoreTarget(*location_of_group(group_id, accounts, regions, known, context.table), group_id)


def _known(configuration: Configuration, context: RemediationContext, asked_for: Sequence[str]) -> Mapping[str, str]:
    """The configuration's accounts, ids to names; empty: the organization's, which are not needed.

    The organization is asked only where no id is given: an account may have left it.
    """
    if configuration.needs_organization:
        if asked_for and all(map(ACCOUNT_ID.fullmatch, asked_for)):
            return {}
        configuration = with_organization(configuration, context.sessions)
    aws = configuration.aws
    return {aws.main_account_id: configuration.account_name(aws.main_account_id), **aws.named}


def _refuse_unknown_region(
    configuration: Configuration, context: RemediationContext, accounts: Sequence[str], regions: Sequence[str]
) -> None:
    """Raise NotThereError if `--region` names no region. One that left the configuration is one."""

    def is_there(region: str) -> bool:
        if region in (configuration.aws.regions or ()):
            return True
        known = _known(configuration, context, accounts)
        return is_scanned(context.table, account_ids(accounts, known) or known, region)

    refuse_unknown_regions(regions, None, is_there)


def _account_with_issues(configuration: Configuration, context: RemediationContext, asked_for: str) -> str:
    """The id of the account that `--account` names: a configured one, or one that left and has issues still.

    Raises:
        NotThereError: there is none, or several have that name.
    """
    known = _known(configuration, context, [asked_for])
    (account_id,) = account_ids([asked_for], known)
    if account_id not in known and not context.table.has_issues(account_id):
        raise NotThereError(
            f"not among the accounts of the configuration, and the issue table has no issue of it: {account_id}"
        )
    return account_id


def read_backup(option: str | None, bucket: str) -> str:
    """The key that `--backup` names, by itself or in an `s3://` address; empty: the option was not given.

    Raises:
        WrongUsageError: it names none: nobody who names a backup means the usual one.
    """
    key = (option or "").removeprefix(f"s3://{bucket}/")
    if option is not None and not key:
        raise WrongUsageError("--backup names no backup")
    return key


def _refuse_changes(options: Mapping[str, bool]) -> None:
    """Raise WrongUsageError if an option is given, beside `--dry-run`, that changes something by itself."""
    for option, is_given in options.items():
        if is_given:
            raise WrongUsageError(f"--dry-run is not for {option}: it shows what a restore would change")


def _refuse_to_ask_nobody(*, is_asking: bool) -> None:
    """Raise WrongUsageError if somebody is to be asked and nobody is there."""
    if is_asking and not has_terminal():
        raise WrongUsageError("there is no terminal to ask at: --batch asks nothing, --dry-run changes nothing")


def _refuse_several(accounts: Sequence[str], regions: Sequence[str], groups: Sequence[str]) -> None:
    """Raise WrongUsageError unless the options can name one group."""
    if len(groups) != 1 or len(accounts) > 1 or len(regions) > 1:
        raise WrongUsageError(
            "name exactly one group: --group; --account and --region where the table has no issue of it"
        )


def give_up_change(
    config: Configuration,
    context: RemediationContext,
    prompt: Prompt,
    accounts: Sequence[str],
    regions: Sequence[str],
    group_id: str,
) -> list[str]:
    """End an unfinished change at a place that left the configuration. Asks EC2 nothing: there may be no role any more.

    Returns:
        What could not be done, one line each.
    """
    if accounts and regions:  # the account need not be configured any more
        target = RestoreTarget(_account_with_issues(config, context, accounts[0]), regions[0], group_id)
    else:
        target = _target(config, context, accounts, regions, group_id)
    config = with_organization(config, context.sessions)
    problems: list[str] = []
    with _recorded(context, config, problems):
        try:
            problems += RestoreJob(context, config, target, prompt).give_up()
        except GROUP_ERRORS as error:
            problems.append(f"{target.group_id} in {target.account_id}, {target.region}: {explain(error)}")
    return problems


def carry_out_decided(config: str | None, account: str, region: str, group_id: str) -> list[str]:
    """Carry out the restore that somebody decided about one issue, with all its checks, and record how it ended.

    What was decided is taken back if the group was changed since. If another run holds the lock, the decision waits.

    Returns:
        What could not be done, one line each.
    """
    configuration = read_configuration(config)
    context, prompt = build_context(configuration), UnattendedPrompt()
    _refuse_unknown_region(configuration, context, [account], [region])
    target = RestoreTarget(_account_with_issues(configuration, context, account), region, group_id)
    problems: list[str] = []
    with _recorded(context, configuration, problems):
        problems += restore_decided(context, configuration, target, prompt)
    return problems


def restore_decided(
    context: RemediationContext, config: Configuration, target: RestoreTarget, prompt: Prompt
) -> list[str]:
    """The same with the lock held. Returns what could not be done, one line each."""
    decisions = Decisions(context.table, context.now)
    issue = context.table.get(target.account_id, target.group_id)
    issue = decisions.begin_restore(issue) if issue else None
    request = issue.decided.restore if issue else None
    if issue is None or request is None:
        return []
    by = request.decision.by
    flag = RemediationDetails.of(issue.remediation_details).restored
    if flag and flag.get("by") == by and str(flag.get("at")) >= (format_time(request.decision.at) or ""):
        # The process that carried it out ended before it could record that; what is incomplete is begun anew.
        if not is_unfinished(issue):
            decisions.finish_restore(issue, "")
            return []
    elif change_id(issue) != request.change:
        decisions.finish_restore(issue, "Hammer has changed the group again, or it was restored, since")
        return []
    context.who = by
    try:
        problems = RestoreJob(context, config, target, prompt).restore("", batch=True)
    except (CannotRestoreError, *GROUP_ERRORS) as error:
        problems = [explain(error, context.sessions.role_arn(target.account_id))]
    fresh = context.table.get(target.account_id, target.group_id) or issue
    flag = RemediationDetails.of(fresh.remediation_details).restored
    # What could not be told, or is not shown by EC2 yet, does not make it a restore that was not done.
    is_restored = flag is not None and flag.get("by") == by
    decisions.finish_restore(issue, "" if is_restored else "; ".join(problems) or "nothing was changed")
    return problems


def _refuse_unknown_group(context: RemediationContext, target: RestoreTarget) -> None:
    """Raise NotThereError if a group has no backup, no issue, and is not in EC2 either: its name is a typing error.

    Raises:
        one of GROUP_ERRORS: it could not be told.
    """
    if context.backups.list(*target):
        return
    if not groups_without_issue([target.group_id], [target.account_id], context.table, [target.region]):
        return
    try:
        live = describe_live(context.sessions.client("ec2", target.account_id, target.region), target.group_id)
    except ClientError as error:
        if error_code(error) != "InvalidGroupId.Malformed":
            raise
        live = None
    if live is None:
        raise NotThereError(f"no group {target.group_id} in {target.account_id}, {target.region}, and no backup of one")


app = application(command)


def main() -> None:
    """Run the job."""
    run(app)


if __name__ == "__main__":
    main()
