"""`hammer scan`: describe and judge from this machine. Nothing is deployed or changed, and nothing stored.

It looks exactly as the identification Lambda does (`identification.scan`), at several regions at a time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, NoReturn

import typer

from hammer.formats import Format
from hammer.listing.issue import Listing, at_least, chosen
from hammer.output import (
    FormatOption,
    OutputOption,
    OwnerOption,
    PortOption,
    SeverityOption,
    SortOption,
    check_output,
    chosen_format,
    order,
    wanted,
    write,
)
from hammer.planned import Judge, scan_plan_file, scan_template_file
from hammer.scanner import measure, plan_scan, scan
from library.aws.session import sdk_client, sdk_session
from library.documents.text import printable
from library.issues.reachability import Severity
from library.jobs.command_line import (
    AccountOption,
    Exit,
    GroupOption,
    RegionOption,
    WrongUsageError,
    refuse_empty_config,
)
from library.jobs.process import expect_many_objects

ScanConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="PLACE",
        callback=refuse_empty_config,
        help="The configuration: a folder or s3://bucket/prefix. Else $HAMMER_CONFIG, else none: your own account.",
    ),
]
PlanOption = Annotated[
    str | None,
    typer.Option("--plan", metavar="FILE", help="Judge a Terraform plan instead, as `terraform show -json` prints it."),
]
TemplateOption = Annotated[
    str | None, typer.Option("--template", metavar="FILE", help="Judge a CloudFormation template instead.")
]
ParameterOption = Annotated[
    list[str] | None,
    typer.Option("--parameter", metavar="NAME=VALUE", help="The value of a parameter of the template. Repeatable."),
]
FailOnOption = Annotated[
    Severity | None,
    typer.Option("--fail-on", help="Exit with 3 only for issues of this severity or worse: for pipelines."),
]


def command(
    config: ScanConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
    severity: SeverityOption = None,
    port: PortOption = None,
    owner: OwnerOption = None,
    sort: SortOption = None,
    asked_format: FormatOption = None,
    output: OutputOption = None,
    fail_on: FailOnOption = None,
    plan_file: PlanOption = None,
    template: TemplateOption = None,
    parameter: ParameterOption = None,
) -> None:
    """Describe and judge security groups from here, read-only. Nothing is stored.

    Without --config and HAMMER_CONFIG: the caller's own account, every region that is enabled there, the usual
    sensitive ports. Exits with 3 when there are issues, 1 when something could not be read, 0 otherwise.

    With --plan or --template: judges what a Terraform plan or a CloudFormation template would make. AWS is not asked.
    """
    expect_many_objects()
    output_format = chosen_format(asked_format, output)
    take, sort = wanted(severity, port, owner), order(sort, output_format)
    filtered = take.leaves_out_open or bool(group)
    check_output(output)
    now = datetime.now(UTC)
    if plan_file is not None or template is not None or parameter:
        if account or region:
            raise WrongUsageError("a plan or template has no account and region: leave out --account and --region")
        judged = _judge_file(config, plan_file, template, parameter or (), group or (), now)
        listing = replace(judged, issues=chosen(judged.issues, take, sort), filtered=filtered)
        _show(listing, output_format, output, fail_on)
    plan = plan_scan(config, account or (), region or (), now.date())
    with _progress(len(plan.targets)) as advance:
        seen = scan(plan, group or (), now, advance)
    listing = replace(seen, issues=chosen(seen.issues, take, sort), filtered=filtered)
    write(listing, output_format, output, lambda: plan.sessions.client("s3"))
    if not plan.targets:
        print("hammer: note: the configuration leaves no account and region to look at", file=sys.stderr)
    if plan.note:
        print(f"hammer: note: {printable(plan.note)}", file=sys.stderr)
    for row in (*listing.failed, *listing.unjudged):
        print(f"hammer: {row.account_id} {row.region}: {printable(row.reason)}", file=sys.stderr)
    raise typer.Exit(exit_code(listing, fail_on))


def exit_code(listing: Listing, fail_on: Severity | None) -> Exit:
    """What could not be read weighs more than what was found: the result is not the whole truth.

    Args:
        listing: the list.
        fail_on: count only issues that matter at least so much; None: all.
    """
    if listing.failed:
        return Exit.INCOMPLETE
    found = any(fail_on is None or at_least(issue, fail_on) for issue in listing.open_issues)
    return Exit.ISSUES_FOUND if found else Exit.DONE


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("scanning", total=total)
        yield lambda name: progress.update(task, advance=1, description=name)


def _judge_file(
    config: str | None,
    plan_file: str | None,
    template: str | None,
    parameters: Sequence[str],
    group_ids: Sequence[str],
    now: datetime,
) -> Listing:
    judge = Judge(*measure(config, now.date()))
    if plan_file is not None and template is None and not parameters:
        return scan_plan_file(plan_file, judge, group_ids, now)
    if template is not None and plan_file is None:
        return scan_template_file(template, parameters, judge, group_ids, now)
    raise WrongUsageError("give either --plan, or --template with its --parameter")


def _show(listing: Listing, output_format: Format, output: str | None, fail_on: Severity | None) -> NoReturn:
    """Print what a file would make, and exit: issues weigh more than what is not known: a pipeline stops for both."""
    write(listing, output_format, output, lambda: sdk_client(sdk_session(), "s3", None))
    for row in listing.failed:
        print(f"hammer: {printable(row.reason)}", file=sys.stderr)
    found = exit_code(replace(listing, failed=()), fail_on)
    raise typer.Exit(found if found is not Exit.DONE else exit_code(listing, fail_on))
