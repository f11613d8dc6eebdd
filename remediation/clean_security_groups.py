"""The command `hammer remediate`: closes what is due, asking for each group, or for none with `--batch`.

The remediation job, also `python -m remediation.clean_security_groups`: the module's path is contractual.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from library.aws.records import JobRecords
from library.config import Configuration
from library.config.loader import with_organization
from library.documents.text import printable
from library.jobs.command_line import (
    AccountOption,
    BatchOption,
    ConfigOption,
    DryRunOption,
    Exit,
    GroupOption,
    NotThereError,
    RegionOption,
    Selection,
    WrongUsageError,
    account_ids,
    application,
    end,
    groups_without_issue,
    is_scanned,
    name_problems,
    read_configuration,
    refuse_unknown_regions,
    run,
)
from library.jobs.run import hold_lock
from library.jobs.standard_streams import output_errors_noted
from library.network.addresses import Network, parse_network
from remediation.context import Prompt, UnattendedPrompt, build_context, has_terminal
from remediation.journal import is_unfinished
from remediation.runs import (
    INCOMPLETE,
    BatchRun,
    InteractiveRun,
    RemediationSummary,
    counts_for_limit,
    due,
    find,
    find_unfinished,
    not_due,
    show,
    untouchable_text,
)

if TYPE_CHECKING:
    from remediation.context import RemediationContext

LOG_STREAM = "remediation.clean_security_groups"

IncludeNotDueOption = Annotated[
    bool, typer.Option("--include-not-due", help="Offer the issues that are not due too. Not with --batch.")
]


KeepOption = Annotated[
    str | None,
    typer.Option(
        "--keep",
        metavar="CIDR[,CIDR…]",
        help="Keep these sources too, each for the replaced rules that admit all of it. Needs one --group.",
    ),
]


def read_keep(text: str | None, groups: Sequence[str]) -> tuple[Network, ...]:
    """The sources of `--keep`.

    Raises:
        WrongUsageError: one is no CIDR, or not one group is named. Of several, one could be refused when another is
            changed already.
    """
    if text is None:
        return ()
    if len(set(groups)) != 1:
        raise WrongUsageError("--keep is a choice about one group: name it with --group")
    try:
        found = tuple(dict.fromkeys(parse_network(entry.strip()) for entry in text.split(",") if entry.strip()))
    except ValueError as error:
        raise WrongUsageError(f"--keep: {error}") from error
    if not found:
        raise WrongUsageError("--keep names no CIDR")
    return found


def command(
    config: ConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
    batch: BatchOption = False,
    dry_run: DryRunOption = False,
    include_not_due: IncludeNotDueOption = False,
    keep: KeepOption = None,
) -> None:
    """Remediate due issues: replace the rules that expose a group. Asks for each, unless --batch."""
    if batch and include_not_due:
        raise WrongUsageError("what is not due is for a person to decide: --include-not-due is not for --batch")
    if not (batch or dry_run or has_terminal()):
        raise WrongUsageError("there is no terminal to ask at: --batch asks nothing, --dry-run changes nothing")
    kept = read_keep(keep, group or ())
    configuration = read_configuration(config)
    if batch and not configuration.secgrp_unrestricted_access.remediation:
        typer.echo("remediation is off (secgrp_unrestricted_access.remediation): nothing to do")
        return
    context, prompt = build_context(configuration), UnattendedPrompt() if batch and not dry_run else Prompt()
    context.keep = kept
    configuration = with_organization(configuration, context.sessions)
    account = account_ids(
        account, {each: configuration.account_name(each) for each in configuration.remediation_accounts()}
    )
    selection = Selection.of(account, region, group)
    for account_id in account:
        if account_id not in configuration.remediation_accounts():
            raise NotThereError(f"account {account_id} is not one of remediation_accounts")
    accounts = account or configuration.remediation_accounts()
    refuse_unknown_regions(region, configuration.aws.regions, lambda each: is_scanned(context.table, accounts, each))
    if unknown := groups_without_issue(group, accounts, context.table, region):
        looked_at = ", ".join([*(account or ["the accounts of remediation_accounts"]), *(region or ())])
        raise NotThereError(f"the issue table has no issue in {looked_at} of: {', '.join(unknown)}")

    def reload() -> Configuration:
        fresh = read_configuration(config)
        # The organization's accounts are those that they were when the run began.
        return fresh.with_accounts(configuration.aws.accounts) if fresh.needs_organization else fresh  # type: ignore[arg-type]

    if dry_run:
        end(_dry_run(context, configuration, selection, prompt, include_not_due=include_not_due))
        return
    records = JobRecords(context.table.items, configuration.aws.main_account_id)
    work: BatchRun | InteractiveRun
    with (
        hold_lock(context.lock, LOG_STREAM, configuration.aws.region),
        records.recorded("remediate", context.who, context.now) as problems,
    ):
        if batch:
            work = BatchRun(context, reload, selection, prompt)
            with _sent_and_shown(context, work.summary, problems):
                work.run()
        else:
            work = InteractiveRun(context, reload, selection, prompt)
            with _sent_and_shown(context, work.summary, problems):
                work.run(include_not_due=include_not_due)
    if work.summary.problems:
        raise typer.Exit(Exit.INCOMPLETE)


@contextmanager
def _sent_and_shown(context: RemediationContext, summary: RemediationSummary, problems: list[str]) -> Iterator[None]:
    """Tell what a run did, whatever ends it: a signal, a lost lock, an error. Its problems are added to `problems`.

    What is queued for Slack and the webhook is sent here. Output that cannot be written is one of the problems.
    """
    try:
        yield
    finally:
        try:
            summary.problems += context.notifier.send()
        finally:  # a lost lock or a second signal may end that, too
            problems += summary.problems
            with output_errors_noted(problems):
                for note in context.notes:
                    typer.echo(f"note: {printable(note)}")
                typer.echo(summary.text)
            with output_errors_noted(problems):
                name_problems(summary.problems)


def _dry_run(
    context: RemediationContext,
    configuration: Configuration,
    selection: Selection,
    prompt: Prompt,
    *,
    include_not_due: bool,
) -> list[str]:
    """Show what would be done. Returns what could not be read, one line each."""
    found = find(context, configuration, selection)
    find_unfinished(context, configuration, selection, found, read_only=True)
    summary = RemediationSummary(problems=found.problems)
    for issue, cause in found.untouchable:
        prompt.show(untouchable_text(issue, cause))
    due_now = {issue.location for issue in due([*found.unfinished, *found.issues], configuration, context.now())}
    chosen = [
        *(issue for issue in found.unfinished if issue not in found.issues),
        *(issue for issue in found.issues if include_not_due or is_unfinished(issue) or issue.location in due_now),
    ]
    changing = 0
    for issue in chosen:
        if is_unfinished(issue):
            prompt.show(INCOMPLETE)
        is_due = issue.location in due_now
        seen = show(context, configuration, issue, prompt, summary, decided=include_not_due and not is_due)
        changing += seen is not None and (is_due or is_unfinished(issue)) and counts_for_limit(context, issue, seen)
    for note in context.notes:
        typer.echo(f"note: {printable(note)}")
    limit = configuration.secgrp_unrestricted_access.remediation_limit_per_run
    if changing > limit:
        text = f"an unattended run would change none of these {changing} groups: remediation_limit_per_run is {limit}"
        typer.echo(f"note: {text}")
    shown = {issue.location for issue in chosen}
    others = (issue for issue in found.issues if issue.location not in shown)
    summary.not_due = not_due(others, configuration, context.now())
    typer.echo(f"dry run: {len(chosen)} looked at, nothing changed{summary.skipped}")
    return summary.problems


app = application(command)


def main() -> None:
    """Run the job."""
    run(app)


if __name__ == "__main__":
    main()
