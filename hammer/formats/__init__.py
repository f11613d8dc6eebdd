"""The formats in which issues are listed: one module each, all over the same `Listing`."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from importlib import import_module

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


def render(output_format: Format, listing: Listing) -> str:
    """A whole list as text. Not for `table`, whose width is that of a terminal: `hammer.formats.table.show`.

    Raises:
        ImportError: a package that the format needs is not installed.
    """
    module = import_module(f"hammer.formats.{output_format}_format")
    write: Callable[[Listing], str] = module.render
    return write(listing)
