"""Answers of several pages, of which one may be throttled; queues that take a part of a batch only.

`pages`: a describe of groups or rules has two pages, read at two times; each is a call of its own, which may fail and
be late. Nobody promises that the second page fits the first one.

`Unreliable` is for histories of events (`event_histories.py`): the topic and the queue name entries of a batch as
`Failed`, and messages that were received too often wait in the dead letter queue until somebody redrives it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.world import World

PAGED = {"describe_security_groups": "SecurityGroups", "describe_security_group_rules": "SecurityGroupRules"}
"""The operations with pages, and what their answers list."""


@contextmanager
def pages(world: World) -> Iterator[None]:
    """Have answers of two pages."""
    world.is_paged = True
    yield


def page(listed: list[Any], after: str) -> tuple[list[Any], str]:
    """The page of an answer that begins after a group, and the last group on it; empty: no page follows.

    Args:
        listed: the whole answer, ordered by the groups' ids, as it is when the page is asked for.
        after: the last group of the page before; empty: there was none.
    """
    left = [each for each in listed if each["GroupId"] > after]
    ids = sorted({each["GroupId"] for each in left})
    if after or len(ids) < 2:
        return left, ""
    last = ids[len(ids) // 2 - 1]
    return [each for each in left if each["GroupId"] <= last], last


class Unreliable:
    """What a topic or queue does not take, drawn from a seed of its own.

    Args:
        seed: of the history.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(f"unreliable {seed}")  # noqa: S311 - a simulation, not a secret
        self._often = self._random.choice([0.0, 0.0, 0.1, 0.3])

    def failed(self, entries: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The entries of a batch that are not taken, as the answer names them."""
        return [
            {"Id": entry["Id"], "Code": "InternalError", "Message": "try again", "SenderFault": False}
            for entry in entries
            if self._random.random() < self._often
        ]

    def redriven_after(self) -> float:
        """How long messages wait in a dead letter queue, in seconds."""
        return self._random.uniform(600, 7200)
