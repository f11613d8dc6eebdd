"""A virtual clock, and actors that run one at a time and change places at every call of AWS, JIRA or Slack.

Each actor is a thread, of which exactly one runs. When it calls something it waits until all others have run whose turn
is before its own. How long a call takes is drawn from the seed, so the seed alone decides the order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from random import Random
from typing import Any

_KEEPS_A_LOCK_S = 300.0  # a call that takes longer may have its run lose the lock


def _closed() -> Any:
    """A gate that one thread opens for another: `release` opens it once, `acquire` waits for that."""
    gate = threading.Lock()
    gate.acquire()
    return gate


class KilledError(BaseException):
    """The actor's process ended here. No `Exception`: nothing that handles failures may swallow it."""


@dataclass(eq=False)
class Actor:
    """One run of a job, or one person.

    Attributes:
        name: for the history.
        wakes: when it goes on, in virtual seconds.
        skew: how many seconds its machine's clock is ahead.
        is_killed: whether its process has ended, so that whatever it still does has no effect.
        error: what its work raised.
        trouble: the last step at which a call of its failed, or took longer than it can keep a lock.
    """

    name: str
    work: Callable[[], object]
    wakes: float
    skew: float = 0.0
    is_killed: bool = False
    is_person: bool = False
    error: BaseException | None = None
    trouble: int = -1
    is_done: bool = False
    gate: Any = field(default_factory=_closed)
    facts: dict[str, Any] = field(default_factory=dict)


class Scheduler:
    """Runs actors in the order of their virtual time.

    Args:
        random: decides how long calls take.
    """

    def __init__(self, random: Random) -> None:
        self.now = 0.0
        self.current: Actor | None = None
        self.steps = 0
        self._random = random
        self._actors: list[Actor] = []
        self._back = _closed()
        self._latency: Callable[[], float] = lambda: 0.05

    def set_latency(self, latency: Callable[[], float]) -> None:
        """How many virtual seconds a call takes from now on."""
        self._latency = latency

    def add(self, actor: Actor) -> Actor:
        """Let an actor begin when its time has come."""
        self._actors.append(actor)
        return actor

    def run(self) -> None:
        """Run until every actor has ended. Raises what no job may raise."""
        while self._actors:
            actor = self._first()
            self.now = max(self.now, actor.wakes)
            self.current = actor
            if "thread" in actor.facts:
                actor.gate.release()
            else:
                thread = threading.Thread(target=self._run, args=(actor,), daemon=True)
                actor.facts["thread"] = thread
                thread.start()
            self._back.acquire()
            self.current = None
            if actor.is_done:
                self._actors.remove(actor)
                actor.facts["thread"].join()

    def _first(self) -> Actor:
        return min(self._actors, key=attrgetter("wakes"))

    def _run(self, actor: Actor) -> None:
        try:
            actor.work()
        except BaseException as error:  # noqa: BLE001 - judged by the world, which knows what a job may raise
            actor.error = error
        actor.is_done = True
        self._back.release()

    def step(self) -> None:
        """Let the others run: called before everything that an actor calls."""
        self.steps += 1
        seconds = self._latency()
        if self.current and seconds > _KEEPS_A_LOCK_S:
            self.current.trouble = self.steps
        self.sleep(seconds)

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass for the actor that runs."""
        actor = self.current
        if actor is None:  # the world itself, before and after
            self.now += seconds
            return
        if actor.is_killed:
            raise KilledError
        actor.wakes = self.now + max(seconds, 0.0)
        if self._first() is actor:  # it goes on: no change of threads, which is most of what a history costs
            self.now = actor.wakes
            return
        self._back.release()
        actor.gate.acquire()
        if actor.is_killed:
            raise KilledError
