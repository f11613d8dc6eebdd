"""`hammer exemptions`: the exemptions of the whitelist and of the table, with who, why and until when; ends one.

The register that auditors ask for. By default it lists what counts today; `--all` lists also what is over, and says
when each was decided and how it ended.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hammer.check_config import cidrs_of
from hammer.decide import notify
from hammer.formats.csv_format import safe_cell
from hammer.formats.table_format import Column, console, show_table
from hammer.output import check_output, write_bytes, write_file
from library.aws.decision_store import Decisions, exemption_of_id
from library.aws.issue_table import IssueTable, UnreadableIssueError
from library.aws.session import Sessions
from library.documents.text import printable
from library.issues.times import format_time, parse_time, shown_time
from library.jobs.command_line import (
    AccountOption,
    ConfigOption,
    Exit,
    GroupOption,
    NotThereError,
    RegionOption,
    accounts_named,
    is_scanned,
    known_accounts,
    name_problems,
    open_table,
    read_configuration,
    refuse_unknown_groups,
    refuse_unknown_regions,
    utc_now,
)
from library.jobs.run import this_person
from library.network.ports import WITHOUT_PORTS, traffic_name

if TYPE_CHECKING:
    from rich.console import Console

    from library.config import Configuration
    from library.issues.decision_record import DecidedExemption
    from library.security_groups.exemptions import Exemption

_FILE = "whitelist"
_FIELDS = ("id", "account_id", "group", "ports", "cidrs", "until", "reason", "by", "source")
_MORE_FIELDS = ("at", "ended")


class RegisterFormat(StrEnum):
    """How the exemptions are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


FormatOption = Annotated[
    RegisterFormat | None,
    typer.Option("--format", help="How to print them. By default as the ending of --output says, else as a table."),
]
EndOption = Annotated[str | None, typer.Option("--end", metavar="ID", help="End one that people decided.")]
AllOption = Annotated[bool, typer.Option("--all", help="Also those that are over, with when and how they ended.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="With --end: why.")]


@dataclass(frozen=True, slots=True)
class Row:
    """One exemption in the register: of these sources, this traffic. Texts of people are untrusted input.

    Attributes:
        ports: none: every one.
        cidrs: none: every source.
        until: the first day, in UTC, on which it no longer counts; None: it always counts.
        at: when it was decided, in UTC; empty: the file does not tell.
        ended: who ended it before, or that its day came; empty: it counts.
        region: the group's; empty: the exemption does not tell.
    """

    id: str
    account_id: str
    group: str
    ports: tuple[str, ...]
    cidrs: tuple[str, ...]
    until: date | None
    reason: str
    by: str
    source: str
    at: str = ""
    ended: str = ""
    region: str = ""

    def to_json(self, *, more: bool) -> dict[str, Any]:
        """The entry of the list."""
        until = self.until.isoformat() if self.until else None
        entry = asdict(self) | {"ports": list(self.ports), "cidrs": list(self.cidrs), "until": until}
        return {name: entry[name] for name in (*_FIELDS, *(_MORE_FIELDS if more else ()))}


def command(
    config: ConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
    output_format: FormatOption = None,
    output: Annotated[
        str | None, typer.Option("--output", metavar="FILE", help="Write to this file; its ending says the format.")
    ] = None,
    end: EndOption = None,
    reason: ReasonOption = "",
    everything: AllOption = False,
) -> None:
    """List the exemptions of the whitelist and of people's decisions: who, why, until when. Or end one (--end).

    Exits with 1 when --end is refused, or the issue of a --group cannot be read, and 2 when there is no such exemption,
    account, region or group.
    """
    if output and output.startswith("s3://"):
        raise typer.BadParameter(f"{output}: a file of this machine, not S3", param_hint="'--output'")
    check_output(output)
    configuration = read_configuration(config)
    access = open_table(configuration, configuration.aws.role_name_reporting)
    configuration, sessions, table = access.config, access.sessions, access.table
    if end is not None:
        _end(configuration, sessions, table, end, reason)
        return
    accounts = _accounts(configuration, account or (), table)
    refuse_unknown_regions(region, configuration.aws.regions, lambda each: is_scanned(table, accounts, each))
    today = utc_now().date()
    rows = [
        row
        for account_id in accounts
        for row in (
            *from_file(account_id, configuration.whitelist.secgrp_unrestricted_access.get(account_id, ()), today),
            *from_table(table.decided_exemptions(account_id), today),
        )
    ]
    rows, problems = _selected(rows, table, accounts, region or (), group or ())
    _write(
        [row for row in rows if everything or not row.ended], _format(output_format, output), output, more=everything
    )
    name_problems(problems)
    if problems:
        raise typer.Exit(Exit.INCOMPLETE)


def _accounts(config: Configuration, asked_for: Sequence[str], table: IssueTable) -> list[str]:
    """The accounts that are scanned, and the others that the configuration or the whitelist names.

    People may have decided about an issue of an account before it was taken out of those that are scanned, or out of
    the configuration: such an account is there for who asks for it.

    Raises:
        NotThereError: an account that is asked for is none of these.
    """
    others = (*config.aws.named, config.aws.main_account_id, *config.whitelist.secgrp_unrestricted_access)
    every = {account_id: config.account_name(account_id) for account_id in (*config.scanned_accounts(), *others)}
    every |= known_accounts(asked_for, config, table)
    chosen = accounts_named(asked_for, every) if asked_for else every
    return [account_id for account_id in every if account_id in chosen]


def _selected(
    rows: Sequence[Row], table: IssueTable, accounts: Sequence[str], regions: Sequence[str], groups: Sequence[str]
) -> tuple[list[Row], list[str]]:
    """The rows of these regions and groups, empty: all; and why rows of such a group may be missing.

    Where an exemption names its group by VPC and name, or its group has no issue, nobody knows the region: it stays.
    Where the issue of a group cannot be read, nobody knows its VPC and name.

    Raises:
        NotThereError: a group is named by no exemption, and the table has no issue of it.
    """
    if not (regions or groups):
        return list(rows), []
    unreadable: list[UnreadableIssueError] = []
    issues = {
        (account_id, issue.issue_id): issue
        for account_id in accounts
        for issue in table.get_many(
            account_id,
            [
                name
                for name in (*groups, *(row.group for row in rows if row.account_id == account_id))
                if name.startswith("sg-")
            ],
            unreadable=unreadable.append,
        ).values()
    }
    names = {
        (account_id, name)
        for (account_id, group_id), issue in issues.items()
        if group_id in groups
        for name in (group_id, f"{issue.details.vpc_id}:{issue.details.name}")
    }
    known = {*(row.group for row in rows), *(each for _, each in issues), *(error.issue_id for error in unreadable)}
    refuse_unknown_groups([group_id for group_id in groups if group_id not in known], accounts, table)

    def is_there(row: Row) -> bool:
        issue = issues.get((row.account_id, row.group))
        region = row.region or (issue.details.region if issue else "")
        return not region or region in regions

    selected = [
        row
        for row in rows
        if (not groups or row.group in groups or (row.account_id, row.group) in names)
        and (not regions or is_there(row))
    ]
    return selected, [str(error) for error in unreadable if error.issue_id in groups]


def from_file(account_id: str, exemptions: Iterable[Exemption], today: date) -> Iterator[Row]:
    """The exemptions of the file, which have no ids of their own: by their place in it."""
    for number, exemption in enumerate(exemptions, 1):
        yield Row(
            id=f"{_FILE}/{account_id}/{number}",
            account_id=account_id,
            group=exemption.group,
            ports=_ports(exemption),
            cidrs=_cidrs(exemption),
            until=exemption.expires,
            reason=exemption.reason,
            by=exemption.author,
            source=_FILE,
            ended="" if exemption.counts_on(today) else f"its day came: {exemption.expires}",
        )


def from_table(records: Iterable[DecidedExemption], today: date) -> Iterator[Row]:
    """The exemptions that people decided. One of several sources on different ports has several rows."""
    for record in records:
        ended = record.ended or ("" if record.counts_on(today) else f"its day came: {record.until}")
        for exemption in record.exemptions():
            yield Row(
                id=record.id,
                account_id=record.account_id,
                group=record.group_id,
                ports=_ports(exemption),
                cidrs=_cidrs(exemption),
                until=record.until,
                reason=record.reason,
                by=record.by,
                source="decision",
                at=format_time(record.at) or "",
                ended=ended,
                region=record.region,
            )


def _ports(exemption: Exemption) -> tuple[str, ...]:
    if exemption.ports is None:
        return ()
    named = tuple(part for part in str(exemption.ports).split(", ") if part)
    spans = exemption.other_traffic.spans
    others = tuple(
        f"{traffic_name(first)} to {traffic_name(last)}" if first != last else traffic_name(first)
        for first, last in spans
    )
    everything = bool(spans) and spans[0][0] == WITHOUT_PORTS and len(spans) == 1 and spans[0][1] > WITHOUT_PORTS + 255
    return (*named, "every protocol without ports") if everything else (*named, *others)


def _cidrs(exemption: Exemption) -> tuple[str, ...]:
    return () if exemption.sources is None else tuple(cidrs_of(exemption.sources))


def _end(config: Configuration, sessions: Sessions, table: IssueTable, exemption_id: str, reason: str) -> None:
    """End an exemption that people decided."""
    if exemption_id.startswith(f"{_FILE}/"):
        listed = config.whitelist.secgrp_unrestricted_access.items()
        rows = [row.id for account_id, exemptions in listed for row in from_file(account_id, exemptions, date.min)]
        if exemption_id not in rows:
            raise NotThereError(f"there is no exemption {printable(exemption_id)}")
        typer.echo(f"hammer: {printable(exemption_id)} is one of the file whitelist: take it out there", err=True)
        raise typer.Exit(Exit.INCOMPLETE)
    record = exemption_of_id(table.items, exemption_id)
    if record is None:
        raise NotThereError(f"there is no exemption {printable(exemption_id)}: hammer exemptions lists them")
    today = utc_now().date()
    who = this_person(sessions)
    decisions = Decisions(table, utc_now)
    outcome, problem = None, "is gone, or what was decided about it cannot be read"
    if record.counts_on(today):
        try:
            outcome = decisions.end_exemption(record, who, reason)
        except UnreadableIssueError as error:
            problem = f"cannot be read ({error})"
    if outcome is not None:
        notify(config, sessions, table, outcome.issue)
    elif record.counts_on(today) and decisions.end_without_issue(record, who):
        typer.echo(f"hammer: note: its issue {printable(problem)}: no ticket and no message says so", err=True)
    else:
        fresh = exemption_of_id(table.items, exemption_id) or record
        how = f"{_ended(fresh.ended)} ended it" if fresh.ended else f"its day came on {fresh.until}"
        typer.echo(f"hammer: {printable(exemption_id)} is over already: {printable(how)}", err=True)
        raise typer.Exit(Exit.INCOMPLETE)
    typer.echo(f"{exemption_id} is ended: the next scan finds {record.group_id} exposed, unless it is fixed by then")


def _format(wanted: RegisterFormat | None, output: str | None) -> RegisterFormat:
    """The format: the one that is asked for, else that of the file's ending, else a table."""
    if wanted is not None or output is None:
        return wanted or RegisterFormat.TABLE
    endings = {".json": RegisterFormat.JSON, ".csv": RegisterFormat.CSV}
    return endings.get(Path(output).suffix.lower(), RegisterFormat.TABLE)


def _write(rows: Sequence[Row], output_format: RegisterFormat, output: str | None, *, more: bool) -> None:
    if output is None:
        if output_format is RegisterFormat.TABLE:
            _show(console(), rows, more=more)
        else:
            write_bytes([_text(rows, output_format, more=more).encode("utf-8")])
        return
    write_file(Path(output), [_text(rows, output_format, more=more).encode("utf-8")])
    typer.echo(f"written to {printable(output)}", err=True)


def _show(to: Console, rows: Sequence[Row], *, more: bool) -> None:
    if not rows:
        to.print("no exemption")
        return
    headings = ("id", "group", "ports", "sources", "until", "by", "source")
    added = [Column("decided"), Column("ended", wraps=True)] if more else []
    lines = []
    for row in rows:
        what = (row.id, row.group, ", ".join(row.ports) or "all", ", ".join(row.cidrs) or "all")
        who = (str(row.until or "never ends"), row.by, row.source, row.reason)
        lines.append((*what, *who, *((_shown(row.at), _ended(row.ended)) if more else ())))
    show_table(to, [*map(Column, headings), Column("reason", wraps=True), *added], lines, "Exemptions")


def _shown(time: str) -> str:
    try:
        return shown_time(parse_time(time or None))
    except ValueError:
        return time


def _ended(ended: str) -> str:
    """Who ended an exemption, and when, as the record has it; the time as people read it.

    >>> _ended("jane at home at 2026-11-30T18:56:16.364060+00:00"), _ended("its day came: 2026-12-07")
    ('jane at home at 2026-11-30 18:56 UTC', 'its day came: 2026-12-07')
    """
    who, at, time = ended.rpartition(" at ")
    return f"{who}{at}{_shown(time)}"


def _text(rows: Sequence[Row], output_format: RegisterFormat, *, more: bool) -> str:
    text = StringIO()
    listed = [row.to_json(more=more) for row in rows]
    if output_format is RegisterFormat.TABLE:
        _show(console(text), rows, more=more)
    elif output_format is RegisterFormat.JSON:
        text.write(f"{json.dumps(listed, indent=2)}\n")
    else:
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow([*_FIELDS, *(_MORE_FIELDS if more else ())])
        writer.writerows([safe_cell(_cell(value)) for value in entry.values()] for entry in listed)
    return text.getvalue()


def _cell(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
