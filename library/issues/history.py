"""The history of an issue: when a group was exposed before, and that it is opened again and again.

Pure. Texts are untrusted input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from library.issues.opening_calls import OpenedBy
from library.issues.times import format_time, parse_time

KEPT = 10
"""Past occurrences of an issue that are kept: enough to see a pattern."""

WINDOW = timedelta(days=7)
"""How far back a re-opening counts."""


@dataclass(frozen=True, slots=True)
class PastOccurrence:
    """One time that a group was exposed.

    Attributes:
        identified: when that was seen, in UTC; None: it is not known.
        resolved: when it was seen to be over, in UTC.
        principal: who opened it; empty: nobody knows.
        remediated: when Hammer closed it, in UTC; None: somebody else did.
        source: what defined what was open, as `library.source.location` has it; empty: nobody knows.
    """

    identified: datetime | None
    resolved: datetime
    principal: str = ""
    remediated: datetime | None = None
    source: str = ""

    def to_item(self) -> dict[str, str | None]:
        """As a member of the issue's `history`."""
        return {
            "identified": format_time(self.identified),
            "resolved": format_time(self.resolved),
            "principal": self.principal,
            **({"remediated": format_time(self.remediated)} if self.remediated else {}),
            **({"source": self.source} if self.source else {}),
        }


def history_from_item(item: object) -> tuple[PastOccurrence, ...]:
    """An issue's `history`. What is malformed is left out: it only informs people."""
    found: list[PastOccurrence] = []
    for past in item if isinstance(item, list) else ():
        try:
            resolved = parse_time(past["resolved"])
            if resolved:
                remediated, source = parse_time(past.get("remediated")), str(past.get("source") or "")
                begun = parse_time(past["identified"])
                found.append(PastOccurrence(begun, resolved, str(past["principal"]), remediated, source))
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
    return tuple(found)


def reopenings(history: Sequence[PastOccurrence], now: datetime) -> int:
    """How often an issue that is open now was opened again lately."""
    return sum(1 for past in history if now - past.resolved <= WINDOW)


def reopeners(history: Sequence[PastOccurrence], opened_by: OpenedBy | None, now: datetime) -> tuple[str, ...]:
    """Who opened an issue lately that is open now, each once, the first first. Untrusted input.

    `history` are its past occurrences; `opened_by` is who opened it this time, None: nobody knows.
    """
    names = [past.principal for past in history if now - past.resolved <= WINDOW]
    return tuple(dict.fromkeys(filter(None, [*names, opened_by.principal if opened_by else ""])))


FLAPS = 2
"""Re-openings within the window after which closing the group again will not last."""


def is_flapping(history: Sequence[PastOccurrence], now: datetime) -> bool:
    """Whether an issue that is open now was opened again so often lately that somebody must find out why."""
    return reopenings(history, now) >= FLAPS


def flapping_text(history: Sequence[PastOccurrence], now: datetime, manager: str) -> str:
    """How often a group was opened again lately and what manages it, in words; empty: it was not."""
    again = reopenings(history, now)
    if not again:
        return ""
    by = f"; it is managed by {manager}, which may open it again" if manager else ""
    return f"opened again {again} times in {WINDOW.days} days{by}"
