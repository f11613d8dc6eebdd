"""The remediation job: closes what is due, asking for each group, or for none with `--batch`.

`python -m remediation.clean_security_groups`, or `hammer remediate`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

import typer

from library.aws.failures import AWS_ERRORS, explain
from library.aws.group_usage import usage_of
from library.aws.issue_table import UnreadableIssueError
from library.aws.job_records import JobRecords
from library.config import Configuration
from library.config.organization import with_organization
from library.issues.issue import Issue, Status
from library.jobs.command_line import (
    AccountOption,
    BatchOption,
    ConfigOption,
    DryRunOption,
    GroupOption,
    NotThereError,
    RegionOption,
    Selection,
    application,
    read_configuration,
    run,
)
from library.jobs.run import end, hold_lock
from library.jobs.selection import refuse_unknown_groups, refuse_unknown_regions
from remediation import console, message
from remediation.apply import COULD_NOT
from remediation.host import Person, Screen, build_tools, has_terminal
from remediation.journal import entry_of, is_unfinished
from remediation.notifier import tell
from remediation.plan import Plan, Refusal, why_not_due
from remediation.remediator import Look, Outcome, Result, Tools, look, policy_of, recover, remediate

_log = logging.getLogger(__name__)

LOG_STREAM = "remediation.clean_security_groups"

Reload = Callable[[], Configuration]

IncludeNotDueOption = Annotated[
    bool, typer.Option("--include-not-due", help="Offer the issues that are not due too. Not with --batch.")
]


@dataclass(slots=True)
class Summary:
    """What a run came to.

    Attributes:
        remediated: how many groups.
        left: how many of those it looked at needed nothing, or were not agreed to.
        problems: what could not be done, one line each.
    """

    remediated: int = 0
    left: int = 0
    problems: list[str] = field(default_factory=list)


def run_batch(tools: Tools, reload: Reload, selection: Selection, person: Person) -> Summary:
    """Remediate all that is due, asking nothing.

    Raises:
        LockedError: another run took the lock over.
        ConfigurationError: the configuration became wrong meanwhile.
    """
    summary = Summary()
    config = reload()
    issues = due(begin(tools, config, selection, person, summary), config, tools.now())
    if _too_many(tools, config, issues, summary):
        return summary
    for issue in issues:
        config = reload()
        if not config.secgrp_unrestricted_access.remediation:
            person.say("remediation was switched off meanwhile (secgrp_unrestricted_access.remediation): stopped")
            break
        try:
            fresh = tools.table.get(issue.account_id, issue.issue_id)
        except AWS_ERRORS as error:
            summary.problems.append(f"{issue.place}: its issue could not be read: {explain(error)}")
            continue
        if fresh is None or is_unfinished(fresh) or not due([fresh], config, tools.now()):
            summary.left += 1
            continue
        _conclude(tools, remediate(tools, config, fresh), summary, person)
    return summary


def run_by_hand(
    tools: Tools, reload: Reload, selection: Selection, person: Person, *, include_not_due: bool
) -> Summary:
    """Show each issue that is due, or every one, and remediate those that the person agrees to.

    Raises:
        LockedError: another run took the lock over.
        ConfigurationError: the configuration became wrong meanwhile.
    """
    summary = Summary()
    config = reload()
    issues = begin(tools, config, selection, person, summary)
    if not include_not_due:
        issues = due(issues, config, tools.now())
    ask = True
    for number, issue in enumerate(issues, 1):
        person.say(f"\n[{number} of {len(issues)}]")
        while True:
            config = reload()
            seen = _show(tools, config, issue, person, summary)
            if seen is None or not isinstance(seen.planned, Plan):
                summary.left += seen is not None
                break
            answer = _answer(tools, issue, seen, person) if ask else "y"
            if answer == "q":
                person.say("stopped")
                return summary
            if answer == "n":
                summary.left += 1
                break
            ask = ask and answer != "a"
            limit = config.secgrp_unrestricted_access.remediation_limit_per_run
            if summary.remediated >= limit:
                _stop_at_limit(tools, summary, f"{limit} groups were changed, which is remediation_limit_per_run")
                return summary
            outcome = remediate(tools, config, issue, agreed=seen.planned)
            if outcome.result is not Result.CHANGED_MEANWHILE:
                _conclude(tools, outcome, summary, person)
                break
            person.say(f"  {outcome.text}: look again")
    return summary


def _answer(tools: Tools, issue: Issue, seen: Look, person: Person) -> str:
    while True:
        answer = person.ask("Remediate it? y(es), n(o), d(etails), a(ll that follow), q(uit):")[:1]
        if answer in ("y", "n", "a", "q"):
            return answer
        if answer == "d":
            try:
                backups = tools.backups.list(issue.account_id, issue.details.region, issue.issue_id)
            except AWS_ERRORS as error:
                person.say(f"  its backups could not be listed: {explain(error)}")
                backups = []
            person.say(console.details(issue, seen, backups))


def show_all(tools: Tools, config: Configuration, issues: Sequence[Issue], person: Person, summary: Summary) -> None:
    """Show what would be done about these issues, and change nothing."""
    for issue in issues:
        if is_unfinished(issue):
            person.say("An earlier run was interrupted at this group: the next run finishes or undoes that first.")
        _show(tools, config, issue, person, summary)


def find(tools: Tools, config: Configuration, selection: Selection, summary: Summary) -> list[Issue]:
    """The issues of exposed groups, by account, region and group."""
    issues: list[Issue] = []

    def unreadable(item: UnreadableIssueError) -> None:
        if selection.takes(item.account_id, item.region, item.issue_id):
            summary.problems.append(str(item))

    for account_id in config.remediation_accounts():
        if selection.accounts and account_id not in selection.accounts:
            continue
        try:
            issues += [
                issue
                for issue in tools.table.with_status(account_id, Status.OPEN, Status.WHITELISTED, unreadable=unreadable)
                if issue.kind.is_remediated and selection.takes(account_id, issue.details.region, issue.issue_id)
            ]
        except AWS_ERRORS as error:
            summary.problems.append(f"account {account_id}: its issues could not be read: {explain(error)}")
    return sorted(issues, key=lambda issue: (issue.account_id, issue.details.region, issue.issue_id))


def due(issues: Iterable[Issue], config: Configuration, now: datetime) -> list[Issue]:
    """Those that automatic remediation may change now."""
    return [
        issue
        for issue in issues
        if issue.account_id in config.remediation_accounts()
        and why_not_due(issue, policy_of(config, issue.account_id), now) is None
    ]


def begin(tools: Tools, config: Configuration, selection: Selection, person: Person, summary: Summary) -> list[Issue]:
    """Find the issues, once what earlier runs left half done is finished or undone.

    That is in the groups that the lock names, and in those found whose journal says so.
    """
    issues = find(tools, config, selection, summary)
    unfinished = {_place(issue) for issue in issues if is_unfinished(issue)} | tools.lock.read().unfinished
    for account_id, region, group_id in sorted(unfinished):
        issue = tools.table.get(account_id, group_id)
        if issue is None:
            tools.lock.finish(account_id, region, group_id)
        elif outcome := recover(tools, config, issue):
            _conclude(tools, outcome, summary, person)
    return find(tools, config, selection, Summary()) if unfinished else issues


def _place(issue: Issue) -> tuple[str, str, str]:
    return issue.account_id, issue.details.region, issue.issue_id


def _too_many(tools: Tools, config: Configuration, issues: Sequence[Issue], summary: Summary) -> bool:
    """Whether a run would change more groups than it may. Then it changes none: so many at once is a mistake."""
    limit = config.secgrp_unrestricted_access.remediation_limit_per_run
    if len(issues) <= limit:
        return False
    changing = 0
    for issue in issues:
        try:
            changing += isinstance(look(tools, config, issue).planned, Plan)
        except COULD_NOT:
            continue  # said when its turn comes
    if changing <= limit:
        return False
    _stop_at_limit(
        tools,
        summary,
        f"{changing} groups are due to be changed, and remediation_limit_per_run is {limit}: nothing was changed",
    )
    return True


def _stop_at_limit(tools: Tools, summary: Summary, text: str) -> None:
    text = f"stopped: {text}. Look at them with --dry-run, then raise the limit, or choose with --group"
    summary.problems.append(text)
    _log.warning(text, extra={"stopped_at_limit": True})  # deployment's alarm counts these
    tools.teller.alert_operators("Remediation stopped", text)


def _show(tools: Tools, config: Configuration, issue: Issue, person: Person, summary: Summary) -> Look | None:
    """Show an issue and what would be done; None: its group could not be read, which is said."""
    person.say(console.heading(issue, config.account_name(issue.account_id)))
    person.say(f"  {console.since(issue)}")
    if refusal := why_not_due(issue, policy_of(config, issue.account_id), tools.now()):
        person.say(f"  {refusal.text}")
    try:
        seen = look(tools, config, issue)
    except COULD_NOT as error:
        text = f"could not be read: {explain(error, tools.sessions.role_arn(issue.account_id))}"
        person.say(f"  {text}")
        summary.problems.append(f"{issue.place}: {text}")
        return None
    if seen.live:
        person.say(console.usage(usage_of(tools.ec2(issue), issue.issue_id)))
    person.say(console.planned(seen.live.group.ingress if seen.live else (), seen.planned))
    if isinstance(seen.planned, Refusal) and seen.planned.needs_somebody:
        summary.problems.append(f"{issue.place}: {seen.planned.text}")
    return seen


def _conclude(tools: Tools, outcome: Outcome, summary: Summary, person: Person) -> None:
    """Say what became of a group to everybody whom it concerns."""
    issue, bucket = outcome.issue, tools.backups.bucket
    line = f"{issue.place}: {outcome.result}: {outcome.text}"
    person.say(line + (f"; backup {outcome.backup}" if outcome.backup else ""))
    if outcome.result is Result.REMEDIATED:
        summary.remediated += 1
        entry = entry_of(issue)
        told = message.remediated(
            issue, bucket, outcome.backup, entry.add if entry else (), entry.revoke if entry else ()
        )
    elif outcome.result is Result.RESTORED:
        entry = entry_of(issue)
        told = message.restored(issue, bucket, entry.restored_from if entry else "", outcome.backup, tools.who)
    elif outcome.result is Result.CLEARED:
        told = message.cleared(issue, outcome.text)
    elif outcome.is_done:
        summary.left += 1
        return
    else:
        summary.problems.append(f"{issue.place}: {outcome.text}")
        told = message.failed(issue, bucket, outcome.backup, str(outcome.result), outcome.text)
    if problem := tell(tools.teller, tools.table, issue, told, repeated=not outcome.is_done):
        summary.problems.append(problem)


def command(
    config: ConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
    batch: BatchOption = False,
    dry_run: DryRunOption = False,
    include_not_due: IncludeNotDueOption = False,
) -> None:
    """Remediate due issues: replace the rules that expose a group. Asks for each, unless --batch."""
    if batch and include_not_due:
        raise typer.BadParameter("what is not due is for a person to decide: --include-not-due is not for --batch")
    if not (batch or dry_run or has_terminal()):
        raise typer.BadParameter("there is no terminal to ask at: --batch asks nothing, --dry-run changes nothing")
    configuration = read_configuration(config)
    if batch and not configuration.secgrp_unrestricted_access.remediation:
        typer.echo("remediation is off (secgrp_unrestricted_access.remediation): nothing to do")
        return
    selection = Selection.of(account, region, group)
    tools, screen = build_tools(configuration), Screen()
    configuration = with_organization(configuration, tools.sessions)
    for account_id in account or ():
        if account_id not in configuration.remediation_accounts():
            raise NotThereError(f"account {account_id} is not one of remediation_accounts")
    refuse_unknown_regions(region, configuration.aws.regions)
    refuse_unknown_groups(group, account or configuration.remediation_accounts(), tools.table)

    def reload() -> Configuration:
        fresh = read_configuration(config)
        # The organization's accounts are those that they were when the run began.
        return fresh.with_accounts(configuration.aws.accounts) if fresh.needs_organization else fresh  # type: ignore[arg-type]

    if dry_run:
        summary = Summary()
        issues = find(tools, configuration, selection, summary)
        if not include_not_due:
            issues = due(issues, configuration, tools.now())
        show_all(tools, configuration, issues, screen, summary)
        typer.echo(f"dry run: {len(issues)} looked at, nothing changed")
        end(summary.problems)
        return
    records = JobRecords(tools.table.items, configuration.aws.main_account_id)
    with (
        hold_lock(tools.lock, LOG_STREAM, configuration.aws.region),
        records.recorded("remediate", tools.who, tools.now) as problems,
    ):
        if batch:
            summary = run_batch(tools, reload, selection, screen)
        else:
            summary = run_by_hand(tools, reload, selection, screen, include_not_due=include_not_due)
        summary.problems += tools.teller.send()
        problems += summary.problems
    typer.echo(f"{summary.remediated} remediated, {summary.left} left as they are")
    end(summary.problems)


app = application(command)


def main() -> None:
    """Run the job."""
    run(app)


if __name__ == "__main__":
    main()
