"""Whoever can write to the bucket, the configuration or the table as the functions can, tried in turn.

docs/security.md, "Who can do what", says what each of them can and cannot; the table's own writer is in
`test_untrusted_table`, the queues' in `tests/integration/hammer/test_forged_requests.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from library.errors import HammerError
from library.network.addresses import RFC_1918
from library.security_groups.group import IngressRule
from tests.worlds.aws_faults import KilledError
from tests.worlds.eventual_world import ACCOUNT, REGION, EventualWorld, _private_access
from tests.worlds.lagging_ec2 import FAULTS, State

SSH = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", description="ssh")
RDP = IngressRule("tcp", 3389, 3389, cidr="0.0.0.0/0", description="rdp")
OWN = tuple(IngressRule("tcp", 22, 22, cidr=cidr, description="theirs") for cidr in RFC_1918)
LATER = 3600
BEFORE, AFTER = "20260101T000000.000000Z", "20991231T000000.000000Z"


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> EventualWorld:
    return EventualWorld(tmp_path)


def backup_key(group: str, when: str, account: str = ACCOUNT, region: str = REGION) -> str:
    return f"security_groups/{account}/{region}/{group}_{when}.json"


def plant_backup(world: EventualWorld, key: str, group: str, shown: str = "", **changed: Any) -> str:
    """Store a backup of a group that shows another group's rules."""
    (described,) = world.ec2._groups([{"Values": [shown or group]}])["SecurityGroups"]
    rules = world.ec2._rules([{"Values": [shown or group]}])["SecurityGroupRules"]
    notes = {"kind": "remediation", "rules": rules, "add": [], "revoke": []}
    world.bucket.objects[key] = json.dumps({**described, "GroupId": group, "hammer": notes} | changed).encode()
    return key


def plant_closing(world: EventualWorld, group: str, *rule_ids: str, when: str = AFTER) -> None:
    """Store a record that says that a change closed these rules."""
    key = f"closing/{ACCOUNT}/{REGION}/{group}/{when}.json"
    world.bucket.objects[key] = json.dumps({"rules": list(rule_ids)}).encode()


# The bucket's backups and closing records


@pytest.mark.parametrize("when", [BEFORE, AFTER], ids=["older", "newer"])
def test_a_planted_backup_makes_no_unattended_run_change_a_group(world: EventualWorld, when: str) -> None:
    group, donor = world.group(*OWN), world.ec2.create(SSH)
    plant_backup(world, backup_key(group, when), group, donor)
    plant_closing(world, group, *(rule.rule_id for rule in world.ec2.rules(group).values()), when=when)
    before = world.ec2.rules(group)
    for _ in range(2):
        assert world.batch().problems == []
        world.clock.pass_by(LATER)
    assert world.ec2.rules(group) == before


@pytest.mark.parametrize("when", [BEFORE, AFTER], ids=["older", "newer"])
def test_what_a_change_added_stays_after_a_planted_backup_and_closing_record(world: EventualWorld, when: str) -> None:
    group = world.group(SSH)
    assert world.batch().problems == []
    before = world.ec2.rules(group)
    plant_backup(world, backup_key(group, when), group, IpPermissions=[], hammer={})
    plant_closing(world, group, when=when)
    for _ in range(2):
        world.clock.pass_by(LATER)
        world.batch()
    assert world.ec2.rules(group) == before
    assert _private_access(before.values())


@pytest.mark.parametrize(
    ("is_emptied", "is_forged", "stays"),
    [
        pytest.param(False, False, True, id="neither"),
        pytest.param(True, False, True, id="an emptied closing record alone"),
        pytest.param(False, True, True, id="a journal that names no closed rule alone"),
        pytest.param(True, True, False, id="both"),
    ],
)
def test_an_unfinished_change_of_which_nothing_says_any_more_what_it_closed(
    world: EventualWorld, is_emptied: bool, is_forged: bool, stays: bool
) -> None:
    """The harm of an emptied closing record, which docs/security.md names: it takes a forged journal, too."""
    complete = world.group(SSH)
    assert world.batch().problems == []
    group = world.group(SSH)
    world.ec2.fault = (len(world.ec2.made) + 1, FAULTS["killed_after"])  # the revoke, after the authorize
    with pytest.raises(KilledError):
        world.batch()
    world.ec2.fault = None
    assert not world.exposed(group)
    assert _private_access(world.ec2.rules(group).values())
    before = world.ec2.rules(complete)
    records = [key for key in world.bucket.objects if key.startswith("closing/")]
    assert {key.split("/")[3] for key in records} == {group, complete}
    for key in records if is_emptied else ():
        world.bucket.objects[key] = json.dumps({"rules": []}).encode()
    if is_forged:
        world.table.items[ACCOUNT, f"journal#{group}"]["remediation_details"]["journal"] |= {"revoke": []}
    for _ in range(2):
        world.clock.pass_by(LATER)
        world.batch()
    assert not world.exposed(group)
    assert bool(_private_access(world.ec2.rules(group).values())) is stays
    assert world.ec2.rules(complete) == before, "a change that is complete keeps its rules"


def test_a_restore_that_names_no_backup_takes_the_table_s_and_no_planted_one(world: EventualWorld) -> None:
    group, donor = world.group(SSH), world.ec2.create(RDP)
    assert world.batch().problems == []
    plant_backup(world, backup_key(group, AFTER), group, donor)
    world.clock.pass_by(LATER)
    assert world.restore(group) == []
    assert {(rule.from_port, rule.cidr) for rule in world.ec2.rules(group).values()} == {(22, "0.0.0.0/0")}


@pytest.mark.parametrize(
    ("account", "region", "is_other"),
    [
        pytest.param(ACCOUNT, REGION, True, id="another group's"),
        pytest.param("210987654321", REGION, False, id="another account's"),
        pytest.param(ACCOUNT, "us-east-1", False, id="another region's"),
    ],
)
def test_a_backup_of_something_else_is_refused_though_a_person_names_it(
    world: EventualWorld, account: str, region: str, is_other: bool
) -> None:
    group, donor = world.group(*OWN), world.ec2.create(RDP)
    key = backup_key(donor if is_other else group, BEFORE, account, region)
    plant_backup(world, key, donor if is_other else group, donor)
    before = world.ec2.rules(group)
    try:
        problems = world.restore(group, key)
    except HammerError as error:
        problems = [str(error)]
    assert problems
    assert world.ec2.rules(group) == before


def test_a_planted_backup_is_brought_back_where_a_person_names_it(world: EventualWorld) -> None:
    group, donor = world.group(*OWN), world.ec2.create(RDP)
    key = plant_backup(world, backup_key(group, BEFORE), group, donor)
    assert world.restore(group, key) == []
    assert (3389, "0.0.0.0/0") in {(rule.from_port, rule.cidr) for rule in world.ec2.rules(group).values()}


# The configuration


def test_the_hungriest_configuration_closes_what_is_exposed_and_no_private_access(world: EventualWorld) -> None:
    world.hold_to_the_contract()
    group = world.group(SSH, *OWN)
    private = world.group(*OWN)
    world.configure(
        restricted_ports=["1-65535"],
        remediation_scope=["open_completely", "open_partly"],
        remediation_limit_per_run=10_000,
        remediation_retention_period=0,
        remediation_sources=["10.0.0.0/8"],
    )
    before = [_private_access(world.ec2.rules(each).values()) for each in (group, private)]
    world.batch()
    assert not world.exposed(group)
    assert all(
        _private_access(world.ec2.rules(each).values()) >= access
        for each, access in zip((group, private), before, strict=True)
    )
    assert world.backups(group), "whatever the configuration says, nothing is changed without a backup"
    assert world.backups(private) == []


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"remediation": False}, id="off"),
        pytest.param({"remediation_accounts": ["210987654321"]}, id="the account is not remediated any more"),
        pytest.param({"whitelist": {ACCOUNT: [f"sg-{number:08x}" for number in range(1, 9)]}}, id="exempt"),
        pytest.param({"restricted_ports": [3389]}, id="the port is not restricted any more"),
        pytest.param({"remediation_retention_period": 60}, id="not due any more"),
    ],
)
def test_what_the_configuration_stops_meanwhile_is_stopped_within_the_run(
    world: EventualWorld, settings: dict[str, Any]
) -> None:
    groups = [world.group(SSH) for _ in range(3)]
    changed: list[str] = []

    def watch(_operation: str, before: State, after: State) -> None:
        changed.extend(group for group in after if before.get(group) != after[group] and group not in changed)
        world.configure(**settings)

    world.ec2.watch = watch
    world.batch()
    assert len(changed) == 1
    assert sum(world.ec2.rules(group) != {} and _is_open(world, group) for group in groups) >= 2


def _is_open(world: EventualWorld, group: str) -> bool:
    return any(rule.cidr == "0.0.0.0/0" for rule in world.ec2.rules(group).values())


@pytest.mark.parametrize("limit", [1, 2])
def test_more_than_the_limit_that_the_configuration_has_now_changes_nothing(world: EventualWorld, limit: int) -> None:
    groups = [world.group(SSH) for _ in range(3)]
    run = world.new_batch()
    world.configure(remediation_limit_per_run=limit)  # the run was made before, and reads it when it begins
    (problem,) = run.run().problems
    assert f"remediation_limit_per_run is {limit}" in problem
    assert all(_is_open(world, group) for group in groups)


# The table, by way of another kind of issue: a finding that the functions made of a forged event


def test_a_forged_finding_in_the_table_changes_no_group(world: EventualWorld) -> None:
    group = world.group(SSH)
    item = world.table.items.pop((ACCOUNT, group))
    world.table.items[ACCOUNT, "finding-x"] = item | {"issue_id": "finding-x", "finding": {"groups": [group]}}
    world.batch()
    assert _is_open(world, group)
    assert world.backups(group) == []
