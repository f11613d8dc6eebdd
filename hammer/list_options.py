"""The options that `hammer scan` and `hammer issues` share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from hammer.formats import Format
from hammer.listing.selection import Sort, Wanted
from library.issues.issue import Status
from library.issues.reachability import Severity
from library.network.ports import PortSet

SeverityOption = Annotated[
    list[Severity] | None,
    typer.Option("--severity", metavar=f"<{'|'.join(Severity)}>", help="Only issues of this severity. Repeatable."),
]
PortOption = Annotated[
    list[str] | None,
    typer.Option(
        "--port", metavar="PORT", help="Only issues that expose this port: 22, 8000-8100, udp/161. Repeatable."
    ),
]
OwnerOption = Annotated[
    list[str] | None, typer.Option("--owner", metavar="NAME", help="Only issues of this owner. Repeatable.")
]
SortOption = Annotated[
    Sort | None,
    typer.Option("--sort", help="The order. By default severity for table and html, account for other formats."),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to print the issues.")]
OutputOption = Annotated[
    str | None,
    typer.Option("--output", metavar="FILE", help="Write to this file, or to s3://bucket/key, instead of printing."),
]


def wanted(
    severities: Iterable[Severity] | None,
    ports: Iterable[str] | None,
    owners: Iterable[str] | None,
    statuses: Iterable[Status] = (),
) -> Wanted:
    """Which issues the options ask for.

    Raises:
        BadParameter: `--port` names no port.
    """
    try:
        chosen_ports = PortSet.parse(ports or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'--port'") from error
    return Wanted(frozenset(severities or ()), chosen_ports, frozenset(owners or ()), frozenset(statuses))


def order(sort: Sort | None, output_format: Format) -> Sort:
    """The order that is asked for, or the format's own."""
    return sort or (Sort.SEVERITY if output_format in (Format.TABLE, Format.HTML) else Sort.ACCOUNT)
