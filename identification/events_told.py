"""What events told about the groups of a look: those that led to it, and those that came before.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from identification.expected_changes import ExpectedChange, awaited
from library.issues.told import Told

if TYPE_CHECKING:
    from identification.scan_targets import ScanTarget
    from library.issues.opening_calls import OpeningCall


class EventsTold:
    """What is known about each group.

    Args:
        target: carries what the look's own events told.
        now: the time in UTC.

    Attributes:
        openings: the calls that opened something, by group id.
        expected: what EC2 must show, by group id.
    """

    def __init__(self, target: ScanTarget, now: datetime) -> None:
        self._now = now
        self._own: dict[str, list[ExpectedChange]] = {}
        for group_id, change in target.expected:
            if change.is_young(now):
                self._own.setdefault(group_id, []).append(change)
        self._own_openings: dict[str, list[OpeningCall]] = {}
        for group_id, opening in target.openings:
            self._own_openings.setdefault(group_id, []).append(opening)
        self.openings: dict[str, Sequence[OpeningCall]] = {}
        self.expected: dict[str, Sequence[ExpectedChange]] = {}

    def own(self) -> dict[str, Told]:
        """What the look's own events told, to be kept."""
        return {
            group_id: Told(
                self._own_openings.get(group_id, ()),
                frozenset(change.to_text() for change in self._own.get(group_id, ())),
            )
            for group_id in sorted(self._own.keys() | self._own_openings.keys())
        }

    def learn(self, known: Mapping[str, Told]) -> dict[str, list[str]]:
        """Take in all that is kept about groups. Returns what of it is to be forgotten, by group id."""
        self.learn_openings(known)
        old: dict[str, list[str]] = {}
        for group_id, told in known.items():
            if changes := self.awaited(group_id, told):
                self.expected[group_id] = changes
            read = {text: ExpectedChange.from_text(text) for text in told.expected}
            old[group_id] = [text for text, change in read.items() if not (change and change.is_young(self._now))]
        return old

    def learn_openings(self, known: Mapping[str, Told]) -> None:
        """Take in who opened groups."""
        self.openings |= {group_id: told.openings for group_id, told in known.items() if told.openings}

    def awaited(self, group_id: str, told: Told) -> Sequence[ExpectedChange]:
        """What EC2 must show of a group about which this is kept."""
        kept = filter(None, map(ExpectedChange.from_text, told.expected))
        return awaited(self._own.get(group_id, ()), kept, self._now)
