"""What every command has in common: options, exit codes, and how a failure reaches a person.

A command about the issue table begins with `read_configuration`, `open_table` and `select`: the configuration, clients
and the organization's accounts, and whether what `--account`, `--region` and `--group` name is there at all. A typing
error must not look like a clean account. Imported by the jobs and by `hammer`, never by a Lambda.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from io import TextIOWrapper
from typing import IO, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import IssueTable, UnreadableIssueError
from library.aws.records import CoverageRecords
from library.aws.session import Sessions, sdk_session
from library.config import Configuration, ConfigurationError, configuration_uri, load_configuration
from library.config.loader import with_organization
from library.config.types import ACCOUNT_ID
from library.documents.text import printable
from library.errors import HammerError
from library.jobs.standard_streams import open_closed_streams, output_errors_told


def refuse_unknown_regions(
    asked_for: Iterable[str] | None,
    configured: Sequence[str] | None,
    is_there: Callable[[str], bool] = lambda _: False,
) -> None:
    """Raise NotThereError if `--region` names a region that is not there.

    `configured` is `aws.regions`; None: every region that the SDK knows counts as there, and one that is newer than it
    if `is_there` says so.
    """
    wanted = set(asked_for or ())
    if configured is not None:
        if unknown := sorted(wanted - set(configured)):
            raise NotThereError(f"not among the regions of the configuration (aws.regions): {', '.join(unknown)}")
        return
    if wanted and (unknown := [region for region in sorted(wanted - aws_regions()) if not is_there(region)]):
        raise NotThereError(f"no region of AWS: {', '.join(unknown)}")


def is_scanned(table: IssueTable, accounts: Iterable[str], region: str) -> bool:
    """Whether a scan of a region ever began in one of these accounts. Then it is there, however old the SDK is."""
    coverage = CoverageRecords(table.items)
    return any(coverage.state(account_id, region).last_scan_begun is not None for account_id in accounts)


def aws_regions() -> set[str]:
    """The regions that this version of the SDK knows, of every partition."""
    # Not `get_available_regions`, which reads all of EC2's service model for no more than the service's name.
    endpoints = sdk_session().get_component("endpoint_resolver")
    return {
        region
        for partition in endpoints.get_available_partitions()
        for region in endpoints.get_available_endpoints("ec2", partition)
    }


def refuse_unknown_groups(
    asked_for: Iterable[str] | None, accounts: Iterable[str], table: IssueTable, regions: Sequence[str] | None = None
) -> None:
    """Raise NotThereError if `--group` names a group of which the table has no issue in these accounts and regions."""
    if unknown := groups_without_issue(asked_for, accounts, table, regions):
        searched = f" in {', '.join(regions)}" if regions else ""
        raise NotThereError(f"the issue table has no issue{searched} of: {', '.join(unknown)}")


def groups_without_issue(
    asked_for: Iterable[str] | None, accounts: Iterable[str], table: IssueTable, regions: Sequence[str] | None = None
) -> list[str]:
    """Those of the groups of which the table has no issue, of whatever status, in these accounts and regions."""
    searched, wanted = list(accounts), Selection.of(None, regions, None)
    return [
        group_id
        for group_id in dict.fromkeys(asked_for or ())
        if not any(_has_issue(table, account_id, group_id, wanted) for account_id in searched)
    ]


def _has_issue(table: IssueTable, account_id: str, group_id: str, wanted: Selection) -> bool:
    try:
        issue = table.get(account_id, group_id)
    except UnreadableIssueError as error:
        return wanted.takes(account_id, error.region, group_id)
    return issue is not None and wanted.takes(account_id, issue.details.region, group_id)


class Exit(IntEnum):
    """Exit codes."""

    DONE = 0
    INCOMPLETE = 1
    WRONG = 2
    ISSUES_FOUND = 3
    INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it; typer ends a program with it, too


def refuse_empty_config(uri: str | None) -> str | None:
    """Raise BadParameter if `--config` is empty, as a variable that is not set makes it: the default is not meant."""
    if uri == "":
        raise typer.BadParameter("is empty: name a folder or s3://bucket/prefix, or leave it out")
    return uri


ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="PLACE",
        callback=refuse_empty_config,
        help="The configuration: a folder or s3://bucket/prefix. Else $HAMMER_CONFIG, else ./config.",
    ),
]
AccountOption = Annotated[
    list[str] | None, typer.Option("--account", metavar="ID", help="Only this account, by id or name. Repeatable.")
]
RegionOption = Annotated[
    list[str] | None, typer.Option("--region", metavar="REGION", help="Only this region. Repeatable.")
]
GroupOption = Annotated[
    list[str] | None, typer.Option("--group", metavar="ID", help="Only this security group. Repeatable.")
]
# A list, so that one that is given twice is refused and not forgotten.
OneGroupOption = Annotated[list[str] | None, typer.Option("--group", metavar="ID", help="The security group.")]
BatchOption = Annotated[bool, typer.Option("--batch", help="Ask nothing: for cron.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and change nothing.")]


@dataclass(frozen=True, slots=True)
class Selection:
    """What `--account`, `--region` and `--group` leave over. Empty: everything."""

    accounts: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, accounts: Sequence[str] | None, regions: Sequence[str] | None, groups: Sequence[str] | None
    ) -> Selection:
        """From the options' values."""
        return cls(frozenset(accounts or ()), frozenset(regions or ()), frozenset(groups or ()))

    def takes(self, account_id: str, region: str, group_id: str) -> bool:
        """Whether a group is selected. An empty region is one that nobody knows: it may be the one that is meant."""
        return (
            (not self.accounts or account_id in self.accounts)
            and (not self.regions or not region or region in self.regions)
            and (not self.groups or group_id in self.groups)
        )


class WrongUsageError(typer.BadParameter):
    """The options together, or the configuration, ask for what cannot be. Exits with 2 and one line."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line: how the command is used is not in question."""
        print(f"hammer: {printable(self.message)}", file=file or sys.stderr)


class NotThereError(WrongUsageError):
    """An account, a region or a group that the options name is not there."""


def known_accounts(asked_for: Iterable[str] | None, config: Configuration, table: IssueTable) -> Mapping[str, str]:
    """The accounts that are scanned, and those asked for that are not any more, and of which the table has issues.

    Returns:
        Ids to names. An account that `aws.accounts` still names keeps its name there.

    Raises:
        NotThereError: several accounts have that name.
    """
    scanned = config.scanned_accounts()
    others = [account for account in account_ids(asked_for, scanned) if account not in scanned]
    unscanned = sorted(account_ids(others, config.aws.named))
    # DynamoDB refuses an empty key, such as that of an option whose variable is not set.
    left = (account for account in unscanned if ACCOUNT_ID.fullmatch(account) and table.has_issues(account))
    return {**scanned, **{account: config.account_name(account) for account in left}}


def accounts_named(asked_for: Iterable[str] | None, known: Mapping[str, str]) -> list[str]:
    """The ids of the accounts that `--account` names, as `account_ids` has them.

    Raises:
        NotThereError: an account is not there, or several have that name.
    """
    found = account_ids(asked_for, known)
    if unknown := sorted(set(found) - known.keys()):
        raise NotThereError(f"not among the accounts of the configuration: {', '.join(unknown)}")
    return found


def account_ids(asked_for: Iterable[str] | None, known: Mapping[str, str]) -> list[str]:
    """The ids of the accounts that `--account` names, each by its id or its name; what is unknown as it is.

    Raises:
        NotThereError: several accounts have that name.
    """
    found: list[str] = []
    for asked in dict.fromkeys(asked_for or ()):
        ids = [asked] if asked in known else sorted(each for each, name in known.items() if name == asked)
        if len(ids) > 1:
            raise NotThereError(f"several accounts are named {asked}: {', '.join(ids)}")
        found += ids or [asked]
    return list(dict.fromkeys(found))


def location_of_group(
    group_id: str, accounts: Sequence[str], regions: Sequence[str], known: Iterable[str], table: IssueTable
) -> tuple[str, str]:
    """The account and region of a group of which a command was told no more than the id, by the issue table.

    `accounts` and `regions` are what `--account` and `--region` name; `known` are the accounts to look through.

    Raises:
        NotThereError: the table does not tell, or an item that may tell is not as it should be.
    """
    if accounts and regions:
        return accounts[0], regions[0]
    for account_id in accounts or known:
        try:
            issue = table.get(account_id, group_id)
        except UnreadableIssueError as error:
            raise NotThereError(f"{error}: name --account and --region") from error
        if issue is not None and (not regions or issue.details.region in regions):
            return account_id, issue.details.region
    where = ", ".join((*accounts[:1], *regions[:1]))
    searched = f" in {where}" if where else ""
    raise NotThereError(f"the issue table has no issue of {group_id}{searched}: name its --account and --region, too")


def utc_now() -> datetime:
    """The clock of the jobs."""
    return datetime.now(UTC)


def read_configuration(option: str | None) -> Configuration:
    """The configuration that `--config`, else the environment, names.

    Raises:
        ConfigurationError: it cannot be read or is wrong.
    """
    return load_configuration(configuration_uri(option, os.environ))


@dataclass(frozen=True, slots=True)
class TableAccess:
    """What a command about the issue table works with.

    Attributes:
        config: the configuration, with the accounts of the organization if it asks for them.
        sessions: give clients for each account, with the role that `open_table` was told.
    """

    config: Configuration
    sessions: Sessions
    table: IssueTable


def open_table(config: Configuration, role_name: str = "", *, read_only: bool = False) -> TableAccess:
    """Clients for a configuration, its accounts, and the issue table.

    No role is assumed in other accounts if it has no name. `read_only` leaves behind what only changes need of that
    role.
    """
    aws = config.aws
    sessions = Sessions(aws.main_account_id, aws.region, role_name, aws.external_id, read_only=read_only)
    config = with_organization(config, sessions)
    table = IssueTable(sessions.client("dynamodb"), config.secgrp_unrestricted_access.table_name)
    return TableAccess(config, sessions, table)


def select(
    access: TableAccess, accounts: list[str] | None, regions: list[str] | None, groups: list[str] | None
) -> Selection:
    """What `--account`, `--region` and `--group` name, of the configuration and of what the table has issues of.

    Raises:
        NotThereError: an account, region or group is not there.
    """
    accounts = accounts_named(accounts, known_accounts(accounts, access.config, access.table))
    selection = Selection.of(accounts, regions, groups)
    refuse_unknown_regions(
        regions,
        access.config.aws.regions,
        lambda region: is_scanned(access.table, accounts_of(access, selection), region),
    )
    refuse_unknown_groups(groups, accounts_of(access, selection), access.table, regions)
    return selection


def accounts_of(access: TableAccess, selection: Selection) -> list[str]:
    """The accounts that are selected, those that left the configuration among them if they are named."""
    scanned = access.config.scanned_accounts()
    wanted = [name for name in scanned if not selection.accounts or name in selection.accounts]
    # Of an account that left the configuration the table may still have issues.
    return [*wanted, *sorted(selection.accounts - scanned.keys())]


def name_problems(problems: Iterable[str]) -> None:
    """Name what could not be done on standard error, one line each. It may be untrusted text."""
    for problem in problems:
        print(f"hammer: {printable(problem)}", file=sys.stderr)  # noqa: T201


def end(problems: Sequence[str]) -> None:
    """Name what could not be done on standard error, and exit with 1 if there is any."""
    name_problems(problems)
    if problems:
        raise typer.Exit(Exit.INCOMPLETE)


def _leave_at_once() -> NoReturn:
    """Exit without waiting for threads that still read: the interpreter would wait for every one of them."""
    print("hammer: interrupted", file=sys.stderr)  # noqa: T201
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(Exit.INTERRUPTED)


class Command(TyperCommand):
    """A command that tells what is wrong with an option in plain words."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the options."""
        try:
            return super().make_context(*args, **kwargs)
        except typer.BadParameter as error:
            # What reads an option's value may put the kind of its own error before it (typer with pydantic does).
            error.message = error.message.removeprefix("Value error, ")
            raise


def application(command: Callable[..., Any]) -> typer.Typer:
    """A program of one command, run by `run`."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})(command)
    return app


def run(app: Callable[[], Any]) -> NoReturn:
    """Run a program, tell a person in one line what stopped it, and exit.

    Exits with 1 when AWS or Hammer could not do something or the output could not be written, 2 when the configuration
    is wrong, 130 when it was interrupted. What is not foreseen travels up.
    """
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # What the terminal's or file's encoding lacks is spelled out: a name must not end a program.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with output_errors_told():
            app()
    except SystemExit as ended:
        if ended.code == Exit.INTERRUPTED:
            _leave_at_once()
        raise
    except KeyboardInterrupt:
        _leave_at_once()
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(Exit.WRONG)
    except (HammerError, *AWS_ERRORS) as error:
        print(f"hammer: {printable(explain(error))}", file=sys.stderr)  # noqa: T201
        sys.exit(Exit.INCOMPLETE)
    sys.exit(Exit.DONE)
