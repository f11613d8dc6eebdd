"""People who decide while EC2 lags, groups are scanned and remediated, and processes die.

With a retention of 21 days nothing is due by its date within the hour that things go wrong: what Hammer takes away
then, somebody decided to close, and it is nothing that somebody exempted before the run began. In the end every
exemption is ended, the retention is over, and what `run.py` says of a world at rest holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

from library.aws.decision_store import Decisions, exemption_records
from library.aws.issue_table import IssueTable, read_issue
from library.config.models import limits_of
from library.issues.decision_record import DecisionKind, Via
from library.issues.decision_rules import Request, Rights, seen_now
from library.issues.issue import Issue, Status
from library.security_groups.exposure import ExposureKey, exposure_key
from tests.simulation import jobs
from tests.simulation.access import Cell, cells, cells_of, exposed
from tests.simulation.actors import add_actor
from tests.simulation.storage import EPOCH

if TYPE_CHECKING:
    from tests.simulation.ec2 import Rule
    from tests.simulation.scheduler import Actor
    from tests.simulation.world import World

_RETENTION_DAYS = 21
_CHAOS_S = 3600.0
_KINDS = (DecisionKind.CLOSE_NOW, DecisionKind.CLOSE_NOW, DecisionKind.EXEMPT, DecisionKind.NOT_MINE)
_RIGHTS = Rights(decides=True, extends=True, restores=True)
_plain = TypeDeserializer().deserialize


@contextmanager
def deciding(world: World) -> Iterator[None]:
    """Let people decide, and watch what is done about it."""
    world.settings.retention = _RETENTION_DAYS
    people = People(world)
    world.watchers.append(people.watch)
    random, begin = world.random, world.now
    for number in range(random.randint(4, 14)):
        seen_at = begin + random.uniform(0, _CHAOS_S)
        delayed = random.choice([0.0, 5.0, 300.0, 1800.0])
        add_actor(world, f"reads {number}", seen_at, partial(people.see, number), is_person=True)
        # Slack may give a press to each of two processes, and twice.
        for copy in range(random.choice([1, 1, 2, 3])):
            at = seen_at + delayed + random.uniform(0, 10)
            people.presses.append(add_actor(world, f"press {number}.{copy}", at, partial(people.press, number)))
    add_actor(world, "the end", begin + _CHAOS_S + 400, people.end, is_person=True)
    yield
    people.check()


@dataclass
class Wish:
    """What somebody wants, of an issue as the person saw it."""

    issue: Issue
    kind: DecisionKind
    until_days: int

    @property
    def exposures(self) -> frozenset[ExposureKey]:
        return frozenset(map(exposure_key, self.issue.details.perms))


@dataclass
class People:
    """Who decides what, and what must hold then."""

    world: World
    wishes: dict[int, Wish] = field(default_factory=dict)
    presses: list[Actor] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    is_over: bool = False
    _added: set[str] = field(default_factory=set)

    def see(self, number: int) -> None:
        """Somebody reads the message of an issue, and makes up their mind."""
        known = [
            {name: _plain(value) for name, value in item.items()}
            for (_, issue_id), item in sorted(self.world.table.items.items())
            if issue_id.startswith("sg-") and "issue_details" in item
        ]
        issues = [issue for issue in map(read_issue, known) if issue.status.is_exposed]
        if issues:
            issue, kind = self.world.random.choice(issues), self.world.random.choice(_KINDS)
            self.wishes[number] = Wish(issue, kind, self.world.random.randint(1, 7))

    def press(self, number: int) -> None:
        """A process gets the press."""
        wish = self.wishes.get(number)
        if wish is None:
            return
        now, config = self.world.clock(), self.world.settings.configuration()
        request = Request(
            kind=wish.kind,
            by=f"U{number}",
            via=Via.SLACK,
            at=now,
            seen=seen_now(wish.issue),
            rights=_RIGHTS,
            reason=f"because of {number}, really" if wish.kind is DecisionKind.EXEMPT else "",
            until=now.date() + timedelta(days=wish.until_days) if wish.kind is DecisionKind.EXEMPT else None,
            owner=f"owner{number}" if wish.kind is DecisionKind.NOT_MINE else "",
            key=f"press {number}",
        )
        issue = wish.issue
        table = IssueTable(self.world.sessions.client("dynamodb"), jobs.TABLE)
        outcome = Decisions(table, self.world.clock).carry_out(
            issue.account_id, issue.issue_id, request, limits_of(config, issue.account_id)
        )
        if outcome is not None and not outcome.repeated:
            self.world.note(f"   {request.by} {wish.kind} {issue.issue_id}: {outcome.decision.result}")

    def watch(
        self, account_id: str, operation: str, group_id: str, added: tuple[Rule, ...], removed: tuple[Rule, ...]
    ) -> None:
        """A group is changed."""
        del operation
        world, actor = self.world, self.world.scheduler.current
        if self.is_over or actor is None or actor.is_person or actor.facts.get("restores"):
            return
        self._added.update(rule.rule_id for rule in added)
        theirs = [rule for rule in removed if rule.rule_id not in self._added]
        taken = exposed(cells(theirs)) - self._decided(account_id, group_id)
        world.check(not taken, f"{group_id}: nobody decided to close {sorted(taken)}")
        exempt = self._exempt(group_id, actor)
        for rule in theirs:
            opens = exposed(cells([rule]))
            world.check(not opens or not opens <= exempt, f"{group_id}: {rule} is closed, and somebody exempted it")

    def _decided(self, account_id: str, group_id: str) -> frozenset[Cell]:
        """What somebody decided to close, of a group."""
        item = self.world.table.items.get((account_id, group_id), {})
        issue = read_issue({name: _plain(value) for name, value in item.items()})
        done = {this.by for this in issue.decided.decisions if this.is_done and this.kind is DecisionKind.CLOSE_NOW}
        wishes = [wish for number, wish in self.wishes.items() if f"U{number}" in done]
        return frozenset().union(*(_cells(wish.exposures) for wish in wishes))

    def _exempt(self, group_id: str, actor: Actor) -> frozenset[Cell]:
        """What was exempt, of a group, before a run began, by any clock."""
        begun = actor.facts["begins"] - 2 * self.world.skew - 1
        counting = [
            record
            for record in self._records()
            if record.group_id == group_id and not record.ended and (record.at - EPOCH).total_seconds() < begun
        ]
        return frozenset().union(*(_cells(record.exposures) for record in counting))

    def _records(self) -> list[Any]:
        return [
            record
            for account_id in self.world.ec2
            for record in exemption_records(_Quiet(self.world), account_id)  # type: ignore[arg-type]
        ]

    def end(self) -> None:
        """When everybody has pressed, the exemptions are ended, and all that is open is due."""
        world = self.world
        while not all(press.is_done for press in self.presses):
            world.scheduler.sleep(60)
        faults = world.faults
        faults.refused = faults.lost = faults.repeated = faults.killed = 0.0
        self.is_over = True
        decisions = Decisions(IssueTable(world.sessions.client("dynamodb"), jobs.TABLE), world.clock)
        self._check_exemptions()
        for record in self._records():
            decisions.end_exemption(record, "bob")
        world.settings.retention = 0

    def check(self) -> None:
        """Each decision once, and all of it told."""
        for (account_id, group_id), item in self.world.table.items.items():
            if not group_id.startswith("sg-") or "issue_details" not in item:
                continue
            issue = read_issue({name: _plain(value) for name, value in item.items()})
            self.world.check(not issue.decided.problem, f"{group_id}: {issue.decided.problem}")
            for decision in issue.decided.decisions:
                if decision.kind is not DecisionKind.END and decision.is_done:
                    self.done[decision.by] += 1
            # What is exempt in the file has no ticket yet: the one that is filed later gets the comments.
            waits = issue.status.is_exposed and not issue.jira_details.get("ticket")
            # Of a closed issue the process that decided tells it; no process that presses does so here.
            waits = waits or issue.status is Status.CLOSED
            is_notified = waits or not issue.decided.outbox
            self.world.check(is_notified, f"{group_id} in {account_id}: not all decisions are told")
        twice = [by for by, times in self.done.items() if times > 1]
        self.world.check(not twice, f"carried out twice: {twice}")

    def _check_exemptions(self) -> None:
        """No exemption is wider or longer than what the person saw and said, and none is without its decision."""
        for record in self._records():
            wish = self.wishes[int(record.by.removeprefix("U"))]
            is_right = record.exposures == wish.exposures and (record.until - record.at.date()).days == wish.until_days
            self.world.check(is_right, f"{record.id} is not what {record.by} saw")


def _cells(exposures: frozenset[ExposureKey]) -> frozenset[Cell]:
    return frozenset().union(*(cells_of(protocol, first, last, cidr) for protocol, first, last, cidr, _ in exposures))


class _Quiet:
    """The table as it is: nobody calls it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def with_prefix(self, account: str, prefix: str) -> Iterator[dict[str, Any]]:
        for (account_id, item_id), item in sorted(self._world.table.items.items()):
            if account_id == account and item_id.startswith(prefix):
                yield {name: _plain(value) for name, value in item.items()}
