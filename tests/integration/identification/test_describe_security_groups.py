"""The identification Lambda on an emulated AWS: what it finds, and the life of an issue in the table."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from identification import describe_security_groups
from identification.errors import MalformedEventError
from library.aws import ec2 as ec2_module
from library.aws.decision_store import Decisions
from library.issues.decision_record import DecisionKind, Via
from library.issues.decision_rules import Limits, Request, Rights, seen_now
from library.issues.scan_coverage import Outcome
from library.network.ports import PortSet
from tests.worlds.emulated_aws import Call, Rejection
from tests.worlds.identification_world import (
    CONTRACT_ATTRIBUTES,
    IRELAND,
    MAIN,
    SLAVE,
    VIRGINIA,
    World,
    sns_event,
    target,
)

NO_TIMES = dict.fromkeys(("identified", "updated", "reported", "remediated", "resolved", "closed"))


def test_an_exposed_group_becomes_an_issue(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0, 10.0.0.0/8", "tcp/443 from 0.0.0.0/0", "-1 from 2a00::/16")
    world.ec2().create_tags(Resources=[group_id], Tags=[{"Key": "Env", "Value": "prod"}])
    world.group("tcp/443 from 0.0.0.0/0", "tcp/22 from 10.0.0.0/8", name="fine")
    vpc_id = world.ec2().describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]["VpcId"]

    assert world.describe() == {"changes": 1}

    item = world.items()[group_id]
    assert list(world.items()) == [group_id]
    assert {name: item[name] for name in CONTRACT_ATTRIBUTES} == {
        "account_id": SLAVE,
        "issue_id": group_id,
        "status": "open",
        "issue_details": {
            "name": "web",
            "region": IRELAND,
            "vpc_id": vpc_id,
            "status": "open_completely",
            "tags": {"Env": "prod"},
            "perms": [
                {"protocol": "-1", "from_port": None, "to_port": None, "cidr": "2a00::/16", "status": "open_partly"},
                {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "0.0.0.0/0", "status": "open_completely"},
            ],
            "reachability": {
                "verdict": "unused",
                "sources": None,
                "severity": "low",
                "paths": [],
                "paths_total": 0,
                "assumptions": [],
                "unread": [],
            },
        },
        "timestamps": {**NO_TIMES, "identified": "2026-11-22T03:00:00+00:00", "updated": "2026-11-22T03:00:00+00:00"},
        "jira_details": {},
    }


def test_prefix_lists_count_as_their_entries_and_those_of_aws_do_not(world: World) -> None:
    entries = [{"Cidr": "8.8.8.0/24"}, {"Cidr": "10.0.0.0/8"}]
    ours = world.ec2().create_managed_prefix_list(
        PrefixListName="ours", MaxEntries=5, AddressFamily="IPv4", Entries=entries
    )["PrefixList"]["PrefixListId"]
    listed = world.ec2().describe_managed_prefix_lists()["PrefixLists"]
    aws_owned = next(found["PrefixListId"] for found in listed if found["OwnerId"] == "AWS")
    group_id = world.group(f"tcp/22 from {ours}, {aws_owned}")
    world.group(f"tcp/22 from {aws_owned}", name="aws only")

    world.describe()

    assert list(world.items()) == [group_id]
    assert world.items()[group_id]["issue_details"]["perms"] == [
        {
            "protocol": "tcp",
            "from_port": 22,
            "to_port": 22,
            "cidr": "8.8.8.0/24",
            "status": "open_partly",
            "prefix_list_id": ours,
        }
    ]


def test_the_main_account_is_read_without_a_role_and_others_with_one(world: World) -> None:
    in_main = world.group("tcp/22 from 0.0.0.0/0", account_id=MAIN)
    in_slave = world.group("tcp/22 from 0.0.0.0/0", account_id=SLAVE)
    world.aws.forget()
    world.describe(target(MAIN))
    assert "AssumeRole" not in world.aws.operations()
    world.describe(target(SLAVE))
    assert world.aws.operations("sts") == ["AssumeRole"]
    assert {name: item["account_id"] for name, item in world.items().items()} == {in_main: MAIN, in_slave: SLAVE}


# The life of an issue


def test_the_life_of_an_issue(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    first = world.clock.isoformat()
    world.describe()
    reported = {**world.items()[group_id]["timestamps"], "reported": world.later().isoformat()}
    world.set(group_id, timestamps=reported, jira_details={"ticket": "SEC-1"}, slack_details={"told": "them"})

    def issue() -> dict[str, Any]:
        return world.items()[group_id]

    # Changed: another source.
    changed = world.later().isoformat()
    world.allow(group_id, "tcp/22 from 8.8.8.8/32")
    assert world.describe() == {"changes": 1}
    assert (issue()["status"], len(issue()["issue_details"]["perms"])) == ("open", 2)
    assert issue()["timestamps"] == {**reported, "identified": first, "updated": changed}

    # Exempt.
    world.later()
    world.whitelist(group_id)
    assert world.describe() == {"changes": 1}
    assert (issue()["status"], len(issue()["issue_details"]["perms"])) == ("whitelisted", 2)
    assert issue()["timestamps"]["identified"] == first

    # No longer exempt: a new occurrence, and what was known about its ticket stays for reporting to reopen it.
    again = world.later().isoformat()
    world.whitelist()
    assert world.describe() == {"changes": 1}
    assert issue()["status"] == "open"
    assert issue()["timestamps"] == {**NO_TIMES, "identified": again, "updated": again}
    assert issue()["jira_details"] == {"ticket": "SEC-1"}

    # Fixed.
    fixed = world.later().isoformat()
    world.revoke(group_id, "tcp/22 from 0.0.0.0/0", "tcp/22 from 8.8.8.8/32")
    assert world.describe() == {"changes": 1}
    assert issue()["status"] == "resolved"
    assert issue()["timestamps"] == {**NO_TIMES, "identified": again, "updated": again, "resolved": fixed}
    assert len(issue()["issue_details"]["perms"]) == 2, "what it exposed stays on record"

    # Found again.
    again = world.later().isoformat()
    world.allow(group_id, "tcp/3389 from 8.8.8.8/32")
    assert world.describe() == {"changes": 1}
    assert (issue()["status"], issue()["issue_details"]["status"]) == ("open", "open_partly")
    assert issue()["timestamps"] == {**NO_TIMES, "identified": again, "updated": again}

    # Gone, and its ticket closed.
    world.later()
    world.ec2().delete_security_group(GroupId=group_id)
    assert world.describe() == {"changes": 1}
    known = world.issue_table().get(SLAVE, group_id)
    assert known
    world.issue_table().close_resolved(known, world.later())
    assert issue()["status"] == "closed"

    # Nothing more happens to it.
    world.aws.forget()
    assert world.describe() == {"changes": 0}
    assert world.written_issues() == []
    assert issue()["status"] == "closed"


def test_closed_and_found_again_is_a_new_occurrence(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.describe()
    world.revoke(group_id, "tcp/22 from 0.0.0.0/0")
    world.later()
    world.describe()
    known = world.issue_table().get(SLAVE, group_id)
    assert known
    world.issue_table().close_resolved(known, world.later())
    world.allow(group_id, "tcp/22 from 0.0.0.0/0")
    again = world.later().isoformat()
    world.aws.forget()
    assert world.describe() == {"changes": 1}
    described = ["DescribeSecurityGroups", "DescribeNetworkInterfaces"]
    assert world.aws.operations("ec2") == described, "it was known, so no race was lost"
    item = world.items()[group_id]
    assert (item["status"], item["timestamps"]) == ("open", {**NO_TIMES, "identified": again, "updated": again})
    assert item["occurrence"] == known.occurrence + 1


def test_what_somebody_exempted_is_exempt_until_its_day(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.describe()
    issue = world.issue_table().get(SLAVE, group_id)
    assert issue is not None
    request = Request(
        kind=DecisionKind.EXEMPT,
        by="jane",
        via=Via.CLI,
        at=world.clock,
        seen=seen_now(issue),
        rights=Rights(decides=True),
        reason="migration until tomorrow",
        until=world.clock.date() + timedelta(days=1),
        key="a call",
    )
    limits = Limits(remediation_is_on=True, account_is_remediated=True, exempt_days=7, restricted=PortSet.parse([22]))
    Decisions(world.issue_table(), lambda: world.clock).carry_out(SLAVE, group_id, request, limits)
    world.later(hours=1)
    world.describe()
    assert world.items()[group_id]["status"] == "whitelisted"
    world.later(days=1)
    world.describe()
    assert world.items()[group_id]["status"] == "open"


def test_found_and_exempt_is_whitelisted(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0", name="default-ish")
    vpc_id = world.ec2().describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]["VpcId"]
    world.whitelist(f"{vpc_id}:default-ish")
    world.describe()
    item = world.items()[group_id]
    assert (item["status"], len(item["issue_details"]["perms"])) == ("whitelisted", 1)


def test_an_exemption_ends_on_its_day_in_utc(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.whitelist({"group": group_id, "expires": "2026-11-23"})
    world.describe()
    assert world.items()[group_id]["status"] == "whitelisted"
    world.later(hours=20, minutes=59)
    assert world.describe() == {"changes": 0}
    world.later(minutes=1)
    world.describe()
    assert world.items()[group_id]["status"] == "open"


def test_another_accounts_exemption_does_not_count(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.whitelist(group_id, account_id=MAIN)
    world.describe()
    assert world.items()[group_id]["status"] == "open"


def test_the_whitelist_is_read_anew_each_time(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.describe()
    (world.folder / "whitelist.json").write_text("{")
    with pytest.raises(Exception, match=r"whitelist\.json"):
        world.describe()
    assert world.items()[group_id]["status"] == "open"


# What is read and written


def test_only_what_changed_is_written(world: World) -> None:
    ids = [world.group("tcp/22 from 0.0.0.0/0, 8.8.8.8/32", "-1 from ::/0", name=f"g{number}") for number in range(4)]
    world.describe()
    world.aws.forget()
    world.later()
    assert world.describe() == {"changes": 0}
    assert world.written_issues() == []
    world.revoke(ids[2], "tcp/22 from 8.8.8.8/32")
    world.aws.forget()
    assert world.describe() == {"changes": 1}
    assert world.written_issues() == [ids[2]]


def test_every_write_of_an_issue_is_conditional(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.describe()
    world.revoke(group_id, "tcp/22 from 0.0.0.0/0")
    world.describe()
    calls = [call.parameters for call in world.aws.calls if call.operation in ("PutItem", "UpdateItem")]
    writes = [call for call in calls if (call.get("Key") or call["Item"])["issue_id"] == {"S": group_id}]
    [resolved] = [call.parameters for call in world.aws.calls if call.operation == "TransactWriteItems"]
    writes += [each[name] for each in resolved["TransactItems"] for name in each]
    # One that opens the issue, and one that resolves it with the conditions on two other items.
    assert len(writes) == 1 + 3
    assert all(write.get("ConditionExpression") for write in writes)


@pytest.mark.moto_table("many groups")
def test_items_read_do_not_grow_with_closed_issues_or_other_regions(world: World) -> None:
    here = [world.group("tcp/22 from 0.0.0.0/0", name=f"here{number}") for number in range(3)]
    world.describe()

    def read() -> int:
        world.aws.forget()
        world.later()
        assert world.describe() == {"changes": 0}
        return world.items_read()

    before = read()
    assert before <= len(here) + 1, "the region's open issues, and at most its coverage"

    gone = [world.group("tcp/22 from 0.0.0.0/0", name=f"gone{number}") for number in range(12)]
    world.describe()
    for group_id in gone:
        world.ec2().delete_security_group(GroupId=group_id)
    world.describe()
    for issue in list(world.issue_table().get_many(SLAVE, gone[:6]).values()):
        world.issue_table().close_resolved(issue, world.clock)
    for number in range(5):
        world.group("tcp/22 from 0.0.0.0/0", name=f"there{number}", region=VIRGINIA)
        world.group("tcp/22 from 0.0.0.0/0", name=f"main{number}", account_id=MAIN)
    world.describe(target(region=VIRGINIA), target(MAIN))
    statuses = [item["status"] for item in world.items().values()]
    assert (statuses.count("resolved"), statuses.count("closed"), statuses.count("open")) == (6, 6, 13)

    assert read() == before


def test_another_regions_issues_are_left_alone(world: World) -> None:
    there = world.group("tcp/22 from 0.0.0.0/0", region=VIRGINIA)
    in_main = world.group("tcp/22 from 0.0.0.0/0", account_id=MAIN)
    world.describe(target(region=VIRGINIA), target(MAIN))
    world.describe(target(region=IRELAND))
    assert {world.items()[group_id]["status"] for group_id in (there, in_main)} == {"open"}


def paged(size: int) -> Any:
    """A rewrite that cuts DescribeSecurityGroups into pages, which the emulator does not."""

    def rewrite(call: Call, text: str) -> str:
        if call.operation != "DescribeSecurityGroups":
            return text
        namespace = text.partition('xmlns="')[2].partition('"')[0]
        ElementTree.register_namespace("", namespace)
        root = ElementTree.fromstring(text)  # noqa: S314 - the emulator's own
        groups = root.find(f"{{{namespace}}}securityGroupInfo")
        assert groups is not None
        start, total = int(call.parameters.get("NextToken", 0)), len(groups)
        groups[:] = groups[start : start + size]
        if start + size < total:
            ElementTree.SubElement(root, f"{{{namespace}}}nextToken").text = str(start + size)
        return ElementTree.tostring(root, encoding="unicode")

    return rewrite


def test_all_pages_are_read(world: World) -> None:
    ids = {world.group("tcp/22 from 0.0.0.0/0", name=f"g{number}") for number in range(7)}
    total = len(world.ec2().describe_security_groups()["SecurityGroups"])
    world.aws.forget()
    world.aws.rewrites.append(paged(2))
    world.describe()
    assert world.items().keys() == ids
    assert world.aws.operations("ec2").count("DescribeSecurityGroups") == -(-total // 2)
    assert world.coverage().groups == total


def test_a_thousand_groups_a_page(world: World) -> None:
    world.describe()
    sizes = [call.parameters["MaxResults"] for call in world.aws.calls if call.operation == "DescribeSecurityGroups"]
    assert sizes == ["1000"] == [str(ec2_module.GROUPS_A_PAGE)]


# Some groups only


def test_a_scan_records_how_often_its_region_is_scanned(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCAN_INTERVAL_MINUTES", "720")
    world.describe()
    assert world.coverage().interval == timedelta(hours=12)

    monkeypatch.delenv("SCAN_INTERVAL_MINUTES")  # as where somebody starts a scan by hand
    world.later()
    world.describe()
    assert (world.coverage().started, world.coverage().interval) == (world.clock, timedelta(hours=12))


def test_group_ids_are_the_only_groups_looked_at(world: World) -> None:
    a, b = (world.group("tcp/22 from 0.0.0.0/0", name=name) for name in "ab")
    assert world.describe(target(group_ids=[a])) == {"changes": 1}
    assert list(world.items()) == [a]
    world.describe()
    for group_id in (a, b):
        world.allow(group_id, "tcp/3389 from 0.0.0.0/0")
    world.describe(target(group_ids=[a]))
    assert {group_id: len(world.items()[group_id]["issue_details"]["perms"]) for group_id in (a, b)} == {a: 2, b: 1}


def test_group_ids_resolve_the_very_groups_that_are_fixed(world: World) -> None:
    """A read of groups by their ids is complete for these groups (contract, section 3)."""
    named, other, deleted = (world.group("tcp/22 from 0.0.0.0/0", name=name) for name in ("named", "other", "deleted"))
    world.describe()
    for group_id in (named, other):
        world.revoke(group_id, "tcp/22 from 0.0.0.0/0")
    world.ec2().delete_security_group(GroupId=deleted)
    assert world.describe(target(group_ids=[named, deleted, "sg-00000000"])) == {"changes": 2}
    statuses = {group_id: item["status"] for group_id, item in world.items().items()}
    assert statuses == {named: "resolved", deleted: "resolved", other: "open"}


def test_group_ids_named_twice(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.describe(target(group_ids=[group_id, group_id]))
    assert world.items()[group_id]["status"] == "open"


def test_group_ids_of_another_region_resolve_nothing(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0", region=VIRGINIA)
    world.describe(target(region=VIRGINIA))
    assert world.describe(target(region=IRELAND, group_ids=[group_id])) == {"changes": 0}
    assert world.items()[group_id]["status"] == "open"


def test_group_ids_leave_no_coverage(world: World) -> None:
    world.describe(target(group_ids=[world.group("tcp/22 from 0.0.0.0/0")]))
    assert world.coverage() is None


@pytest.mark.moto_table("many groups")
def test_many_group_ids(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    others = [f"sg-{number:08}" for number in range(450)]
    world.aws.forget()
    assert world.describe(target(group_ids=[*others, group_id])) == {"changes": 1}
    filters = [
        sum(name.startswith("Filter.1.Value.") for name in call.parameters)
        for call in world.aws.calls
        if call.operation == "DescribeSecurityGroups"
    ]
    assert filters == [200, 200, 51]


# Records


def test_several_records(world: World) -> None:
    ids = {
        world.group("tcp/22 from 0.0.0.0/0", account_id=account_id, region=region)
        for account_id, region in ((SLAVE, IRELAND), (SLAVE, VIRGINIA), (MAIN, VIRGINIA))
    }
    assert world.describe(target(), target(region=VIRGINIA), target(MAIN, VIRGINIA)) == {"changes": 3}
    assert world.items().keys() == ids


MALFORMED = {
    "no text": "",
    "no JSON": "{",
    "no map": '"210987654321"',
    "a list": "[]",
    "null": "null",
    "no account": json.dumps({"region": IRELAND}),
    "no region": json.dumps({"account_id": SLAVE}),
    "account as a number": json.dumps({"account_id": int(SLAVE), "region": IRELAND}),
    "empty region": json.dumps({"account_id": SLAVE, "region": ""}),
    "group ids as a text": json.dumps({**target(), "group_ids": "sg-1"}),
    "group ids as numbers": json.dumps({**target(), "group_ids": [1]}),
    "group ids that are none": json.dumps({**target(), "group_ids": ["scan-coverage#eu-west-1"]}),
}


@pytest.mark.parametrize("message", [pytest.param(text, id=name) for name, text in MALFORMED.items()])
def test_a_malformed_record_raises_and_the_others_are_processed(world: World, message: str) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    event = sns_event(message, json.dumps(target()))
    with pytest.raises(MalformedEventError, match="not a scan target"):
        describe_security_groups.lambda_handler(event, None)
    assert list(world.items()) == [group_id]


@pytest.mark.parametrize("record", [{}, {"Sns": None}, {"Sns": {}}, {"Sns": {"Message": None}}, None, "text"])
def test_a_record_that_is_not_of_sns_raises(world: World, record: Any) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    event = {"Records": [record, *sns_event(json.dumps(target()))["Records"]]}
    with pytest.raises(MalformedEventError, match="not a scan target"):
        describe_security_groups.lambda_handler(event, None)
    assert list(world.items()) == [group_id]


@pytest.mark.parametrize("event", [{}, {"Records": []}, {"Records": None}, {"Records": "x"}, [], None])
def test_an_event_without_records_raises(world: World, event: Any) -> None:
    assert world.items() == {}
    with pytest.raises(MalformedEventError, match="no SNS records"):
        describe_security_groups.lambda_handler(event, None)


def test_several_failures_are_all_raised(world: World) -> None:
    event = sns_event("{", json.dumps(target()), "}")
    with pytest.raises(ExceptionGroup, match="several scan targets failed") as raised:
        describe_security_groups.lambda_handler(event, None)
    assert [type(error) for error in raised.value.exceptions] == [MalformedEventError, MalformedEventError]
    assert world.coverage().outcome is Outcome.COMPLETE


def test_off_means_off(world: World) -> None:
    world.group("tcp/22 from 0.0.0.0/0")
    world.configure(enabled="false")
    world.aws.forget()
    assert world.describe() == {"changes": 0}
    assert world.aws.calls == []


# SQS


def sqs_event(*bodies: str) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": f"m-{number}", "eventSource": "aws:sqs", "body": body} for number, body in enumerate(bodies)
        ]
    }


def test_of_sqs_the_records_that_failed_are_named_and_the_others_are_done(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.aws.refuse("DescribeSecurityGroups", Rejection("UnauthorizedOperation", 403), region=VIRGINIA)
    envelope = json.dumps({"Type": "Notification", "Message": json.dumps(target())})
    event = sqs_event("{", envelope, json.dumps(target(region=VIRGINIA)), json.dumps(target(group_ids=[group_id])))
    answer = describe_security_groups.lambda_handler(event, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-0"}, {"itemIdentifier": "m-2"}]}
    assert world.items()[group_id]["status"] == "open"


def test_messages_about_one_region_in_one_event_are_one_look(world: World) -> None:
    ids = [world.group("tcp/22 from 0.0.0.0/0", name=f"g{number}") for number in range(3)]
    world.aws.forget()
    targets = [target(group_ids=[group_id]) for group_id in ids for _ in range(5)]
    assert world.describe(*targets) == {"changes": 3}
    assert world.aws.operations("ec2").count("DescribeSecurityGroups") == 1


def test_the_targets_of_a_batch_are_looked_at_at_the_same_time(world: World) -> None:
    """Each waits until the others have begun, which nobody does who looks at one after the other."""
    regions = (IRELAND, VIRGINIA, "eu-central-1")
    begun = threading.Barrier(len(regions))

    def wait_for_the_others(call: Call) -> None:
        if call.operation == "DescribeSecurityGroups":
            begun.wait(timeout=300)

    for region in regions:
        world.group("tcp/22 from 0.0.0.0/0", region=region)
    world.aws.forget()
    world.aws.hooks.append(wait_for_the_others)
    event = sqs_event(*(json.dumps(target(region=region)) for region in regions))
    assert describe_security_groups.lambda_handler(event, None) == {"batchItemFailures": []}
    assert {item["issue_details"]["region"] for item in world.items().values()} == set(regions)
    assert world.aws.operations("sts") == ["AssumeRole"]


def test_no_more_targets_at_once_than_the_function_has_room_for(world: World) -> None:
    """A region of 1,000 groups takes 15 MiB while it is read."""
    under_way, most, lock = 0, 0, threading.Lock()

    def count(call: Call) -> None:
        nonlocal under_way, most
        if call.operation == "DescribeSecurityGroups":
            with lock:
                under_way += 1
                most = max(most, under_way)

    def finished(call: Call, text: str) -> str:
        nonlocal under_way
        if call.operation == "DescribeSecurityGroups":
            with lock:
                under_way -= 1
        return text

    world.aws.hooks.append(count)
    world.aws.rewrites.append(finished)
    event = sqs_event(
        *(
            json.dumps(target(region=region))
            for region in (
                "eu-west-1",
                "eu-west-2",
                "eu-west-3",
                "eu-north-1",
                "us-east-1",
                "us-east-2",
                "us-west-1",
                "us-west-2",
            )
        )
    )
    describe_security_groups.lambda_handler(event, None)
    assert 1 <= most <= 5
    assert len(world.aws.operations("sts")) == 1


def test_what_events_told_is_read_once_however_many_groups_are_new(world: World) -> None:
    groups = [world.group("tcp/22 from 0.0.0.0/0", name=name) for name in ("one", "two")]
    world.aws.forget()
    world.describe()
    assert sorted(world.items()) == sorted(groups)
    asked = [call for call in world.aws.calls if call.operation == "BatchGetItem" and "look#" in str(call.parameters)]
    # Before anything is written, and after, for those that were written.
    assert len(asked) == 2
