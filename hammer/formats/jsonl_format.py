"""`--format jsonl`: one JSON object a line for each issue, with all that is known of it. Pure."""

from __future__ import annotations

import json

from hammer.listing.issue import Listing


def render(listing: Listing) -> str:
    """One line for each issue, ASCII only."""
    return "".join(json.dumps(issue.item()) + "\n" for issue in listing.issues)
