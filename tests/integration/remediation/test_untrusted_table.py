"""Whoever can write the issue table cuts no private access: a row says what to look at, the backups what Hammer did."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from library.issues.issue import Status
from library.network.addresses import RFC_1918
from library.security_groups.group import IngressRule
from tests.worlds.aws_faults import KilledError
from tests.worlds.eventual_world import ACCOUNT, REGION, EventualWorld, _private_access
from tests.worlds.lagging_ec2 import killed_after, refused

SSH = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", description="ssh")
OWN = tuple(IngressRule("tcp", 22, 22, cidr=cidr, description="theirs") for cidr in RFC_1918)
CLAIMED = "Hammer: replaces 0.0.0.0/0 on 2026-11-22"
LATER = 3600


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> EventualWorld:
    return EventualWorld(tmp_path)


def access(world: EventualWorld, group: str) -> set[tuple[str, int | None, str]]:
    return _private_access(world.ec2.rules(group).values())


def poison(world: EventualWorld, group: str, **details: Any) -> None:
    """Write an issue's `remediation_details`, and name the group in the lock."""
    world.table.items[ACCOUNT, group]["remediation_details"] = details
    world.lock.unfinished |= {(ACCOUNT, REGION, group)}


def journal(world: EventualWorld, group: str, backup: str, **changed: Any) -> dict[str, Any]:
    """A journal that says that Hammer added all of a group's rules, and that nothing needs them."""
    rules = world.ec2.rules(group).values()
    added = [{**rule._asdict(), "state": "added", "replaces": [], "at": "", "before": ""} for rule in rules]
    return {"kind": "remediation", "step": "verifying", "backup": backup, "add": added, "revoke": [], **changed}


def write_backup(world: EventualWorld, group: str, key: str = "", **changed: Any) -> str:
    """A backup of a group as it is, as the host writes it."""
    key = key or f"security_groups/{ACCOUNT}/{REGION}/{group}_20261101T000000.000000Z.json"
    (described,) = world.ec2._groups([{"Values": [group]}])["SecurityGroups"]
    rules = world.ec2._rules([{"Values": [group]}])["SecurityGroupRules"]
    raw = {**described, "hammer": {"kind": "remediation", "rules": rules, "add": [], "revoke": []}} | changed
    world.bucket.objects[key] = json.dumps(raw).encode()
    return key


@dataclass(frozen=True)
class Poison:
    """A row, and whether the run names the group as not complete."""

    make: Callable[[EventualWorld, str], Mapping[str, Any]]
    is_named: bool


def _of_another_group(world: EventualWorld, group: str) -> Mapping[str, Any]:
    other = world.ec2.create(SSH)
    return journal(world, group, write_backup(world, other))


def _of_another_location(part: str, instead: str) -> Callable[[EventualWorld, str], Mapping[str, Any]]:
    def make(world: EventualWorld, group: str) -> Mapping[str, Any]:
        key = f"security_groups/{ACCOUNT}/{REGION}/{group}_1.json".replace(part, instead)
        return journal(world, group, write_backup(world, group, key, IpPermissions=[], hammer=_EMPTY))

    return make


_EMPTY = {"kind": "remediation", "rules": [], "add": [], "revoke": []}


def _with_notes(**notes: Any) -> Callable[[EventualWorld, str], Mapping[str, Any]]:
    def make(world: EventualWorld, group: str) -> Mapping[str, Any]:
        return journal(world, group, write_backup(world, group, IpPermissions=[], hammer=notes))

    return make


def _own_backup(**changed: Any) -> Callable[[EventualWorld, str], Mapping[str, Any]]:
    return lambda world, group: journal(world, group, write_backup(world, group), **changed)


def _older_backup(description: str) -> Callable[[EventualWorld, str], Mapping[str, Any]]:
    """The owner made the rules after the backup; the journal claims that Hammer did, and with which words."""

    def make(world: EventualWorld, group: str) -> Mapping[str, Any]:
        key = write_backup(world, group, IpPermissions=[], hammer=_EMPTY)
        made = journal(world, group, key)
        return made | {"add": [this | {"description": description or this["description"]} for this in made["add"]]}

    return make


def _as_withdrawn(world: EventualWorld, group: str) -> Mapping[str, Any]:
    made = journal(world, group, write_backup(world, group), changed="2026-11-01T00:00:00+00:00")
    return made | {"add": [], "withdrawn": made["add"]}


POISONS = {
    "no backup": Poison(lambda world, group: journal(world, group, ""), is_named=True),
    "a backup that is not there": Poison(
        lambda world, group: journal(world, group, f"security_groups/{ACCOUNT}/{REGION}/{group}_1.json"), is_named=True
    ),
    "a backup of another group": Poison(_of_another_group, is_named=True),
    "a key of another account": Poison(_of_another_location(ACCOUNT, "210987654321"), is_named=True),
    "a key of another region": Poison(_of_another_location(REGION, "us-east-1"), is_named=True),
    "a key outside the backups": Poison(_of_another_location("security_groups/", "reports/"), is_named=True),
    "a backup of a restore": Poison(_with_notes(kind="restore", rules=[]), is_named=True),
    "a backup of other tooling": Poison(_with_notes(), is_named=True),
    "a backup without ids": Poison(_with_notes(kind="remediation"), is_named=True),
    "the group's own backup": Poison(_own_backup(), is_named=False),
    "a backup from before the owner's rules": Poison(_older_backup(""), is_named=False),
    "the same, in Hammer's words": Poison(_older_backup(CLAIMED), is_named=False),
    "rules withdrawn long ago": Poison(_as_withdrawn, is_named=False),
    "times to come": Poison(_own_backup(changed="2099-01-01T00:00:00+00:00"), is_named=False),
    "a step that is none": Poison(_own_backup(step="now"), is_named=True),
    "states that are none": Poison(_own_backup(revoke=[{"state": "open"}]), is_named=True),
    "a restore": Poison(_own_backup(kind="restore", step="adding"), is_named=True),
    "a restore that EC2 only has to show": Poison(_own_backup(kind="restore"), is_named=False),
}


@pytest.mark.parametrize("status", [Status.OPEN, Status.RESOLVED])
@pytest.mark.parametrize("poisoned", POISONS.values(), ids=POISONS)
def test_a_journal_that_somebody_else_wrote_takes_no_private_rule_away(
    world: EventualWorld, poisoned: Poison, status: Status
) -> None:
    group = world.group(*OWN)
    before = access(world, group)
    poison(world, group, journal=dict(poisoned.make(world, group)))
    world.table.items[ACCOUNT, group]["status"] = str(status)
    summary = world.batch()
    world.clock.pass_by(LATER)
    world.batch()
    assert access(world, group) == before
    assert any(group in problem for problem in summary.problems) == poisoned.is_named


@pytest.mark.parametrize("state", ["planned", "sent", "revoked", "not shown", "gone"])
def test_an_open_group_with_an_invented_journal_is_closed_and_keeps_its_private_rules(
    world: EventualWorld, state: str
) -> None:
    group = world.group(SSH, *OWN)
    before = access(world, group)
    made = journal(world, group, "")
    revoke = [this | {"state": state} for this in made["add"]]
    poison(world, group, journal=made | {"revoke": revoke}, added=made["add"])
    for _ in range(2):
        summary = world.batch()
        world.clock.pass_by(LATER)
    assert access(world, group) == before
    # Who says that a rule is gone already can delay its closing, and is named.
    assert not world.exposed(group) or any(group in problem for problem in summary.problems)


def test_an_invented_wide_rule_replaces_nothing_where_the_quota_has_no_room(world: EventualWorld) -> None:
    full = [IngressRule("tcp", port, port, cidr="192.0.2.1/32") for port in range(1000, 1058)]
    group = world.group(SSH, *full)
    wide = IngressRule("-1", None, None, cidr="10.0.0.0/8", rule_id="sgr-ffff", description=CLAIMED)
    claimed = {**wide._asdict(), "state": "added", "replaces": [], "at": world.clock.time.isoformat(), "before": ""}
    poison(world, group, journal={**journal(world, group, ""), "add": [claimed]})
    before = access(world, group)
    world.batch()
    assert access(world, group) >= before


def test_many_invented_journals_change_nothing(world: EventualWorld) -> None:
    world.configure(remediation_limit_per_run=5)
    groups = [world.group(*OWN) for _ in range(12)]
    before = [access(world, group) for group in groups]
    for group in groups:
        poison(world, group, journal=journal(world, group, ""))
    summary = world.batch()
    assert [access(world, group) for group in groups] == before
    assert len(summary.problems) == len(groups)


def interrupted(world: EventualWorld, *rules: IngressRule, writes: int = 1) -> str:
    """A group whose run died right after this many of its changes."""
    world.ec2.fault = (len(world.ec2.made) + writes - 1, killed_after)
    group = world.group(*rules)
    with pytest.raises(KilledError):
        world.batch(group)
    world.ec2.fault = None
    world.clock.pass_by(LATER)
    return group


def test_groups_with_something_to_withdraw_count_for_the_limit(world: EventualWorld) -> None:
    world.configure(remediation_limit_per_run=2)
    groups = [interrupted(world, SSH) for _ in range(2)]
    for group in groups:
        world.ec2.remove(group, SSH)
    due = world.group(SSH)
    before = [world.ec2.rules(group) for group in (*groups, due)]
    summary = world.batch()
    assert any(
        "more than 2 groups are due to be changed, and remediation_limit_per_run is 2" in each
        for each in summary.problems
    )
    assert [world.ec2.rules(group) for group in (*groups, due)] == before
    world.configure(remediation_limit_per_run=3)
    assert world.batch().problems == []
    assert [list(world.ec2.rules(group)) for group in groups] == [[], []]
    assert not world.exposed(due)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda objects, key: objects.pop(key), id="it is gone"),
        pytest.param(lambda objects, key: objects.update({key: b"{"}), id="it is no JSON"),
    ],
)
def test_without_its_backup_a_change_is_not_complete(
    world: EventualWorld, spoil: Callable[[dict[str, bytes], str], None]
) -> None:
    group = interrupted(world, SSH)
    world.ec2.remove(group, SSH)
    before = world.ec2.rules(group)
    (key,) = world.bucket.objects
    spoil(world.bucket.objects, key)
    (problem,) = world.batch().problems
    assert problem.startswith(f"{group} in {ACCOUNT}, {REGION}: not complete yet: the backup from before the change")
    assert problem.endswith("a person must decide")
    assert "\n" not in problem
    assert world.ec2.rules(group) == before


def test_a_stand_in_that_its_owner_described_anew_is_the_owner_s(world: EventualWorld) -> None:
    group = interrupted(world, SSH)
    world.ec2.remove(group, SSH)
    mine = next(rule for rule in world.ec2.rules(group).values() if rule.cidr == "10.0.0.0/8")
    world.ec2.edit(group, mine, description="keep, ana")
    assert world.batch().problems == []
    assert [rule.description for rule in world.ec2.rules(group).values()] == ["keep, ana"]


HALVES = {
    "IPv4": (
        IngressRule("tcp", 22, 22, cidr="0.0.0.0/1", description="one"),
        IngressRule("tcp", 20, 25, cidr="128.0.0.0/1", description="other"),
    ),
    "IPv6": (
        IngressRule("tcp", 22, 22, cidr="2000::/4", description="one"),
        IngressRule("tcp", 20, 25, cidr="3000::/4", description="other"),
    ),
}
SHARES = 3  # writes of a run over two halves until one is closed: two of adding, one revoke


def half_closed(world: EventualWorld, halves: tuple[IngressRule, ...], *more: IngressRule) -> str:
    is_carved = world.settings.get("remediation_strategy") == "carve_ports"
    group = interrupted(world, *halves, *more, writes=SHARES + is_carved)
    assert len(opened_by(world, group, halves)) == 1
    world.table.items[ACCOUNT, group]["issue_details"]["status"] = "open_partly"
    return group


def opened_by(world: EventualWorld, group: str, rules: tuple[IngressRule, ...]) -> list[str]:
    sources = {rule.cidr for rule in rules}
    found = world.ec2.rules(group).values()
    return [rule.cidr for rule in found if rule.cidr in sources and (rule.from_port or 0) <= 22 <= (rule.to_port or 0)]


@pytest.mark.parametrize("strategy", ["replace_rule", "carve_ports"])
@pytest.mark.parametrize("halves", HALVES.values(), ids=HALVES)
def test_the_other_half_is_closed_by_the_next_run(
    world: EventualWorld, halves: tuple[IngressRule, ...], strategy: str
) -> None:
    world.configure(remediation_strategy=strategy)
    other = IngressRule("tcp", 3389, 3389, cidr="8.8.8.0/24")  # open in part from the beginning: out of scope
    group = half_closed(world, halves, other)
    assert world.batch().problems == []
    assert opened_by(world, group, halves) == []
    assert other in [rule._replace(rule_id="") for rule in world.ec2.rules(group).values()]
    entry = world.entry(group)
    assert entry is not None
    assert entry.step.is_finished


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"remediation_accounts": ["210987654321"]}, id="the account is not remediated any more"),
        pytest.param({"remediation": False}, id="remediation is off"),
        pytest.param({"whitelist": {ACCOUNT: ["sg-00000001"]}}, id="it is exempt"),
        pytest.param({"restricted_ports": [3389]}, id="the port is not restricted any more"),
        pytest.param({"remediation_retention_period": 60}, id="it is not due any more"),
    ],
)
def test_everything_else_decides_about_the_other_half_as_before(world: EventualWorld, settings: dict[str, Any]) -> None:
    group = half_closed(world, HALVES["IPv4"])
    assert group == "sg-00000001"
    world.configure(**settings)
    if world._config.secgrp_unrestricted_access.remediation:
        world.batch()
    assert len(opened_by(world, group, HALVES["IPv4"])) == 1


def test_one_half_that_no_backup_calls_begun_stays_out_of_scope(world: EventualWorld) -> None:
    half = HALVES["IPv4"][0]
    group = world.group(half)
    invented = [{**rule._asdict(), "state": "planned", "at": ""} for rule in world.ec2.rules(group).values()]
    poison(world, group, journal={**journal(world, group, write_backup(world, group)), "add": [], "revoke": invented})
    assert world.batch().problems == []
    assert opened_by(world, group, (half,)) == [half.cidr]


def test_the_other_half_without_the_backup_is_left_to_a_person(world: EventualWorld) -> None:
    group = half_closed(world, HALVES["IPv4"])
    world.bucket.objects.clear()
    (problem,) = world.batch().problems
    assert "a person must decide" in problem
    assert len(opened_by(world, group, HALVES["IPv4"])) == 1


def test_a_refused_revoke_of_the_other_half_is_completed_too(world: EventualWorld) -> None:
    world.ec2.fault = (SHARES, refused)
    group = world.group(*HALVES["IPv4"])
    assert world.batch().problems != []
    world.ec2.fault = None
    world.clock.pass_by(LATER)
    assert world.batch().problems == []
    assert opened_by(world, group, HALVES["IPv4"]) == []


def reopened(world: EventualWorld, group: str, **changed: Any) -> None:
    """Have a row say that a finished change is not finished."""
    own = world.table.items[ACCOUNT, f"journal#{group}"]["remediation_details"]["journal"]
    details = world.table.items[ACCOUNT, group]["remediation_details"]
    details["journal"] |= {"step": "verifying"}
    own |= {"step": "verifying"} | {
        name: [rule | {"state": "planned"} for rule in own["revoke"]] for name in ["revoke"]
    }
    own |= changed
    world.lock.unfinished |= {(ACCOUNT, REGION, group)}


@pytest.mark.parametrize("changed", [{}, {"revoke": []}, {"purposes": []}], ids=["planned", "not named", "no purposes"])
def test_stand_ins_of_a_finished_change_stay_though_a_row_says_that_nothing_was_closed(
    world: EventualWorld, changed: dict[str, Any]
) -> None:
    group = world.group(SSH)
    assert world.batch().problems == []
    before = access(world, group)
    assert before
    if "purposes" in changed:
        own = world.table.items[ACCOUNT, f"journal#{group}"]["remediation_details"]["journal"]
        changed = {"add": [rule | {"replaces": []} for rule in own["add"]]}
    reopened(world, group, **changed)
    for _ in range(2):
        world.clock.pass_by(LATER)
        world.batch()
    assert access(world, group) == before


def test_an_owner_s_rule_that_a_row_names_as_added_is_not_revoked_by_a_restore(world: EventualWorld) -> None:
    group = world.group(SSH)
    assert world.batch().problems == []
    mine = IngressRule("tcp", 443, 443, cidr="10.0.0.0/8", description="theirs")
    world.ec2.add(group, mine)
    added = [{**rule._asdict(), "state": "added", "replaces": [], "at": ""} for rule in world.ec2.rules(group).values()]
    details = world.table.items[ACCOUNT, group]["remediation_details"]
    details["added"] = added
    world.table.items[ACCOUNT, f"journal#{group}"]["remediation_details"]["journal"]["add"] = added
    world.clock.pass_by(LATER)
    assert world.restore(group) == []
    assert {rule.cidr for rule in world.ec2.rules(group).values()} == {"0.0.0.0/0", "10.0.0.0/8"}


@pytest.mark.parametrize(
    ("settings", "back"),
    [
        pytest.param({"remediation_retention_period": 60}, {"remediation_retention_period": 0}, id="it is not due"),
        pytest.param({"whitelist": {ACCOUNT: ["sg-00000001"]}}, {"whitelist": {}}, id="it is exempt"),
    ],
)
def test_the_other_half_stays_in_scope_while_it_waits(
    world: EventualWorld, settings: dict[str, Any], back: dict[str, Any]
) -> None:
    # The second half's private rules are the owner's: nothing of Hammer's waits to be taken away.
    own = [IngressRule("tcp", 20, 25, cidr=cidr, description="theirs") for cidr in RFC_1918]
    world.ec2.fault = (5, refused)  # one call adds, three ask for the owner's rules, one revokes the first half
    group = world.group(*HALVES["IPv4"], *own)
    assert world.batch().problems != []
    assert len(opened_by(world, group, HALVES["IPv4"])) == 1
    world.ec2.fault = None
    world.clock.pass_by(LATER)
    world.configure(**settings)
    for _ in range(2):
        (problem,) = world.batch().problems
        assert "not complete yet" in problem
        world.clock.pass_by(LATER)
    assert len(opened_by(world, group, HALVES["IPv4"])) == 1
    world.configure(**back)
    assert world.batch().problems == []
    assert opened_by(world, group, HALVES["IPv4"]) == []
