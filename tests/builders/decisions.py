"""Decisions of people, as a channel hands them on."""

from __future__ import annotations

from datetime import datetime

from library.issues.decision_record import DecisionKind, Via
from library.issues.decision_rules import Request, Rights, seen_now
from library.issues.issue import Issue


def pressed_restore(issue: Issue, by: str, at: datetime) -> Request:
    """Somebody who may presses Restore in Slack."""
    return Request(
        kind=DecisionKind.RESTORE,
        by=by,
        via=Via.SLACK,
        at=at,
        seen=seen_now(issue),
        rights=Rights(restores=True),
        key="a press",
    )
