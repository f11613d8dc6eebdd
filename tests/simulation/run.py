"""One seed: a history of jobs, people and faults, then quiet, and what must be true at rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import product

from library.issues.scan_coverage import ITEM_PREFIX
from tests.simulation import days, jobs, people
from tests.simulation.access import EXEMPT_PORT, Cell, cells, completely, exposed
from tests.simulation.actors import add_actor, run_actors
from tests.simulation.ec2 import QUOTA, Ec2, Group, used
from tests.simulation.kinds import KINDS, PLAIN, REGIONS, a_region_is_away, kind_of, regions_differ, regions_of
from tests.simulation.use import until_waiting_ends
from tests.simulation.world import MAIN, MEMBER, InvariantError, World

JOBS = {"scan": 3.0, "look": 3.0, "report": 2.0, "remediate": 5.0, "restore": 1.0, "release": 0.5}
"""The jobs that are under way while things go wrong, and how often each is, compared to the others."""

_REOPENED = 0.25
_FLICKERS = 0.15
_CHAOS_S = 3600.0
LONGEST_LAG_S = 60.0
_WAITED_FOR_S = 120.0  # by one run of remediation, for EC2 to show what it did
_LEASE_S = 16 * 60.0
_RIGHT_REGION = 0.75  # a message names the region that a group is in


def simulate(
    seed: int,
    likely: Mapping[str, float] = JOBS,
    during: Callable[[World], AbstractContextManager[object]] = nullcontext,
    longest_lag: float = LONGEST_LAG_S,
    kind: str = "",
) -> World:
    """Run one seed.

    Args:
        seed: decides everything.
        likely: how often each job is, as `JOBS` has it.
        during: entered after the quiet beginning, and left at the end.
        longest_lag: how late EC2 shows a change at most, in seconds.
        kind: what else happens, a name of `kinds.KINDS`, or `kinds.PLAIN`; empty: the seed decides, where `during` is
            not named.

    Raises:
        InvariantError: something was not true that must be. The world's history is in its notes.
    """
    world = World(seed, regions_of(seed, kind))
    world.longest_lag = longest_lag
    if during is nullcontext:
        world.kind = PLAIN if kind == REGIONS else kind or kind_of(seed)
    more = KINDS.get(world.kind, nullcontext)
    logging.disable(logging.CRITICAL)
    try:
        with jobs.serial():
            prepare(world)
            if during is nullcontext and days.is_of_days(seed):
                _days_before(world)
            with during(world), more(world):
                _open_again(world)
                _chaos(world, likely)
                _quiet(world)
                _at_rest(world)
    except InvariantError as error:
        error.add_note("\n".join(world.history))
        raise
    finally:
        logging.disable(logging.NOTSET)
    return world


def prepare(world: World) -> None:
    """A quiet beginning: groups that are known, and reported."""
    world.ec2[MEMBER].quota = world.random.choice([QUOTA, QUOTA, QUOTA, 12, 7])
    for account_id in (MAIN, MEMBER):
        for region in world.regions:
            people.create_group(world, account_id, people.DEFAULT, region)
    for _ in range(world.random.randint(2, 4)):
        people.create_group(world, world.random.choice([MAIN, MEMBER]))
    _run_healthily(world, "scan", "report")


def _days_before(world: World) -> None:
    """Two changes of a group, days apart, and perhaps a restore, after which it may be given back."""

    def restore(account_id: str, group_id: str, backup: str) -> None:
        _start(world, "restore", "days", world.now, account_id, group_id, backup)
        run_actors(world)

    days.two_changes(world, lambda *names: _run_healthily(world, *names), restore)
    if world.random.random() < 0.5:
        for account_id, ec2 in sorted(world.ec2.items()):
            if world.busiest in ec2.groups():
                _start(world, "release", "days", world.now, account_id, world.busiest)
                run_actors(world)
    _run_healthily(world, "scan", "report")


def _open_again(world: World) -> None:
    """In some histories a group that was open was closed, and is open again."""
    if world.random.random() < _REOPENED:
        account_id = world.random.choice([MAIN, MEMBER])
        closed = people.close_a_group(world, account_id)
        _run_healthily(world, "scan", "report")
        if closed in world.ec2[account_id].groups():
            people.open_a_group(world, account_id, closed)


def _chaos(world: World, likely: Mapping[str, float]) -> None:
    random = world.random
    begin = world.now
    # Clocks that differ by minutes and answers that are as old as AWS says do not come together.
    world.skew = random.choice([0.0, 2.0, 120.0 if world.longest_lag <= LONGEST_LAG_S else 5.0])
    for ec2 in world.ec2.values():
        ec2.longest_lag = random.choice([0.0, 5.0, 30.0, world.longest_lag])
        ec2.flickers = random.random() < _FLICKERS
    regions_differ(world, world.longest_lag)
    a_region_is_away(world)
    world.faults.refused = random.choice([0.0, 0.01, 0.05])
    world.faults.lost = random.choice([0.0, 0.02, 0.06])
    world.faults.repeated = random.choice([0.0, 0.02])
    world.faults.killed = random.choice([0.0, 0.01, 0.03, 0.06])
    # Half of the histories are about one group, and half have more runs of one job: things happen to each other.
    busiest = random.choice(["", random.choice(sorted(world.owned))])
    world.busiest = world.busiest if world.days else busiest
    busiest_job = random.choice(["", random.choice(sorted(likely))])
    likely = {job: often * (4 if job == busiest_job else 1) for job, often in likely.items()}
    stalled = random.choice([0.0, 0.002])

    def latency() -> float:
        if random.random() < stalled:
            return random.uniform(600, 2400)
        return random.expovariate(1 / random.choice([0.1, 0.1, 1.0, 10.0]))

    world.scheduler.set_latency(latency)
    length = random.choice([120.0, 600.0, _CHAOS_S])
    begun = [begin]
    for number in range(random.randint(4, 9)):
        at = begin + random.uniform(0, length)
        begun.append(at)
        job = random.choices(list(likely), list(likely.values()))[0]
        account_id, group_id = people.some_group(world)
        known = days.backups_of(world, group_id) if world.days and job == "restore" else []
        _start(world, job, number, at, account_id, group_id, random.choice(["", *known]) if known else "")
    for number in range(random.randint(2, 10)):
        # People do things at any time, and right before and while a job runs.
        at = random.choice([begin + random.uniform(0, length), random.choice(begun) + random.uniform(-50, 30)])
        at = max(at, begin)
        add_actor(world, f"person {number}", at, lambda: people.act(world), is_person=True)
    run_actors(world)


def _start(
    world: World,
    job: str,
    number: object,
    at: float,
    account_id: str,
    group_id: str,
    backup: str = "",
    region: str = "",
) -> None:
    where = region or world.some_region(world.region_of(account_id, group_id), _RIGHT_REGION)
    works: dict[str, Callable[[], object]] = {
        "scan": lambda: jobs.scan(world, account_id, region=where),
        "look": lambda: jobs.scan(world, account_id, [group_id], where),
        "usage": lambda: jobs.usage(world, account_id),
        "report": lambda: jobs.report(world),
        "remediate": lambda: jobs.remediate(world),
        "restore": lambda: jobs.restore(world, account_id, group_id, backup),
        "release": lambda: jobs.release(world, account_id, group_id),
    }
    actor = add_actor(world, f"{job} {number}", at, works[job])
    actor.facts["restores"] = job == "restore"


def _quiet(world: World) -> None:
    """Nobody does anything more, nothing fails, EC2 shows what was done; each job runs again, healthily."""
    world.note("quiet")
    world.faults.refused = world.faults.lost = world.faults.repeated = world.faults.killed = 0.0
    world.skew = 0.0
    world.scheduler.set_latency(lambda: 0.05)
    world.scheduler.sleep(_LEASE_S + 120)
    for ec2 in world.ec2.values():
        ec2.away.clear()
    for work in world.before_quiet:
        work()
    _restore_again(world)
    if world.settings.wait_days:
        until_waiting_ends(world, lambda *names: _run_healthily(world, *names))
    _run_healthily(world, "scan", "report", "remediate")
    if world.longest_lag > _WAITED_FOR_S:
        _run_healthily(world, "remediate")
    _is_closed(world)
    _run_healthily(world, "scan", "report")


def _run_healthily(world: World, *names: str) -> None:
    for name in names:
        accounts = (MAIN, MEMBER) if name in ("scan", "usage") else (MAIN,)
        for account_id, region in product(accounts, world.regions if name == "scan" else ("",)):
            _start(world, name, f"healthy {account_id[:2]}", world.now, account_id, "", region=region)
            run_actors(world)
        world.scheduler.sleep(world.longest_lag)


def _is_closed(world: World) -> None:
    """One healthy run of each job closes all that is due."""
    for account_id, ec2 in world.ec2.items() if not world.is_weak else ():
        for _, group in sorted(ec2.groups().items()):
            if group.group_id in world.poisoned:
                continue
            _nothing_due_is_exposed(world, account_id, group)
        _journals_are_done(world, account_id)


def _at_rest(world: World) -> None:
    for account_id, ec2 in world.ec2.items():
        groups = ec2.groups()
        _regions_are_scanned(world, account_id)
        _changes_are_told(world, account_id)
        _private_access_is_there(world, ec2)
        if world.is_weak:
            continue
        _journals_are_done(world, account_id)
        for issue_id in _issue_ids(world, account_id):
            if issue_id not in groups and issue_id not in world.poisoned:
                status = world.table.attribute(account_id, issue_id, "status")["S"]
                world.check(status in ("resolved", "closed"), f"{issue_id} is gone, and its issue is {status}")
        for group_id, group in sorted(groups.items()):
            if group_id in world.poisoned:
                continue
            _group_at_rest(world, account_id, group, cells(group.rules))
            _nothing_due_is_exposed(world, account_id, group)


def _regions_are_scanned(world: World, account_id: str) -> None:
    """The coverage record of each region tells of that region, and each issue names the region of its group."""
    for region in world.regions:
        here = [group for group in world.ec2[account_id].groups().values() if group.region == region]
        record = world.table.items[account_id, ITEM_PREFIX + region]
        counted = record["groups"]["N"], record["outcome"]["S"]
        # A row that cannot be read is named, and makes a scan partial; it fails no scan (seed 99 of one region).
        outcomes = ("complete", "partial") if world.poisoned else ("complete",)
        is_right = world.is_weak or counted in [(str(len(here)), outcome) for outcome in outcomes]
        world.check(is_right, f"{account_id} {region} has {len(here)} groups, and its last scan read {counted}")
    for group_id in _issue_ids(world, account_id):
        named = world.table.attribute(account_id, group_id, "issue_details", "region")
        region = world.region_of(account_id, group_id)
        is_right = group_id in world.poisoned or named == {"S": region}
        world.check(is_right, f"the issue of {group_id} is in {region} and says {named}")


def _private_access_is_there(world: World, ec2: Ec2) -> None:
    for group_id, group in sorted(ec2.groups().items()):
        missing = world.expected(group_id) - cells(group.rules)
        world.check(not missing, f"{group_id}: private access is missing: {sorted(missing)}")


def _changes_are_told(world: World, account_id: str) -> None:
    """What remediation did was recorded, and told in both channels, and in the ticket once."""
    for issue_id in _issue_ids(world, account_id):
        if issue_id in world.poisoned:
            continue
        comments = [text for kept in world.tickets.values() if issue_id in kept.title for text in kept.comments]
        item = world.table.items[account_id, issue_id]
        status, listed = item["status"]["S"], item.get("change_news", {"M": {}})["M"]
        remediated = world.table.attribute(account_id, issue_id, "timestamps", "remediated")
        is_recorded = any(notification["M"]["heading"]["S"] == "Remediated" for notification in listed.values())
        is_recorded = is_recorded or not remediated or "NULL" in remediated
        world.check(is_recorded, f"{issue_id} was remediated, and nobody is to be told")
        for key, notification in listed.items():
            times = sum(f"Reference: {key}" in text for text in comments)
            world.check(times <= 1, f"the ticket of {issue_id} was told {times} times of the same change")
            is_notified = all(notification["M"][channel]["BOOL"] for channel in ("in_jira", "in_slack"))
            is_notified = is_notified or status == "closed" or world.is_weak
            world.check(is_notified, f"{issue_id}: a change was not told: {notification['M']['text']['S']}")


def _issue_ids(world: World, account_id: str) -> list[str]:
    return sorted(issue for account, issue in world.table.items if account == account_id and issue.startswith("sg-"))


def _journals_are_done(world: World, account_id: str) -> None:
    for issue_id in _issue_ids(world, account_id):
        _journal_is_done(world, account_id, issue_id)


def _journal_is_done(world: World, account_id: str, issue_id: str) -> None:
    step = _journal(world, account_id, issue_id, "step")
    # With immediate mode what a change left, and is not severe alone, waits for the date that people are told (seed
    # 1000 of the histories of immediate mode).
    group = world.ec2[account_id].groups().get(issue_id)
    left = exposed(cells(group.rules)) if group else frozenset()
    if world.settings.immediate and left and not completely(left):
        return
    may_be_touched = (
        account_id in world.settings.remediation_accounts
        and issue_id in (groups := world.ec2[account_id].groups())
        and _has_room(world, account_id, groups[issue_id])
        and issue_id not in world.poisoned
        and not world.exemptions_of(account_id, groups[issue_id])
    )
    is_open = step not in ("", "done", "undone") and may_be_touched
    world.check(not is_open, f"the journal of {issue_id} is open: {step}")


def _journal(world: World, account_id: str, issue_id: str, name: str) -> str:
    value = world.table.attribute(account_id, issue_id, "remediation_details", "journal", name)
    return str(value.get("S", "")) if value else ""


def _restore_again(world: World) -> None:
    """Whoever asked for a restore that is not complete asks again."""
    for account_id, issue_id in sorted(world.table.items):
        is_restore = issue_id.startswith("sg-") and _journal(world, account_id, issue_id, "kind") == "restore"
        if not is_restore or _journal(world, account_id, issue_id, "step") in ("done", "undone"):
            continue
        if issue_id in world.ec2[account_id].groups():
            _start(world, "restore", issue_id, world.now, account_id, issue_id)
            run_actors(world)


def _group_at_rest(world: World, account_id: str, group: Group, found: frozenset[Cell]) -> None:
    group_id = group.group_id
    _, exempt = _not_exempt(world, account_id, group, found)
    wanted = "none" if not exposed(found) else "whitelisted" if exempt else "open"
    value = world.table.attribute(account_id, group_id, "status")
    status = value["S"] if value else "none"
    status = "none" if status in ("resolved", "closed") else status
    world.check(status == wanted, f"{group_id} is {wanted} in EC2 and {status} in the table")
    _is_told(world, account_id, group_id, is_open=wanted == "open")


def _not_exempt(world: World, account_id: str, group: Group, found: frozenset[Cell]) -> tuple[frozenset[Cell], bool]:
    """What is exposed and not exempt, and whether nothing is left that is not."""
    listed = world.exemptions_of(account_id, group)
    partly = any("ports" in each for each in listed if isinstance(each, dict))
    wholly = any(isinstance(each, str) or "ports" not in each for each in listed)
    left = frozenset(cell for cell in exposed(found) if not (partly and cell[:2] == EXEMPT_PORT))
    return left, wholly or (bool(exposed(found)) and not left)


def _has_room(world: World, account_id: str, group: Group) -> bool:
    """Whether the quota surely has room for what replaces the rules that expose a group."""
    exposing = [each for each in group.rules if exposed(cells([each]))]
    # Three private rules; with carving three for each restricted port, and the ports between them of what is replaced.
    needed = (
        3 * len(exposing) if world.settings.strategy == "replace_rule" else sum(6 + 3 * used(this) for this in exposing)
    )
    return used(*group.rules) + needed <= world.ec2[account_id].quota


def _waits_after_a_refusal(world: World, account_id: str, group_id: str) -> bool:
    """Whether a policy of the organization denied the change: that counts for seven days (seed 3033 of `regions`)."""
    reason = world.table.attribute(account_id, group_id, "remediation_details", "refused", "reason")
    return reason is not None and "explicit deny" in reason["S"]


def _nothing_due_is_exposed(world: World, account_id: str, group: Group) -> None:
    group_id = group.group_id
    left, exempt = _not_exempt(world, account_id, group, cells(group.rules))
    restored = world.table.attribute(account_id, group_id, "remediation_details", "restored")
    is_restored = bool(restored) and "NULL" not in restored
    if (
        exempt
        or is_restored
        or _waits_after_a_refusal(world, account_id, group_id)
        or not _has_room(world, account_id, group)
        or account_id not in world.settings.remediation_accounts
    ):
        return
    # With immediate mode nothing is due by its date, and only what is open completely is severe.
    is_all = "open_partly" in world.settings.scope and not world.settings.immediate
    scope = left if is_all else completely(left)
    world.check(not scope, f"{group_id} is still exposed: {sorted(scope)}")


def _is_told(world: World, account_id: str, group_id: str, *, is_open: bool) -> None:
    # What is in an archived project, or a person closed, is no live ticket; and nobody else's business.
    tickets = [kept for kept in world.tickets.values() if group_id in kept.title and kept.project not in world.archived]
    # A ticket that is closed is reopened: there is never a second one.
    world.check(len(tickets) <= 1, f"{group_id} has the tickets {[kept.key for kept in tickets]}")
    open_tickets = [kept.key for kept in tickets if not kept.is_done]
    if not is_open:
        # A ticket that a poisoned row names is told of that group, and reopened for it (seed 1044 of `poisoned`).
        left_open = [
            kept.key for kept in tickets if not (kept.is_done or kept.set_by_person or kept.key in world.claimed)
        ]
        world.check(not left_open, f"{group_id} is not open, and its ticket {left_open} is")
        return
    value = world.table.attribute(account_id, group_id, "jira_details", "ticket")
    ticket = world.ticket(value["S"]) if value else None
    if ticket is not None and ticket.key in world.claimed:
        return  # another group's row names it: it is closed when that group is (seed 10845 of `poisoned`)
    # Without news, nothing is written to a ticket that a person closed, or whose project was archived.
    is_left = ticket is not None and (ticket.set_by_person or ticket.project in world.archived) and not open_tickets
    is_known = ticket is not None and [ticket.key] == open_tickets
    world.check(is_left or is_known, f"{group_id} has {open_tickets}, its issue {value}")
    region = world.region_of(account_id, group_id)
    is_named = ticket is None or region in f"{ticket.title} {ticket.body}"
    world.check(is_named, f"{group_id} is in {region}, and its ticket does not say so")
    notified = any(group_id in text for _, text in world.messages)
    world.check(notified, f"Slack was not told of {group_id}")
