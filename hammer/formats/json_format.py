"""`--format json`: one object. Pure.

Of a scan exactly what the contract names; of the table's issues each map says more.
"""

from __future__ import annotations

from collections.abc import Iterator

from hammer.formats.indented_json import pieces_of_lists
from hammer.listing.issue import Listing, ListingSource


def pieces(listing: Listing) -> Iterator[str]:
    """The list as one JSON object, ASCII only."""
    of_scan = listing.source is ListingSource.SCAN
    yield from pieces_of_lists(
        {
            "scanned": (row.item() for row in listing.scanned),
            "failed": (row.item() for row in listing.failed),
            "issues": (issue.scan_item() if of_scan else issue.item() for issue in listing.issues),
        }
    )
    yield "\n"
