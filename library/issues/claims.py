"""Claims: that a process is telling a channel something, so that no other process tells it at the same time.

Pure. Whoever is going to tell writes its claim by a write that is conditional on the claim as it was read: of two
processes one succeeds. A process that dies leaves its claim behind; after `CLAIMED_FOR` another may take it over.
Without claims, two processes both look for their comment in a ticket, both find none, and both write it.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from library.issues.times import format_time, stored_time

CLAIMED_FOR = timedelta(minutes=10)
"""How long nobody else tells what a process has claimed: longer than JIRA and Slack take with all retries."""

_RELEASED = "released"


def is_held(since: datetime | None, now: datetime) -> bool:
    """Whether a claim made then still counts. One in the future, of a clock that was wrong, does not count for ever."""
    return since is not None and abs(now - since) < CLAIMED_FOR


def new_claim(now: datetime) -> str:
    """The text of a claim, which no other process writes: its time and a token.

    >>> claimed_at(new_claim(datetime.fromisoformat("2026-11-22T03:00:00+00:00"))).isoformat()
    '2026-11-22T03:00:00+00:00'
    """
    return f"{format_time(now)} {uuid.uuid4().hex}"


def released(claim: str) -> str:
    """What is kept of a claim that was given back: whoever read the text before it was made sees that it changed.

    >>> released("2026-11-22T03:00:00+00:00 5b10")
    'released 5b10'
    """
    return f"{_RELEASED} {claim.rpartition(' ')[2]}"


def claimed_at(claim: str) -> datetime | None:
    """When a claim was made; None: there is none, it was given back, or the text is none."""
    return stored_time(claim.partition(" ")[0])
