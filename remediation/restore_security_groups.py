"""The restore job: brings one group's ingress rules back to a backup; automatic remediation then leaves it alone.

`python -m remediation.restore_security_groups`, or `hammer restore`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from library.aws.failures import explain
from library.issues.details import IssueDetails
from library.issues.issue import Issue, Status, Timestamps
from library.issues.reconcile import Change, Event
from library.issues.times import format_time
from library.jobs.command_line import (
    AccountOption,
    BatchOption,
    ConfigOption,
    DryRunOption,
    GroupOption,
    RegionOption,
    application,
    read_configuration,
    refuse_unknown_accounts,
    run,
)
from library.jobs.run import end, hold_lock
from library.jobs.selection import refuse_unknown_regions
from library.security_groups.group import IngressRule, ShapeError, parse_security_group
from remediation import console, message
from remediation.apply import COULD_NOT, ChangeFailedError, carry_out
from remediation.backups import Backup, BackupError
from remediation.host import Person, Screen, build_tools, has_terminal
from remediation.journal import Entry, Journal, Kind, Step, is_unfinished, rules_from_item
from remediation.notifier import tell
from remediation.remediator import Tools, back_up, finished, recover, restored_flag
from remediation.restore_plan import RestorePlan, plan_restore
from remediation.rule_sets import RuleKey, rule_key
from remediation.security_group_changes import LiveGroup, UnsteadyError, describe_live, single_permissions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from library.config import Configuration
    from remediation.message import Message

LOG_STREAM = "remediation.restore_security_groups"


class CannotRestoreError(Exception):
    """There is nothing to go back to, or no group to bring back."""


@dataclass(frozen=True, slots=True)
class Source:
    """A backup to go back to.

    Attributes:
        key: its key.
        permissions: its rules, and how to add each again exactly.
        made_since: what Hammer's changes since then have added.
    """

    key: str
    raw: Mapping[str, Any]
    permissions: Mapping[RuleKey, tuple[IngressRule, Any]]
    made_since: tuple[IngressRule, ...]


class Target(NamedTuple):
    """The group to restore."""

    account_id: str
    region: str
    group_id: str


def choose(backups: Sequence[tuple[Backup, str]], wanted: str) -> Backup:
    """The backup to go back to.

    Args:
        backups: all of a group, the newest first, each with the kind of the change that it was written for.
        wanted: its key; empty: the newest from before a remediation, else the newest.

    Raises:
        CannotRestoreError: there is none, or not this one.
    """
    if wanted:
        for backup, _ in backups:
            if backup.key == wanted:
                return backup
        raise CannotRestoreError(f"{wanted} is not a backup of this group")
    if not backups:
        raise CannotRestoreError("there is no backup of this group")
    return next((backup for backup, kind in backups if kind != Kind.RESTORE), backups[0][0])


def read_source(tools: Tools, target: Target, wanted: str, screen: Person) -> Source:
    """List a group's backups and read the one to go back to.

    Raises:
        CannotRestoreError: there is none, or not this one.
        BackupError, ShapeError: it cannot be understood.
    """
    found = tools.backups.list(target.account_id, target.region, target.group_id)
    read = {backup.key: tools.backups.read(backup.key, target.group_id) for backup in found}
    notes = {key: raw.get("hammer") or {} for key, raw in read.items()}
    chosen = choose([(backup, str(notes[backup.key].get("kind", ""))) for backup in found], wanted)
    for backup in found:
        mark = "->" if backup == chosen else "  "
        screen.say(f"{mark} {backup.key}  before a {notes[backup.key].get('kind', 'change')}")
    raw = read[chosen.key]
    singles = list(single_permissions(raw["IpPermissions"]))
    since = [backup.key for backup in found if backup.written >= chosen.written]
    return Source(
        key=chosen.key,
        raw=raw,
        permissions={rule_key(rule): (rule, permission) for rule, permission in singles},
        made_since=tuple(rule for key in since for rule in rules_from_item(notes[key].get("add", ()))),
    )


def issue_of(tools: Tools, target: Target, source: Source) -> Issue:
    """The group's issue, which holds the journal; one that is closed is made where the table has none."""
    issue = tools.table.get(target.account_id, target.group_id)
    if issue is None:
        group = parse_security_group(source.raw)
        details = IssueDetails(group.name, target.region, group.vpc_id, "open_partly", group.tags, ())
        issue = Issue(target.account_id, target.group_id, Status.CLOSED, details, Timestamps())
        tools.table.write(Change(Event.FOUND, issue, None))
    return issue


def plan(
    tools: Tools, config: Configuration, target: Target, source: Source, *, exact: bool
) -> tuple[LiveGroup, RestorePlan]:
    """Describe the group and plan its way back.

    Raises:
        CannotRestoreError: the group is gone, or there is no room for its rules.
        one of COULD_NOT: it could not be read.
    """
    live = describe_live(tools.sessions.client("ec2", target.account_id, target.region), target.group_id)
    if live is None:
        raise CannotRestoreError("the group does not exist any more")
    if live.group.unreadable:
        raise CannotRestoreError(f"not understood: {'; '.join(live.group.unreadable)}")
    planned = plan_restore(
        [rule for rule, _ in source.permissions.values()],
        live.group.ingress,
        source.made_since,
        tools.quota(
            live.group,
            target.account_id,
            target.region,
            config.secgrp_unrestricted_access.rules_per_security_group_quota,
        ),
        exact=exact,
    )
    if planned.problem:
        raise CannotRestoreError(planned.problem)
    return live, planned


def restore(
    tools: Tools,
    config: Configuration,
    target: Target,
    issue: Issue,
    source: Source,
    agreed: RestorePlan,
    *,
    exact: bool,
) -> tuple[Issue, str] | None:
    """Bring a group back, look whether it is, and flag its issue.

    Returns:
        The issue, and the key of the backup from before (empty: the group was already as the backup says); None:
        nothing was done, because what was agreed to is not the plan any more.

    Raises:
        CannotRestoreError, ChangeFailedError, or one of COULD_NOT: it could not be done.
        LockedError: another run took the lock over.
    """
    tools.lock.renew()
    live, planned = plan(tools, config, target, source, exact=exact)
    if planned != agreed:
        return None
    journal = Journal(tools.table, issue, tools.now)
    if planned.is_empty:
        flag = {"at": format_time(tools.now()), "by": tools.who, "backup": source.key}
        journal.note(restored=flag)
        return journal.issue, ""
    backup = back_up(tools, issue, live, Kind.RESTORE, planned)
    entry = Entry(
        Kind.RESTORE,
        Step.ADDING,
        backup,
        planned.add,
        planned.revoke,
        planned.describe,
        restored_from=source.key,
        run=tools.run,
        by=tools.who,
    )
    tools.lock.begin(*target)
    permissions = {key: permission for key, (_, permission) in source.permissions.items()}
    try:
        entry = carry_out(tools.workplace(issue, journal), entry, permissions, backup=backup)
    except ChangeFailedError as error:
        if error.undone:
            finished(tools, issue)
        raise
    journal.write(replace(entry, step=Step.DONE), restored=restored_flag(entry))
    finished(tools, issue)
    return journal.issue, backup


def release(tools: Tools, issue: Issue) -> bool:
    """Give a restored group back to automatic remediation. Returns whether it was restored."""
    if not issue.remediation_details.get("restored"):
        return False
    Journal(tools.table, issue, tools.now).note(restored=None)
    return True


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
    target = _target(account, region, group)
    if not (batch or dry_run or release_ or has_terminal()):
        raise typer.BadParameter("there is no terminal to ask at: --batch asks nothing, --dry-run changes nothing")
    configuration = read_configuration(config)
    aws = configuration.aws
    if not isinstance(aws.accounts, str):  # the organization's are not asked for: an account may have left it
        refuse_unknown_accounts(account, {*aws.accounts, aws.main_account_id})
    refuse_unknown_regions(region, None)
    tools, screen = build_tools(configuration), Screen()
    problems: list[str] = []
    try:
        if dry_run:
            _, planned = _look(tools, configuration, target, backup, screen, exact=exact)
            del planned
            screen.say("dry run: nothing changed")
        else:
            with hold_lock(tools.lock, LOG_STREAM, configuration.aws.region):
                if release_:
                    problems += _release(tools, target, screen)
                else:
                    problems += restore_group(tools, configuration, target, backup, screen, exact=exact, batch=batch)
                problems += tools.teller.send()
    except (CannotRestoreError, BackupError, ShapeError, UnsteadyError) as error:
        problems.append(f"{target.group_id} in {target.account_id}, {target.region}: {error}")
    end(problems)


def _target(account: Sequence[str] | None, region: Sequence[str] | None, group: Sequence[str] | None) -> Target:
    named = [account or (), region or (), group or ()]
    if any(len(values) != 1 for values in named):
        raise typer.BadParameter("name exactly one group: --account, --region and --group, once each")
    return Target(*(values[0] for values in named))


def _look(
    tools: Tools, config: Configuration, target: Target, wanted: str, screen: Person, *, exact: bool
) -> tuple[Source, RestorePlan]:
    source = read_source(tools, target, wanted.removeprefix(f"s3://{tools.backups.bucket}/"), screen)
    live, planned = plan(tools, config, target, source, exact=exact)
    screen.say(console.heading_of(target.account_id, target.region, live.group))
    screen.say(console.restore_difference(live.group.ingress, planned))
    return source, planned


def restore_group(
    tools: Tools, config: Configuration, target: Target, wanted: str, screen: Person, *, exact: bool, batch: bool
) -> list[str]:
    """Show a group's backups and its way back, ask unless `batch`, and bring it back.

    Returns:
        What could not be done, one line each.

    Raises:
        CannotRestoreError: there is nothing to go back to, or no group to bring back.
        LockedError: another run took the lock over.
    """
    while True:
        source, planned = _look(tools, config, target, wanted, screen, exact=exact)
        if not batch and screen.ask("Restore it? y(es), n(o):")[:1] != "y":
            screen.say("nothing changed")
            return []
        issue = issue_of(tools, target, source)
        if is_unfinished(issue):
            outcome = recover(tools, config, issue)
            if outcome is None or outcome.is_done:
                continue
            return [f"{issue.place}: {outcome.text}"]
        try:
            done = restore(tools, config, target, issue, source, planned, exact=exact)
        except (*COULD_NOT, ChangeFailedError) as error:
            reason = explain(error, tools.sessions.role_arn(target.account_id))
            told = message.not_restored(issue, tools.backups.bucket, source.key, reason)
            return [f"{issue.place}: {reason}", *_tell(tools, issue, told)]
        if done is None:
            screen.say("the group has changed meanwhile: look again")
            continue
        issue, before = done
        screen.say(
            f"{issue.place}: restored from {source.key}; "
            + (f"backup from before {before}" if before else "it was as that says already")
        )
        screen.say(f"automatic remediation leaves it alone until: {message.release_command(issue)}")
        return _tell(tools, issue, message.restored(issue, tools.backups.bucket, source.key, before, tools.who))


def _release(tools: Tools, target: Target, screen: Person) -> list[str]:
    issue = tools.table.get(target.account_id, target.group_id)
    if issue is None or not release(tools, issue):
        screen.say("the group is not waiting for a decision: nothing changed")
        return []
    screen.say(f"{issue.place}: automatic remediation may change it again")
    return _tell(tools, issue, message.released(issue, tools.who))


def _tell(tools: Tools, issue: Issue, told: Message) -> list[str]:
    problem = tell(tools.teller, tools.table, issue, told, repeated=False)
    return [problem] if problem else []


app = application(command)


def main() -> None:
    """Run the job."""
    run(app)


if __name__ == "__main__":
    main()
