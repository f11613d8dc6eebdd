"""`--format jsonl`: one JSON object a line for each issue, with all that is known of it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hammer.listing.issue import Listing


def pieces(listing: Listing) -> Iterator[str]:
    """One line for each issue, ASCII only."""
    for issue in listing.issues:
        yield json.dumps(issue.item()) + "\n"
