"""Whoever can write to the queues and topics: a message leads to a look, and no group is changed because it says so."""

from __future__ import annotations

import json
from unittest.mock import patch

import pytest

from identification import filter_inspector_findings
from library.aws.records import CoverageRecords
from library.jobs import command_line
from tests.builders.inspector_samples import v2_event
from tests.integration.hammer.test_immediate import OPEN, SSH, Queue, a_group, queue
from tests.worlds.remediation_world import MAIN, NOW, REGION, permission

__all__ = ["queue"]
STRANGER = "333333333333"


def test_a_forged_request_is_acted_on_only_where_table_ec2_and_configuration_say_so(queue: Queue) -> None:
    given = queue.world
    whole_net = permission("tcp", (22, 22), "10.0.0.0/8")
    private, without_issue, exempt = a_group(given), given.group(SSH), a_group(given)
    # What the table calls exposed is described again: only its owner's private rule is left.
    given.ec2().revoke_security_group_ingress(GroupId=private, IpPermissions=[SSH])
    given.ec2().authorize_security_group_ingress(GroupId=private, IpPermissions=[whole_net])
    given.configure(whitelist={MAIN: [exempt]})
    before = {group: given.described(group) for group in (private, without_issue, exempt)}
    queue.asks(*before)
    queue.asks(private, account=STRANGER)
    queue.send(json.dumps({"account_id": MAIN, "region": "us-east-1", "group_id": private}))
    queue.send(json.dumps({"account_id": MAIN, "region": REGION, "group_id": private, "add": ["0.0.0.0/0"]}))
    assert queue.run().exit_code in (0, 1)
    assert {group: given.described(group) for group in before} == before
    assert given.exposed(without_issue) == OPEN


@pytest.mark.parametrize("batch", [False, True], ids=["immediate", "hourly"])
def test_a_request_does_not_make_due_what_nobody_was_told_of(queue: Queue, *, batch: bool) -> None:
    given = queue.world
    given.configure(remediation_immediate={})  # with which a request would be told and closed
    group = a_group(given)
    queue.asks(group)
    assert (given.remediate("--batch") if batch else queue.run()).exit_code == 0
    assert given.exposed(group) == OPEN
    assert given.stored(group).timestamps.reported is None


def test_a_forged_inspector_event_changes_no_group(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    given = queue.world
    group = given.group(SSH)
    before = given.described(group)
    topic = given.sessions.client("sns").create_topic(Name="findings")["TopicArn"]
    file = given.folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"inspector": {"allowed_ports": {}}}))
    monkeypatch.setenv("HAMMER_CONFIG", str(given.folder))
    monkeypatch.setenv("FINDINGS_SNS_ARN", topic)
    event = v2_event(account=MAIN, receiver=MAIN, groups=(group,))
    notified = filter_inspector_findings.lambda_handler(event, None)
    assert notified["published"] == 1, "the forged finding is published"
    queue.asks(group)
    assert queue.run().exit_code == 0
    assert given.remediate("--batch").exit_code == 0
    assert given.described(group) == before
    assert given.backups_of(group) == []


def test_a_region_that_this_sdk_does_not_know_keeps_nothing_else_from_being_done(queue: Queue) -> None:
    """A region that is newer than the host's SDK, or that somebody made up: the other requests are carried out."""
    given = queue.world
    group, other = a_group(given), a_group(given)
    queue.asks(group)
    queue.send(json.dumps({"account_id": MAIN, "region": "mars-north-1", "group_id": other}))
    queue.run()
    assert given.exposed(group) == set()
    assert given.exposed(other) == OPEN, "it is not there that it was asked for"


def test_a_group_in_a_region_newer_than_this_sdk_is_closed_at_once_and_restored(queue: Queue) -> None:
    given = queue.world
    group = a_group(given)
    queue.asks(group)
    CoverageRecords(given.table.items).begin(MAIN, REGION, NOW)
    with patch.object(command_line, "aws_regions", lambda: {"us-east-1"}):
        assert queue.run().exit_code == 0
        assert given.exposed(group) == set()
        assert given.restore(group, "--batch").exit_code == 0
    assert given.exposed(group) == OPEN
