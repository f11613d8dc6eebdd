"""The remediation job: closes what is due, asking for each group, or for none with `--batch`.

`python -m remediation.clean_security_groups`, or `hammer remediate`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from library.aws.backups import Backups
from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import IssueTable
from library.aws.lock import Lock, LockedError, this_process
from library.aws.session import Sessions
from library.command_line import (
    AccountOption,
    BatchOption,
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
from library.issue import Issue, Status
from remediation import console as show
from remediation.apply import COULD_NOT
from remediation.journal import is_unfinished
from remediation.plan import Plan, Refusal, why_not_due
from remediation.remediator import Look, Outcome, Result, Tools, look, policy_of, recover, remediate

if TYPE_CHECKING:
    from rich.text import Text

IncludeNotDueOption = Annotated[
    bool, typer.Option("--include-not-due", help="Offer issues that are not due, too. Not with --batch.")
]


@dataclass(slots=True)
class Summary:
    """What a run came to.

    Attributes:
        remediated: how many groups.
        left: how many due groups needed nothing.
        problems: what could not be done, one line each.
    """

    remediated: int = 0
    left: int = 0
    problems: list[str] = field(default_factory=list)


def candidates(tools: Tools, config: Configuration, selection: Selection, problems: list[str]) -> Iterator[Issue]:
    """The issues that remediation could be about, and those that an interrupted run left unfinished."""
    for account_id in config.remediation_accounts():
        if selection.accounts and account_id not in selection.accounts:
            continue
        try:
            issues = [
                issue
                for issue in tools.table.with_status(account_id, Status.OPEN, Status.WHITELISTED)
                if selection.takes(account_id, issue.details.region, issue.issue_id)
            ]
        except AWS_ERRORS as error:
            problems.append(f"account {account_id}: its issues could not be read: {explain(error)}")
            continue
        yield from sorted(issues, key=lambda issue: (issue.details.region, issue.issue_id))


def due_issues(issues: Iterable[Issue], config: Configuration, now: datetime) -> list[Issue]:
    """Those issues that are due."""
    return [issue for issue in issues if why_not_due(issue, policy_of(config, issue.account_id), now) is None]


def run_batch(
    tools: Tools,
    reload: Callable[[], Configuration],
    selection: Selection,
    say: Callable[[str | Text], None],
) -> Summary:
    """Remediate all that is due, asking nothing.

    Raises:
        LockedError: another run took the lock over.
        ConfigurationError: the configuration became unreadable meanwhile.
    """
    summary = Summary()
    config = reload()
    issues = list(candidates(tools, config, selection, summary.problems))
    for issue in issues:
        if is_unfinished(issue):
            _tell(recover(tools, config, issue), summary, say)
    issues = due_issues(candidates(tools, config, selection, []), config, tools.now())
    planned = [(issue, _look(tools, config, issue)) for issue in issues]
    changing = [issue for issue, seen in planned if isinstance(seen, Look) and isinstance(seen.planned, Plan)]
    limit = config.secgrp_unrestricted_access.remediation_limit_per_run
    if len(changing) > limit:
        summary.problems.append(
            f"stopped: {len(changing)} groups are to be changed, and remediation_limit_per_run is {limit}; "
            "nothing was changed. Look at them with --dry-run, then raise the limit or use --group"
        )
        return summary
    for issue in issues:
        config = reload()
        if not config.secgrp_unrestricted_access.remediation:
            say("remediation was switched off meanwhile (secgrp_unrestricted_access.remediation): stopped")
            return summary
        fresh = tools.table.get(issue.account_id, issue.issue_id)
        if fresh is None or not due_issues([fresh], config, tools.now()):
            summary.left += 1
            continue
        if issue.account_id not in config.remediation_accounts():
            summary.left += 1
            continue
        _tell(remediate(tools, config, fresh), summary, say)
    return summary


def _look(tools: Tools, config: Configuration, issue: Issue) -> Look | str:
    try:
        return look(tools, config, issue)
    except COULD_NOT as error:
        return explain(error, tools.sessions.role_arn(issue.account_id))


def _tell(outcome: Outcome | None, summary: Summary, say: Callable[[str | Text], None]) -> None:
    if outcome is None:
        return
    line = f"{show.place(outcome.issue)}: {outcome.result}: {outcome.text}"
    if outcome.backup:
        line += f"; backup {outcome.backup}"
    say(line)
    if outcome.result is Result.REMEDIATED:
        summary.remediated += 1
    elif outcome.is_done:
        summary.left += 1
    if not outcome.is_done:
        summary.problems.append(f"{show.place(outcome.issue)}: {outcome.text}")


def dry_run_all(
    tools: Tools,
    config: Configuration,
    issues: Sequence[Issue],
    say: Callable[[str | Text], None],
) -> Summary:
    """Show what would be done about these issues, and change nothing."""
    summary = Summary()
    for issue in issues:
        say(show.heading(issue, config.account_name(issue.account_id)))
        say(f"  {show.since(issue)}")
        seen = _look(tools, config, issue)
        if isinstance(seen, str):
            summary.problems.append(f"{show.place(issue)}: could not be read: {seen}")
            continue
        say(show.planned(seen.live.group.ingress if seen.live else (), seen.planned))
        if isinstance(seen.planned, Refusal):
            summary.left += 1
            if seen.planned.needs_somebody:
                summary.problems.append(f"{show.place(issue)}: {seen.planned.text}")
    return summary


def build_tools(config: Configuration) -> Tools:
    """Build what the job needs from the configuration and this process."""
    aws = config.aws
    sessions = Sessions(aws.main_account_id, aws.region, aws.role_name_reporting, aws.external_id)
    table_name = config.secgrp_unrestricted_access.table_name
    dynamodb = sessions.client("dynamodb")
    holder = this_process()

    def now() -> datetime:
        return datetime.now(UTC)

    return Tools(
        sessions=sessions,
        table=IssueTable(dynamodb, table_name),
        backups=Backups(sessions.client("s3"), aws.s3_backup_bucket),
        lock=Lock(dynamodb, table_name, aws.main_account_id, holder, now),
        who=holder.who,
        now=now,
        sleep=time.sleep,
    )


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
        raise typer.BadParameter("what is not due is for a person to decide: not with --batch")
    if not (batch or dry_run or sys.stdin.isatty()):
        raise typer.BadParameter("there is no terminal to ask at: use --batch to ask nothing, or --dry-run")
    configuration = read_configuration(config)
    section = configuration.secgrp_unrestricted_access
    if batch and not section.remediation:
        typer.echo("remediation is off (secgrp_unrestricted_access.remediation): nothing to do")
        return
    for account_id in account or ():
        if account_id not in configuration.remediation_accounts():
            raise typer.BadParameter(f"account {account_id} is not among remediation_accounts")
    if not (dry_run or configuration.aws.s3_backup_bucket):
        raise typer.BadParameter("aws.s3_backup_bucket is not set: nothing is changed without a backup")
    selection = Selection.of(account, region, group)
    tools = build_tools(configuration)
    screen = Console(highlight=False, soft_wrap=True)
    say = lambda text: screen.print(text, markup=False)  # noqa: E731
    if dry_run:
        summary = Summary()
        issues = list(candidates(tools, configuration, selection, summary.problems))
        if not include_not_due:
            issues = due_issues(issues, configuration, tools.now())
        shown = dry_run_all(tools, configuration, issues, say)
        _end(Summary(shown.remediated, shown.left, summary.problems + shown.problems), dry_run=len(issues))
        return
    try:
        tools.lock.acquire()
    except LockedError as error:
        typer.echo(f"hammer: {error}", err=True)
        raise typer.Exit(Exit.INCOMPLETE) from error
    try:
        summary = run_batch(tools, lambda: read_configuration(config), selection, say)
    except LockedError as error:
        typer.echo(f"hammer: {error}", err=True)
        raise typer.Exit(Exit.INCOMPLETE) from error
    finally:
        tools.lock.release()
    _end(summary)


def _end(summary: Summary, dry_run: int | None = None) -> None:
    if dry_run is None:
        typer.echo(f"{summary.remediated} remediated; {summary.left} left as they are")
    else:
        typer.echo(f"dry run: {dry_run} looked at, nothing changed")
    for problem in summary.problems:
        typer.echo(f"hammer: {problem}", err=True)
    if summary.problems:
        raise typer.Exit(Exit.INCOMPLETE)


app = application(command)


def main() -> None:
    """Run the job."""
    run(app)


if __name__ == "__main__":
    main()
