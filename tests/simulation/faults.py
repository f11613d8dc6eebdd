"""What goes wrong at a call, drawn from the seed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from random import Random


class Fault(Enum):
    """What goes wrong at one call."""

    NONE = auto()
    REFUSED = auto()  # throttled, or failed before it had an effect
    LOST = auto()  # done, but the answer never came
    REPEATED = auto()  # the SDK sent it again after an answer that never came
    KILLED_BEFORE = auto()
    KILLED_AFTER = auto()


@dataclass(slots=True)
class Faults:
    """Draws faults.

    Attributes:
        random: the seed's.
        refused: how likely a call fails before it has an effect.
        lost: how likely its answer is lost.
        repeated: how likely it is done twice.
        killed: how likely the process ends there.
    """

    random: Random
    refused: float = 0.0
    lost: float = 0.0
    repeated: float = 0.0
    killed: float = 0.0

    def draw(self, *, writes: bool, can_be_killed: bool = True) -> Fault:
        """The fault of the next call.

        Args:
            writes: whether the call has an effect. Answers of others are never lost: that is as if they were refused.
            can_be_killed: whether its process may end.
        """
        chance = self.random.random()
        for fault, likely in (
            (Fault.REFUSED, self.refused),
            (Fault.LOST, self.lost if writes else 0.0),
            (Fault.REPEATED, self.repeated if writes else 0.0),
            (Fault.KILLED_BEFORE, self.killed / 2 if can_be_killed else 0.0),
            (Fault.KILLED_AFTER, self.killed / 2 if can_be_killed and writes else 0.0),
        ):
            if chance < likely:
                return fault
            chance -= likely
        return Fault.NONE
