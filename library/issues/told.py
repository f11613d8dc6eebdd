"""What events told about one group, as it is kept from one look to the next. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from library.issues.opening_calls import OpeningCall


@dataclass(frozen=True, slots=True)
class Told:
    """What events told about one group.

    Attributes:
        openings: the calls that opened something in it.
        expected: what EC2 must show because of calls, as texts that begin with the times of the calls. What they mean
            is the caller's.
    """

    openings: Sequence[OpeningCall] = ()
    expected: Collection[str] = ()
