"""The formats in which issues are listed: a module for each, all over the same `Listing`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from importlib import import_module

from hammer.formats import json_format
from hammer.listing.issue import Listing


class Format(StrEnum):
    """A format, as `--format` names it."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    HTML = "html"
    ASFF = "asff"
    OCSF = "ocsf"
    MARKDOWN = "markdown"
    SARIF = "sarif"


def pieces(output_format: Format, listing: Listing) -> Iterator[str]:
    """A list as text, a piece at a time, so that a long one is never in memory as a whole.

    Where `table` goes to a terminal, whose width it has, that is `hammer.formats.table_format.show`.

    Raises:
        ImportError: a package that the format needs is not installed.
    """
    if output_format is Format.JSONL:
        return json_format.line_pieces(listing)
    module = import_module(f"hammer.formats.{output_format}_format")
    write: Callable[[Listing], Iterator[str]] = module.pieces
    return write(listing)


def render(output_format: Format, listing: Listing) -> str:
    """A whole list as one text. Raises what `pieces` raises."""
    return "".join(pieces(output_format, listing))
