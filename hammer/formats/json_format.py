"""`--format json` and `--format jsonl`: the list as one object, and as one object a line. Pure.

In both an issue is one line, written by the standard library's C encoder, and no more than one is in memory. `json` has
of a scan exactly the keys that the contract names; of the table's issues, and in `jsonl`, each map says more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from hammer.listing.issue import Listing, ListingSource


def pieces(listing: Listing) -> Iterator[str]:
    """The list as one JSON object, ASCII only, with a line for each issue."""
    of_scan = listing.source is ListingSource.SCAN
    yield '{\n"scanned": '
    yield from _array(row.item() for row in listing.scanned)
    yield ',\n"failed": '
    yield from _array(row.item() for row in listing.failed)
    yield ',\n"issues": '
    yield from _array(issue.scan_item() if of_scan else issue.item() for issue in listing.issues)
    yield "\n}\n"


def line_pieces(listing: Listing) -> Iterator[str]:
    """One line for each issue, ASCII only, with all that is known of it."""
    for issue in listing.issues:
        yield json.dumps(issue.item()) + "\n"


def _array(items: Iterable[Any]) -> Iterator[str]:
    between = "[\n"
    for item in items:
        yield between + json.dumps(item)
        between = ",\n"
    yield "[]" if between == "[\n" else "\n]"
