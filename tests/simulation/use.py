"""Flow logs in the simulation: some groups have a worker, whom the job `usage` finds at some time.

What must be true: nobody who was known to work is cut off before the waiting period is over, nor before ticket and
message have named them; waiting ends; and no rule is added for them, since nobody chose to keep them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

from library.errors import ConflictError
from library.issues.issue import Issue, Status
from library.issues.use import SourceClass, Use, UseRule, UseSource, UseVerdict
from tests.simulation.access import cells, exposed

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable
    from tests.simulation.ec2 import Rule
    from tests.simulation.world import World

WAIT_DAYS = 3
_WORKS = 0.6


def worker_of(group_id: str) -> str:
    """Who works through a group, if somebody does."""
    return f"9.9.{int(group_id[-2:], 16)}.7"


def read_flow_logs(world: World, table: IssueTable, account_id: str) -> None:
    """What the job `usage` comes to: the use of each open issue."""
    for issue in list(table.with_status(account_id, Status.OPEN)):
        use = _use(world, issue)
        try:
            table.update(issue, {"use": use.to_item()})
        except ConflictError:
            continue
        if use.verdict is UseVerdict.WORKING:
            known = world.known_workers.get(issue.issue_id)
            begun = world.table.attribute(account_id, issue.issue_id, "remediation_details", "journal", "step")
            is_new = known is None or known[0] != issue.occurrence
            if is_new and (begun is None or begun["S"] in ("done", "undone")):
                world.known_workers[issue.issue_id] = (issue.occurrence, world.now)


def _use(world: World, issue: Issue) -> Use:
    now = world.clock()
    works = Random(f"works {issue.issue_id} {world.seed}").random() < _WORKS  # noqa: S311 - a simulation, not a secret
    source = UseSource(
        worker_of(issue.issue_id), SourceClass.WORKING, 22, now - timedelta(days=2), now - timedelta(hours=5), 3, 900, 9
    )
    rules = tuple(
        UseRule(perm.protocol, perm.from_port, perm.to_port, perm.cidr, counts={"working": 1}, sources=(source,))
        for perm in issue.details.perms
    )
    verdict = UseVerdict.WORKING if works and rules else UseVerdict.NONE
    return Use(now - timedelta(days=14), now, Decimal(1), verdict, rules=rules if works else ())


@contextmanager
def use_is_read(world: World) -> Iterator[None]:
    """Let issues wait for workers, and watch that none of them is cut off meanwhile."""
    world.settings.wait_days = WAIT_DAYS

    def watch(
        account_id: str, operation: str, group_id: str, added: tuple[Rule, ...], removed: tuple[Rule, ...]
    ) -> None:
        del operation
        actor = world.scheduler.current
        if actor is None or actor.is_person:
            return
        kept = [rule for rule in added if rule.source.startswith("9.9.")]
        world.check(
            not kept or bool(actor.facts.get("restores")), f"{group_id}: {kept} was kept, and nobody chose that"
        )
        known = world.known_workers.get(group_id)
        if known is None or actor.facts.get("restores") or not exposed(cells(removed)):
            return
        occurrence, since = known
        stored = world.table.attribute(account_id, group_id, "occurrence")
        if float(actor.facts["begins"]) <= since or stored is None or int(stored["N"]) != occurrence:
            world.known_workers.pop(group_id)  # it was begun before anybody knew: it is completed
            return
        waited = world.now - world.waits_since
        world.check(waited >= WAIT_DAYS * 86_400, f"{group_id}: {worker_of(group_id)} was cut off without a wait")

    world.watchers.append(watch)
    world.readers.append(lambda where, text: world.texts.append((where, text)))
    world.waits_since = world.now
    yield
    world.note(f"{len(world.known_workers)} workers were known")


def until_waiting_ends(world: World, run: Callable[..., None]) -> None:
    """Healthy runs name every worker, then nothing but the waiting period keeps remediation from closing."""
    run("scan", "usage", "report", "report")
    for (account_id, group_id), item in sorted(world.table.items.items()):
        use = item.get("use", {}).get("M", {})
        if not group_id.startswith("sg-") or item["status"]["S"] != "open" or use["verdict"]["S"] != "working":
            continue
        for where in ("JIRA", "Slack"):
            notified = [text for location, text in world.texts if location == where and group_id in text]
            is_named = any(worker_of(group_id) in text for text in notified)
            # Slack's message says that somebody works. Who it is says its thread, which is not sent again (seed 90).
            is_named |= (
                where == "Slack" and world.has_lost_threads and any("source worked" in text for text in notified)
            )
            world.check(is_named, f"{group_id} in {account_id}: {where} does not name {worker_of(group_id)}")
    run("remediate")
    world.scheduler.sleep((WAIT_DAYS + 1) * 86_400)
