"""`hammer restore` of groups that were changed more than once, days apart, and where something cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ReadTimeoutError

from library.network.addresses import RFC_1918
from library.security_groups.group import IngressRule
from remediation.journal import is_unfinished
from tests.worlds.aws_faults import KilledError, calls, error, killed_after
from tests.worlds.eventual_world import EventualWorld
from tests.worlds.lagging_ec2 import GROUPS, RULES
from tests.worlds.remediation_world import ANYWHERE, BUCKET, MAIN, REGION, TABLE, World, permission, world

pytestmark = pytest.mark.usefixtures("table_in_memory")

SSH = permission("tcp", (22, 22), ANYWHERE, about="ssh")
RDP = permission("tcp", (3389, 3389), ANYWHERE, about="rdp")
UDP = permission("udp", (22, 22), ANYWHERE, about="dns or so")
OPEN = ("tcp", 22, 22, ANYWHERE)


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def private(protocol: str, port: int) -> set[tuple[str, int, int, str]]:
    return {(protocol, port, port, cidr) for cidr in RFC_1918}


def keys(world: World, group: str) -> list[str]:
    """Of the group's backups, the oldest first."""
    return [backup.key for backup in reversed(world.backups.list(MAIN, REGION, group))]


def open_again(world: World, group: str, *permissions: dict[str, Any]) -> None:
    """Some days later its owner adds rules."""
    world.clock += timedelta(days=3)
    world.ec2().authorize_security_group_ingress(GroupId=group, IpPermissions=list(permissions))


def remediated_twice(world: World, *later: dict[str, Any]) -> str:
    """A group that was remediated, opened with these rules days later, and remediated again."""
    group = world.group(SSH)
    world.issue(group)
    assert world.batch().remediated == 1
    open_again(world, group, *(later or (UDP,)))
    assert world.batch().remediated == 1
    assert not world.exposed(group)
    return group


def details(world: World, group: str, **changed: Any) -> None:
    """Change keys of `remediation_details`, as whoever can write the table might; None: take it away."""
    issue = world.stored(group)
    known = {**issue.remediation_details, **changed}
    world.table.update(
        issue, {"remediation_details": {name: value for name, value in known.items() if value is not None}}
    )


@contextmanager
def unreadable(*failing: str, reason: Callable[[], Exception]) -> Iterator[None]:
    """S3 does not give these objects."""
    real = BaseClient._make_api_call  # type: ignore[attr-defined]

    def make(client: Any, operation: str, arguments: Any) -> Any:
        if operation == "GetObject" and arguments["Key"] in failing:
            raise reason()
        return real(client, operation, arguments)

    with patch.object(BaseClient, "_make_api_call", make):
        yield


def _client_error(code: str) -> Callable[[], Exception]:
    return lambda: ClientError({"Error": {"Code": code, "Message": "later"}}, "GetObject")


NOT_NOW: dict[str, Callable[[], Exception]] = {
    "throttled": _client_error("SlowDown"),
    "denied": _client_error("AccessDenied"),
    "out of service": _client_error("InternalError"),
    "timeout": lambda: ReadTimeoutError(endpoint_url="https://s3.example"),
}


def test_private_access_over_a_rule_that_was_made_after_the_backup_stays(world: World) -> None:
    group = remediated_twice(world)
    result = world.restore(group, "--batch", "--backup", keys(world, group)[0])
    assert result.exit_code == 0, result.output
    assert world.rules(group) == {OPEN, *private("udp", 22)}
    sentence = (
        "These rules that Hammer added stay: udp/22 from 10.0.0.0/8, udp/22 from 172.16.0.0/12, udp/22 from "
        "192.168.0.0/16. They stand in for udp/22 from 0.0.0.0/0, which Hammer closed after the backup was written, "
        "so that it is not in the backup."
    )
    assert result.output.count(sentence) == 2, "in the difference, and in what became of it"


def test_the_newest_changes_backup_is_gone(world: World) -> None:
    """An older one would open what was closed long ago, and nobody asked for that."""
    group = remediated_twice(world)
    first, newest = keys(world, group)
    closed = world.rules(group)
    world.sessions.client("s3").delete_object(Bucket=BUCKET, Key=newest)
    result = world.restore(group, "--batch")
    assert result.exit_code == 1
    assert f"the backup from before the remediation, {newest}, is gone: choose another with --backup" in result.output
    assert world.rules(group) == closed
    assert world.restore(group, "--batch", "--backup", first).exit_code == 0


def test_a_restore_that_died_goes_on_with_the_backup_that_was_named_though_the_newest_is_gone(world: World) -> None:
    group = remediated_twice(world)
    first, newest = keys(world, group)
    world.sessions.client("s3").delete_object(Bucket=BUCKET, Key=newest)
    with calls(killed_after, 0, ("Authorize",)), pytest.raises(KilledError):
        world.restore_quietly(group, backup=first)
    assert is_unfinished(world.stored(group))
    world.clock += timedelta(minutes=20)
    result = world.restore(group, "--batch")
    assert result.exit_code == 0, result.output
    assert not is_unfinished(world.stored(group))
    assert OPEN in world.rules(group)


def test_a_newer_backup_that_is_gone(world: World) -> None:
    """Nobody can know then which rules are Hammer's: they stay, as others' rules do."""
    group = remediated_twice(world)
    first, newest = keys(world, group)
    world.sessions.client("s3").delete_object(Bucket=BUCKET, Key=newest)
    assert world.restore(group, "--batch", "--backup", first).exit_code == 0
    assert world.rules(group) == {OPEN, *private("udp", 22)}


def test_exactly_as_the_backup_says_what_is_cut(world: World) -> None:
    group = remediated_twice(world)
    result = world.restore(group, "--batch", "--exact", "--backup", keys(world, group)[0])
    assert result.exit_code == 0, result.output
    assert world.rules(group) == {OPEN}
    assert (
        "They stand in for udp/22 from 0.0.0.0/0, which is not in the backup: private clients that have access only "
        "over them lose it."
    ) in result.output
    assert "- udp/22 from 10.0.0.0/8" in result.output


def test_what_stood_in_for_both_stays_until_both_are_back(world: World) -> None:
    """The second change relies on what the first one added, which stands in for a rule of each."""
    group = remediated_twice(world, permission("tcp", (22, 22), "::/0", about="v6"))
    first, second = keys(world, group)
    assert world.restore(group, "--batch", "--backup", first).exit_code == 0
    assert world.rules(group) == {OPEN, *private("tcp", 22)}
    assert world.restore(group, "--batch", "--backup", second).exit_code == 0
    assert world.rules(group) == {("tcp", 22, 22, "::/0"), *private("tcp", 22)}


def test_stand_ins_go_where_their_owner_has_brought_the_rule_back(world: World) -> None:
    group = remediated_twice(world)
    open_again(world, group, UDP)
    assert world.restore(group, "--batch", "--backup", keys(world, group)[0]).exit_code == 0
    assert world.rules(group) == {OPEN, ("udp", 22, 22, ANYWHERE)}


def test_a_rule_that_is_opened_while_a_late_change_is_verified(tmp_path: Path) -> None:
    """Two runs of one change: the second replaces a rule that the first backup does not have."""
    ssh, udp = (IngressRule(protocol, 22, 22, cidr=ANYWHERE, description="theirs") for protocol in ("tcp", "udp"))
    delayed = EventualWorld(tmp_path)
    group = delayed.group(ssh)
    delayed.ec2.lags = {RULES: 400, GROUPS: 400}
    assert delayed.batch().problems
    delayed.ec2.add(group, udp)
    delayed.ec2.lags = {}
    delayed.ec2.catch_up()
    delayed.clock.pass_by(3600)
    assert delayed.batch().problems == []
    assert len(delayed.backups(group)) == 2
    assert delayed.stored(group).remediation_details["backup"] == min(delayed.backups(group))
    delayed.clock.pass_by(3600)
    assert delayed.restore(group) == []
    found = {(rule.protocol, rule.cidr) for rule in delayed.ec2.rules(group).values()}
    assert found == {("tcp", ANYWHERE), *(("udp", cidr) for cidr in RFC_1918)}
    for _, text in (delayed.people.comments[-1], delayed.people.alerts[-1]):
        assert "These rules that Hammer added stay: udp/22 from 10.0.0.0/8" in text


@pytest.mark.parametrize("reason", NOT_NOW.values(), ids=NOT_NOW)
@pytest.mark.parametrize("number", [0, 1], ids=["the chosen one", "the newest"])
def test_a_backup_that_cannot_be_read_now_ends_it(world: World, reason: Callable[[], Exception], number: int) -> None:
    group = world.group(SSH)
    world.issue(group)
    assert world.batch().remediated == 1
    open_again(world, group, RDP)
    assert world.batch().remediated == 1
    if number:  # the chosen one is then the second, which can be read
        world.restore_quietly(group)
        assert world.restore(group, "--release").exit_code == 0
    before, failing = world.rules(group), keys(world, group)[1 + number]
    with unreadable(failing, reason=reason):
        result = world.restore(group, "--batch")
        assert result.exit_code == 1
        assert f"the backup {failing} cannot be read now" in result.output
        assert "--backup" in result.output
        assert world.rules(group) == before
        assert not world.stored(group).remediation_details.get("restored")
        assert world.restore(group, "--dry-run").exit_code == 1
    assert world.restore(group, "--batch").exit_code == 0
    assert ("tcp", 3389, 3389, ANYWHERE) in world.rules(group)
    assert OPEN not in world.rules(group)


def test_an_older_backup_that_cannot_be_read_does_not_matter(world: World) -> None:
    group = remediated_twice(world)
    failing = keys(world, group)[0]
    with unreadable(failing, reason=NOT_NOW["throttled"]):
        result = world.restore(group, "--batch")
    assert result.exit_code == 0, result.output
    assert f" ! {failing}  cannot be read: throttled" in result.output
    assert world.rules(group) == {("udp", 22, 22, ANYWHERE), *private("tcp", 22)}


def test_a_named_backup_while_a_newer_one_cannot_be_read(world: World) -> None:
    """What was changed since is not known, so nothing that Hammer added is taken for needless."""
    group = remediated_twice(world)
    first, failing = keys(world, group)
    with unreadable(failing, reason=NOT_NOW["throttled"]):
        result = world.restore(group, "--batch", "--backup", first)
    assert result.exit_code == 0, result.output
    assert world.rules(group) == {OPEN, *private("tcp", 22), *private("udp", 22)}
    assert f"A backup from since cannot be read: {failing}. So it is not known which rules they stand in for." in (
        result.output
    )
    assert world.restore(group, "--batch", "--backup", first).exit_code == 0
    assert world.rules(group) == {OPEN, *private("udp", 22)}


SPOILED = {"no JSON": b"<html>", "another group's": b'{"GroupId": "sg-1", "IpPermissions": []}', "empty": b""}


@pytest.mark.parametrize("body", SPOILED.values(), ids=SPOILED)
def test_a_newer_backup_that_is_none(world: World, body: bytes) -> None:
    """Passed over where the table names the chosen one; else it may be the one that is meant."""
    group = remediated_twice(world)
    newer = f"security_groups/{MAIN}/{REGION}/{group}_20270101T000000.000000Z.json"
    world.sessions.client("s3").put_object(Bucket=BUCKET, Key=newer, Body=body)
    result = world.restore(group, "--dry-run")
    assert (result.exit_code, f"-> {keys(world, group)[1]}" in result.output) == (0, True)
    details(world, group, backup=None, journal=None)
    result = world.restore(group, "--batch")
    assert result.exit_code == 1
    assert f"the backup {newer} is not understood" in result.output
    assert OPEN not in world.rules(group)


def refused_attempt(world: World, group: str) -> None:
    """A remediation that EC2 refuses: an SCP, say. That is told once, and tried again days later."""
    with calls(error, 0, ("Authorize",)) as made:
        assert world.batch().remediated == 0
    assert made.made, "EC2 was asked"


REFUSED: dict[str, Callable[[World, str], None]] = {
    "the table as it is": lambda world, group: None,
    "the table of an older Hammer": lambda world, group: details(world, group, backup=keys(world, group)[-1]),
    "a journal that is gone": lambda world, group: details(world, group, journal=None),
    "details that are gone": lambda world, group: details(world, group, backup=None, journal=None),
    "an older Hammer's key alone": lambda world, group: details(
        world, group, backup=keys(world, group)[-1], journal=None
    ),
    "another group's key": lambda world, group: details(world, group, backup="security_groups/1/x/sg-2_1.json"),
    "a key that is no text": lambda world, group: details(world, group, backup={"a": 1}, journal=None),
    "no row": lambda world, group: world.sessions.client("dynamodb").delete_item(
        TableName=TABLE, Key={"account_id": {"S": MAIN}, "issue_id": {"S": group}}
    ),
}


@pytest.mark.parametrize("spoil", REFUSED.values(), ids=REFUSED)
def test_an_attempt_that_ec2_refused_is_no_change(world: World, spoil: Callable[[World, str], None]) -> None:
    group = world.group(SSH)
    world.issue(group)
    assert world.batch().remediated == 1
    (first,) = keys(world, group)
    open_again(world, group, RDP)
    for _ in range(2):
        refused_attempt(world, group)
        world.clock += timedelta(days=8)
    assert world.stored(group).remediation_details["backup"] == first, "what EC2 acknowledged is unchanged"
    assert len(keys(world, group)) == 3
    spoil(world, group)
    assert world.restore_quietly(group) == []
    assert world.rules(group) == {OPEN, ("tcp", 3389, 3389, ANYWHERE)}
    assert world.stored(group).remediation_details["restored"]["backup"] == first


def test_only_attempts_that_ec2_refused(world: World) -> None:
    group = world.group(SSH)
    world.issue(group)
    refused_attempt(world, group)
    assert "backup" not in world.stored(group).remediation_details
    world.clock += timedelta(days=1)
    result = world.restore(group, "--batch")
    assert result.exit_code == 1
    assert not world.stored(group).remediation_details.get("restored"), "it is not flagged for nothing"


POISONED: dict[str, dict[str, Any]] = {
    "the older backup's key": {"backup": 0},
    "no key": {"backup": None},
    "nothing": {"backup": None, "journal": None, "added": None},
    "a journal that is none": {"journal": {"step": "dancing"}},
}


@pytest.mark.parametrize("changed", POISONED.values(), ids=POISONED)
def test_the_bucket_decides_what_was_changed_last(world: World, changed: dict[str, Any]) -> None:
    group = remediated_twice(world)
    made = keys(world, group)
    world.clock += timedelta(days=1)
    details(world, group, **{name: made[0] if value == 0 else value for name, value in changed.items()})
    if changed.get("backup") == 0:
        details(world, group, journal=None)
    assert world.restore_quietly(group) == []
    assert world.rules(group) == {("udp", 22, 22, ANYWHERE), *private("tcp", 22)}


def test_the_table_alone_does_not_make_a_rule_hammers(world: World) -> None:
    """Somebody writes an owner's rule into the table as one that Hammer added."""
    group = world.group(SSH, permission("tcp", (443, 443), "10.5.0.0/16", about="theirs"))
    world.issue(group)
    assert world.batch().remediated == 1
    open_again(world, group, permission("tcp", (8443, 8443), "10.5.0.0/16", about="theirs"))
    rules = world.ec2().describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    theirs = [
        {"protocol": "tcp", "from_port": 8443, "to_port": 8443, "cidr": "10.5.0.0/16",
         "rule_id": rule["SecurityGroupRuleId"]}
        for rule in rules["SecurityGroupRules"]
        if rule.get("FromPort") == 8443
    ]  # fmt: skip
    details(world, group, added=theirs)
    assert world.restore_quietly(group) == []
    assert ("tcp", 8443, 8443, "10.5.0.0/16") in world.rules(group)


def test_backups_of_an_older_hammer_do_not_say_what_stands_in_for_what(world: World) -> None:
    group = remediated_twice(world)
    client = world.sessions.client("s3")
    for key in keys(world, group):
        raw = json.loads(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        del raw["hammer"]["replaces"], raw["hammer"]["relied_on"]
        client.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(raw).encode())
    assert world.restore(group, "--batch", "--backup", keys(world, group)[0]).exit_code == 0
    assert world.rules(group) == {OPEN, *private("udp", 22)}


def test_a_restore_that_died_goes_on_with_its_backup_whatever_is_proved_by_then(world: World) -> None:
    """EC2 had refused the change that it takes back, so that no backup would be chosen now."""
    group = world.group(SSH, permission("tcp", (8000, 8000), "10.0.0.0/8"))
    world.issue(group)
    with calls(error, 0, ("Authorize",)):
        assert world.batch().problems
    world.ec2().revoke_security_group_ingress(
        GroupId=group, IpPermissions=[permission("tcp", (8000, 8000), "10.0.0.0/8")]
    )
    (backup,) = keys(world, group)
    assert "choose one with --backup" in world.restore(group, "--batch").output
    with calls(killed_after, 0, ("Authorize",)), pytest.raises(KilledError):
        world.restore_quietly(group, backup=backup)
    assert is_unfinished(world.stored(group))
    world.clock += timedelta(minutes=20)
    assert world.restore_quietly(group) == []
    assert not is_unfinished(world.stored(group))
    assert ("tcp", 8000, 8000, "10.0.0.0/8") in world.rules(group)


def test_what_a_rule_names_is_gone_and_the_other_rules_come_back(world: World) -> None:
    peer = world.group()
    theirs = permission("tcp", (22, 22), peer)
    group = world.group(permission("tcp", (22, 22), ANYWHERE, peer), RDP)
    world.issue(group)
    assert world.batch().remediated == 1
    world.clock += timedelta(days=3)
    world.ec2().revoke_security_group_ingress(GroupId=group, IpPermissions=[theirs])
    world.ec2().delete_security_group(GroupId=peer)
    before = world.rules(group)
    for _ in range(2):
        (problem,) = world.restore_quietly(group)
        assert f"tcp/22 from {peer}: An error occurred (InvalidGroup.NotFound)" in problem
        assert world.rules(group) == before | {OPEN, ("tcp", 3389, 3389, ANYWHERE)}, "what stands in for them stays"
    assert world.stored(group).remediation_details["restored"]
    world.clock += timedelta(days=3)
    world.batch()
    assert world.exposed(group), "it is left alone until somebody decides"


def test_what_a_rule_that_stays_names_is_gone_and_the_group_is_restored(world: World) -> None:
    """EC2 keeps such a rule, of a group beyond a peering that was deleted, and does not let anybody add it again."""
    peer = world.group()
    group = world.group(permission("tcp", (22, 22), ANYWHERE, peer))
    world.issue(group)
    assert world.batch().remediated == 1
    before = world.rules(group)

    def not_found(operation: str, _call: Callable[[], Any]) -> Any:
        answer: Any = {"Error": {"Code": "InvalidGroup.NotFound"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        raise ClientError(answer, operation)

    with calls(not_found, 1, ("Authorize",)) as seen:
        assert world.restore_quietly(group) == []
    assert len(seen.made) == 2
    assert world.rules(group) == (before - private("tcp", 22)) | {OPEN}
    assert not is_unfinished(world.stored(group))
