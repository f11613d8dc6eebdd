"""`hammer scan`: describe and judge from this machine. Nothing is deployed or changed, and nothing stored.

It looks exactly as the identification Lambda does (`identification.region_scan`), at several regions at a time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

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
from hammer.scanner import plan_scan, scan
from library.documents.text import printable
from library.issues.reachability import Severity
from library.jobs.collector import expect_many_objects
from library.jobs.command_line import (
    AccountOption,
    Exit,
    GroupOption,
    RegionOption,
    application,
    run,
)

ScanConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="PLACE",
        help="The configuration: a folder or s3://bucket/prefix. Else $HAMMER_CONFIG, else none: your own account.",
    ),
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
) -> None:
    """Describe and judge security groups from here, read-only. Nothing is stored.

    Without --config and HAMMER_CONFIG: the caller's own account, every region that is enabled there, the usual
    sensitive ports. Exits with 3 when there are issues, 1 when something could not be read, 0 otherwise.
    """
    expect_many_objects()
    output_format = chosen_format(asked_format, output)
    take, sort = wanted(severity, port, owner), order(sort, output_format)
    check_output(output)
    now = datetime.now(UTC)
    plan = plan_scan(config, account or (), region or (), now.date())
    with _progress(len(plan.targets)) as advance:
        seen = scan(plan, group or (), now, advance)
    listing = replace(seen, issues=chosen(seen.issues, take, sort))
    write(listing, output_format, output, lambda: plan.sessions.client("s3"))
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


app = application(command)


if __name__ == "__main__":
    run(app)
