"""Scans that cross, in one process: EC2 that shows changes late, and a seeded scheduler whose steps are seconds.

Each actor is a thread of which exactly one runs at a time. At every call of AWS it stops, and the scheduler, by its
seed, picks who goes on. So a seed always gives the same history.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from types import SimpleNamespace
from typing import Any

import pytest

from identification import event_hints as hints_module
from identification import scan as scan_module
from identification.messages import ScanTarget
from identification.scan import RegionScan, scan
from library.aws.issue_table import IssueTable
from library.errors import ConflictError
from library.issues.issue import IssueDetails
from library.issues.opening_calls import OpeningCall
from library.issues.reconcile import Detection
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exposure import Evaluator, Exposure
from tests.worlds.memory_items import MemoryItems

ACCOUNT, REGION = "210987654321", "eu-west-1"
START = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
LAG = 60  # EC2 shows a change so many steps later, at most

SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
RDP = Exposure("tcp", 3389, 3389, "8.8.8.0/24", "open_partly")
State = tuple[Exposure, ...]


class _Serial:
    """In place of a pool of threads: does at once what it is given."""

    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> _Serial:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            result = function(*arguments)
        except Exception as error:  # noqa: BLE001 - as a pool does
            return SimpleNamespace(result=lambda error=error: (_ for _ in ()).throw(error))
        return SimpleNamespace(result=lambda: result)


@dataclass
class Ec2:
    """Groups and their histories: (when, what they expose); a group that was deleted exposes nothing and is gone."""

    histories: dict[str, list[tuple[int, State]]] = field(default_factory=dict)

    def change(self, group_id: str, when: int, state: State) -> None:
        self.histories.setdefault(group_id, [(-LAG, ())]).append((when, state))

    def at(self, group_id: str, when: int) -> State:
        return [state for at, state in self.histories.get(group_id, [(-LAG, ())]) if at <= when][-1]


class Schedule:
    """One seeded history.

    Args:
        seed: of every choice.
        monkeypatch: puts this EC2 and scheduler in the place of AWS.
        group_ids: the groups that there are.
    """

    def __init__(self, seed: int, monkeypatch: pytest.MonkeyPatch, group_ids: Sequence[str]) -> None:
        self.random = random.Random(seed)  # noqa: S311
        self.ec2 = Ec2()
        self.group_ids = group_ids
        self.step = 0
        self.items = MemoryItems(self.pause)
        self._waiting: dict[threading.Thread, threading.Semaphore] = {}
        self._at: dict[threading.Thread, str] = {}
        self._back = threading.Semaphore(0)
        self._errors: list[BaseException] = []
        for module in (scan_module, hints_module):
            monkeypatch.setattr(module, "ThreadPoolExecutor", _Serial)
        monkeypatch.setattr(scan_module, "scan_region", self._scan_region)
        monkeypatch.setattr(scan_module, "backfill_index", lambda *_: None)

    @property
    def runtime(self) -> Any:
        section = SimpleNamespace(owner_tags=SimpleNamespace(keys=()))
        table = IssueTable.__new__(IssueTable)
        table.items = self.items  # type: ignore[assignment]
        return SimpleNamespace(
            table=table,
            sessions=None,
            config=SimpleNamespace(secgrp_unrestricted_access=section, exemptions=lambda _: ()),
            evaluator=lambda: Evaluator(PortSet.parse([22, 3389]), AddressSet()),
            now=self.now,
            sleep=self.sleep,
        )

    def sleep(self, seconds: float) -> None:
        """Let time pass. Outside of an actor nobody else lets it."""
        if threading.current_thread() in self._waiting:
            self.wait(ceil(seconds))
        else:
            self.step += ceil(seconds)

    def now(self) -> datetime:
        """The time, in UTC: a step is a second. Scans of one second have the same time."""
        return START + timedelta(seconds=self.step)

    def _scan_region(self, *arguments: Any, **_: Any) -> RegionScan:
        """Every group is read at a time of its own, and each time shows EC2 as it was up to `LAG` steps ago."""
        group_ids = arguments[6] or self.group_ids
        found = RegionScan(groups=1 + len(group_ids))
        for group_id in group_ids:
            self.pause()
            state = self.ec2.at(group_id, self.step - self.random.randrange(LAG))
            if state:
                details = IssueDetails("web", REGION, "vpc-1", state[0].status, {}, state)
                found.detections.append(Detection(ACCOUNT, group_id, details, whitelisted=False))
        return found

    def start(self, actor: Callable[[], None]) -> None:
        """Let an actor take part."""
        go = threading.Semaphore(0)

        def run() -> None:
            go.acquire()
            try:
                actor()
            except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
                self._errors.append(error)
            del self._waiting[threading.current_thread()]
            self._back.release()

        thread = threading.Thread(target=run, daemon=True)
        self._waiting[thread] = go
        thread.start()

    def pause(self, operation: str = "") -> None:
        """Where another actor may come in between. Outside of an actor it is none."""
        self._at[threading.current_thread()] = operation
        go = self._waiting.get(threading.current_thread())
        if go is not None:
            self._back.release()
            go.acquire()

    def wait(self, steps: int) -> None:
        """Let at least so many steps pass."""
        until = self.step + steps
        while self.step < until:
            self.pause()

    def run(self) -> None:
        """Run until every actor has ended."""
        held: dict[threading.Thread, int] = {}
        while self._waiting:
            self.step += self.random.choice((1, 1, 1, 5))
            able = [actor for actor in self._waiting if held.get(actor, 0) <= self.step]
            if not able:
                self.step = min(held[actor] for actor in self._waiting)
                continue
            actor = self.random.choice(able)
            self._waiting[actor].release()
            self._back.acquire()
            if self._errors:
                raise self._errors[0]
            # A slow machine, a throttled call: for so long that others begin and end in the meantime. It matters most
            # where a decision is about to be written.
            if self.random.random() < (0.4 if self._at.get(actor) in ("put", "update", "transact") else 0.05):
                held[actor] = self.step + self.random.randrange(6 * LAG)

    def scan(
        self,
        *group_ids: str,
        calls: Sequence[tuple[str, OpeningCall]] = (),
        events: Sequence[tuple[str, datetime]] = (),
    ) -> None:
        """A scan, again and again while others are faster, as SQS and SNS bring a message again."""
        while True:
            try:
                scan(ScanTarget(ACCOUNT, REGION, group_ids, tuple(calls), tuple(events)), self.runtime)
            except ConflictError:
                self.pause()
            else:
                return

    def issue(self, group_id: str) -> dict[str, Any]:
        """An item of the table."""
        return dict(self.items.items[ACCOUNT, group_id])

    def details(self) -> dict[str, Any]:
        """The open and whitelisted issues, and their details."""
        return {
            item["issue_id"]: (item["status"], item["issue_details"])
            for item in self.items.items.values()
            if item["issue_id"].startswith("sg-") and item["status"] in ("open", "whitelisted")
        }

    def exposed(self) -> dict[str, Any]:
        """The open issues of the table, and what they expose."""
        return {
            item["issue_id"]: item["issue_details"]["perms"]
            for item in self.items.items.values()
            if item["issue_id"].startswith("sg-") and item["status"] == "open"
        }

    def truth(self) -> dict[str, Any]:
        """What EC2 has, whatever it shows."""
        states = {group_id: self.ec2.at(group_id, self.step) for group_id in self.group_ids}
        return {
            group_id: IssueDetails("web", REGION, "vpc-1", state[0].status, {}, state).to_item()["perms"]
            for group_id, state in states.items()
            if state
        }
