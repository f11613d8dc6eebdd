"""Immediate mode in the describe function: for which issues it asks the host for a run at once, and how often."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from identification.describe_security_groups import to_remediate_at_once
from identification.errors import NotRequestedError
from library.config import Configuration
from library.issues.issue import Issue, Status
from library.issues.reachability import Reachability, Sources, Verdict
from tests.builders.config_files import config_with, parse
from tests.builders.issues import DETAILS, an_issue
from tests.worlds.identification_world import IRELAND, SLAVE, World, target

CHECK = "secgrp_unrestricted_access"
ON = {
    f"{CHECK}/reporting": True,
    f"{CHECK}/remediation": True,
    f"{CHECK}/remediation_immediate": {"*": ["critical"]},
}
CRITICAL = replace(DETAILS, reachability=Reachability.of(Verdict.INTERNET, Sources.ALL, "open_completely"))


@pytest.mark.parametrize(
    ("issue", "settings", "asks"),
    [
        pytest.param(an_issue(details=CRITICAL), {}, True, id="critical"),
        pytest.param(an_issue(), {}, False, id="high"),
        pytest.param(an_issue(Status.WHITELISTED, details=CRITICAL), {}, False, id="exempt"),
        pytest.param(an_issue(Status.RESOLVED, details=CRITICAL), {}, False, id="resolved"),
        pytest.param(an_issue(details=CRITICAL, remediation_details={"restored": {}}), {}, True, id="no restore"),
        pytest.param(
            an_issue(details=CRITICAL, remediation_details={"restored": {"by": "ana"}}), {}, False, id="restored"
        ),
        pytest.param(an_issue(details=CRITICAL), {"reporting": False}, False, id="reporting is off"),
        pytest.param(an_issue(details=CRITICAL), {"remediation": False}, False, id="remediation is off"),
        pytest.param(an_issue(details=CRITICAL), {"remediation_immediate": {}}, False, id="the mode is off"),
        pytest.param(
            an_issue(details=CRITICAL),
            {"remediation_immediate": {"*": ["critical"], "210987654321": []}},
            False,
            id="the mode is off in the account",
        ),
        pytest.param(
            an_issue(details=CRITICAL), {"remediation_accounts": ["123456789012"]}, False, id="another account"
        ),
        pytest.param(an_issue(details=CRITICAL), {"remediation_scope": ["open_partly"]}, False, id="out of scope"),
    ],
)
def test_for_which_issues_a_run_is_asked_for(issue: Issue, settings: dict[str, Any], asks: bool) -> None:
    config: Configuration = parse(config_with(ON | {f"{CHECK}/{name}": value for name, value in settings.items()}))
    assert to_remediate_at_once([issue], config, datetime(2026, 11, 22, 3, tzinfo=UTC)) == ([issue] if asks else [])


@pytest.fixture
def asked(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Called, it returns the groups that a run was asked for since. A group that nothing uses is `low`."""
    world.configure(reporting=True, remediation=True, remediation_immediate={"*": ["low"]})
    sqs: Any = boto3.client("sqs", region_name=IRELAND)
    url = sqs.create_queue(QueueName="hammer-immediate-remediation")["QueueUrl"]
    monkeypatch.setenv("HAMMER_IMMEDIATE_QUEUE", url)

    def got() -> list[str]:
        found: list[str] = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                body = json.loads(message["Body"])
                assert (body["account_id"], body["region"], set(body)) == (
                    SLAVE,
                    IRELAND,
                    {"account_id", "region", "group_id"},
                )
                found.append(body["group_id"])
        return sorted(found)

    return got


def test_each_look_asks_for_what_is_still_open(world: World, asked: Callable[[], list[str]]) -> None:
    groups = sorted(world.group("tcp/22 from 0.0.0.0/0", name=f"web {number}") for number in range(11))
    exempt = world.group("tcp/22 from 0.0.0.0/0", name="exempt")
    world.whitelist(exempt)
    world.describe()
    assert asked() == groups
    # A look at a group asks for that one; a scan is the net below lost messages.
    world.describe(target(group_ids=[groups[0], exempt]))
    assert asked() == [groups[0]]
    world.revoke(groups[0], "tcp/22 from 0.0.0.0/0")
    world.describe()
    assert asked() == groups[1:]


def test_a_look_whose_request_is_refused_fails_and_is_repeated(
    world: World,
    asked: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    group = world.group("tcp/22 from 0.0.0.0/0")

    def refuse(call: Any, text: str) -> str:
        if call.operation != "SendMessageBatch":
            return text
        return json.dumps({"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}], "Successful": []})

    world.aws.rewrites.append(refuse)
    with pytest.raises(NotRequestedError, match=f"{group} in {SLAVE}, {IRELAND}: InternalError"):
        world.describe()
    assert "remediation at once requested" not in caplog.messages
    # What was seen is in the table, and the message comes again.
    assert world.items()[group]["status"] == "open"
    world.aws.rewrites.clear()
    asked()
    world.describe()
    assert asked() == [group]
    monkeypatch.delenv("HAMMER_IMMEDIATE_QUEUE")
    world.describe()
    assert asked() == []
