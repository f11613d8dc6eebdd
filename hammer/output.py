"""How `hammer scan` and `hammer issues` list: the options that they share, and where the list goes.

A list goes to standard output, a file, or an object in S3.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePath
from stat import S_IMODE
from typing import TYPE_CHECKING, Annotated

import typer

from hammer.formats import Format, pieces
from hammer.listing.issue import Listing, Sort, Wanted
from library.documents.text import printable
from library.issues.issue import Status
from library.issues.reachability import Severity
from library.jobs.command_line import Exit
from library.network.ports import PortSet

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

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
FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format", "-f", help="How to print the issues. By default as the ending of --output says, else as a table."
    ),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Write to this file, or to s3://bucket/key; its ending says the format."
    ),
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


_ENDINGS = {
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".md": Format.MARKDOWN,
    ".sarif": Format.SARIF,
}


def chosen_format(asked: Format | None, output: str | None) -> Format:
    """The format that is asked for, else the one that the ending of a place names, else a table.

    >>> chosen_format(None, "report.html").value, chosen_format(None, "s3://bucket/a.CSV").value
    ('html', 'csv')
    """
    return asked or _ENDINGS.get(PurePath(output or "").suffix.lower(), Format.TABLE)


_S3 = "s3://"
_CONTENT_TYPES = {
    Format.TABLE: "text/plain; charset=utf-8",
    Format.JSON: "application/json",
    Format.JSONL: "application/x-ndjson",
    Format.CSV: "text/csv; charset=utf-8",
    Format.HTML: "text/html; charset=utf-8",
    Format.ASFF: "application/json",
    Format.OCSF: "application/json",
    Format.MARKDOWN: "text/markdown; charset=utf-8",
    Format.SARIF: "application/sarif+json",
}


def check_output(output: str | None) -> None:
    """Find out before the work begins whether a place can be written to.

    Raises:
        BadParameter: it cannot.
    """
    if output is None:
        return
    if output.startswith(_S3):
        bucket, _, key = output.removeprefix(_S3).partition("/")
        if not bucket or not key or key.endswith("/"):
            raise typer.BadParameter(f"{output}: write s3://bucket/key", param_hint="'--output'")
        return
    path = Path(output)
    if path.is_dir() or not path.parent.is_dir():
        reason = "is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise typer.BadParameter(f"{output}: {reason}", param_hint="'--output'")
    try:
        if _is_replaced(path):
            tempfile.TemporaryFile(dir=path.resolve().parent).close()
    except OSError as error:
        reason = f"cannot write there: {error.strerror}"
        raise typer.BadParameter(f"{output}: {reason}", param_hint="'--output'") from error


def write(listing: Listing, output_format: Format, output: str | None, s3: Callable[[], S3Client]) -> None:
    """Write a list to a file, whole or not at all, to `s3://bucket/key`, or to standard output.

    S3's client is made only for a place there.

    Raises:
        Exit: the file could not be written, and standard error says why.
        ClientError, BotoCoreError: S3 did not take it.
    """
    if output is None and output_format is Format.TABLE:
        from hammer.formats.table_format import console, show

        show(console(), listing)
        return
    data = (piece.encode("utf-8") for piece in pieces(output_format, listing))
    if output is None:
        write_bytes(data)
    elif output.startswith(_S3):
        bucket, _, key = output.removeprefix(_S3).partition("/")
        s3().put_object(Bucket=bucket, Key=key, Body=b"".join(data), ContentType=_CONTENT_TYPES[output_format])
    else:
        try:
            write_file(Path(output), data)
        except OSError as error:
            print(f"hammer: {printable(output)} could not be written: {error.strerror}", file=sys.stderr)
            raise typer.Exit(Exit.INCOMPLETE) from error
    if output is not None:
        count = f"{len(listing.open_issues):,} open{' of what was asked for' if listing.filtered else ''}"
        print(f"wrote {printable(output)} ({output_format}): {count}", file=sys.stderr)


def write_bytes(data: Iterable[bytes]) -> None:
    """Write to standard output. Bytes, so that line ends stay as they are and no encoding lacks a character."""
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.writelines(piece.decode("utf-8") for piece in data)
    else:
        for piece in data:
            buffer.write(piece)
        buffer.flush()


def _is_replaced(path: Path) -> bool:
    """Whether a new file takes a path's place. A device or a pipe, such as /dev/stdout, is written to instead."""
    return path.is_file() or not path.exists()


def _mode(path: Path) -> int:
    """The mode of a file to write: as before if it is there, else as other files are: mkstemp's are its owner's."""
    if path.exists():
        return S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def write_file(path: Path, data: Iterable[bytes]) -> None:
    """Write a file, whole or not at all.

    Raises:
        OSError: it could not be written.
    """
    if not _is_replaced(path):
        with path.open("wb") as device:
            device.writelines(data)
        return
    path = path.resolve()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(data)
        Path(name).chmod(_mode(path))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
