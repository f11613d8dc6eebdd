"""From CloudTrail's calls to scan targets, and from there to issues that name who opened a group."""

from __future__ import annotations

import json
from typing import Any

import pytest

from identification.errors import MalformedEventError, MissingVariableError
from identification.messages import PublishError
from identification.receive_security_group_events import lambda_handler
from library.aws.records import EventRecords
from tests.builders.api_calls import api_call, authorized, in_sqs, revoked
from tests.integration.identification.conftest import Received
from tests.worlds.emulated_aws import Rejection
from tests.worlds.identification_world import IRELAND, MAIN, OTHER, SLAVE, VIRGINIA, World


def groups_of(messages: list[dict[str, Any]]) -> list[str]:
    return [group_id for message in messages for group_id in message.get("group_ids", ())]


def test_an_event_leads_to_the_group(world: World, published: Received) -> None:
    assert lambda_handler(authorized("sg-0a"), None) == {"published": 1}
    [message] = published()
    assert message.pop("opened")
    assert message.pop("events") == [["2026-11-22T02:59:00+00:00", ["sg-0a"]]]
    assert message == {"account_id": SLAVE, "account_name": "slave1", "region": IRELAND, "group_ids": ["sg-0a"]}


def test_a_thousand_events_of_one_group_are_one_message_now_and_one_later(
    world: World, published: Received, delayed: Received
) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    assert lambda_handler(in_sqs(*[authorized(group_id) for _ in range(1000)]), None) == {"batchItemFailures": []}
    messages = published()
    assert groups_of(messages) == groups_of(delayed()) == [group_id]
    world.aws.calls.clear()
    world.describe(*messages)
    assert world.aws.operations("ec2").count("DescribeSecurityGroups") == 1
    assert world.items()[group_id]["status"] == "open"


@pytest.mark.moto_table("many groups")
def test_a_thousand_groups_cost_no_more_calls_than_a_scan_of_the_region(world: World, published: Received) -> None:
    ids = [world.group(name=f"g{number}") for number in range(30)]
    made_up = [f"sg-{number:017x}" for number in range(970)]
    world.aws.calls.clear()
    world.describe()
    scan = world.aws.operations("ec2")
    lambda_handler(in_sqs(*[authorized(group_id) for group_id in ids + made_up]), None)
    messages = published()
    assert sorted(groups_of(messages)) == sorted(ids + made_up)
    world.aws.calls.clear()
    world.describe(*messages)
    assert len(world.aws.operations("ec2")) <= len(scan)


def test_accounts_and_regions_have_messages_of_their_own(world: World, published: Received) -> None:
    events = [
        authorized("sg-0a"),
        authorized("sg-0a", region=VIRGINIA),
        authorized("sg-0b", account_id=MAIN),
        revoked("sg-0a"),
    ]
    lambda_handler(in_sqs(*events), None)
    assert sorted((m["account_id"], m["region"], m["group_ids"]) for m in published()) == [
        (MAIN, IRELAND, ["sg-0b"]),
        (SLAVE, IRELAND, ["sg-0a"]),
        (SLAVE, VIRGINIA, ["sg-0a"]),
    ]


@pytest.mark.parametrize("variable", [None, ""])
def test_without_the_queue_of_the_second_message_the_handler_raises(
    world: World, published: Received, variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCAN_QUEUE_URL", "") if variable == "" else monkeypatch.delenv("SCAN_QUEUE_URL")
    with pytest.raises(MissingVariableError, match="SCAN_QUEUE_URL"):
        lambda_handler(in_sqs(authorized("sg-0a")), None)
    assert published() == []


def test_each_region_has_a_second_message_of_its_own_that_names_each_group_once(
    world: World, published: Received, delayed: Received
) -> None:
    exposed = world.group("tcp/22 from 0.0.0.0/0", name="exposed")
    world.describe()
    events = [
        *(authorized("sg-0a"), revoked("sg-0a"), authorized("sg-0b"), api_call("AssociateAddress", {})),
        *(authorized("sg-0a", region=VIRGINIA), api_call("RevokeSecurityGroupIngress", None, account_id=MAIN)),
    ]
    lambda_handler(in_sqs(*events), None)
    assert delayed() == [
        {"account_id": SLAVE, "account_name": "slave1", "region": IRELAND, "group_ids": ["sg-0a", "sg-0b", exposed]},
        {"account_id": SLAVE, "account_name": "slave1", "region": VIRGINIA, "group_ids": ["sg-0a"]},
        {"account_id": MAIN, "account_name": "master", "region": IRELAND},
    ]
    assert sorted(groups_of(published())) == sorted(["sg-0a", "sg-0b", exposed, "sg-0a"])


def test_a_second_message_that_cannot_be_sent_fails_its_records(world: World, published: Received) -> None:
    world.aws.refuse("SendMessageBatch", Rejection("InternalError", 400))
    answer = lambda_handler(in_sqs(api_call("DescribeRegions"), authorized("sg-0a"), authorized("sg-0b")), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-1"}, {"itemIdentifier": "m-2"}]}
    assert groups_of(published()) == ["sg-0a", "sg-0b"], "to publish them again does no harm"


def test_what_is_not_for_hammer_is_ignored(world: World, published: Received, delayed: Received) -> None:
    world.configure(accounts=[SLAVE])
    events = [
        authorized("sg-0a", errorCode="Client.UnauthorizedOperation"),
        api_call("DescribeSecurityGroups", {}),
        api_call("DescribeInstances", {}, account_id=OTHER),
        authorized("sg-0a", account_id=MAIN),
        authorized("sg-0a", region="ap-southeast-2"),
    ]
    assert lambda_handler(in_sqs(*events), None) == {"batchItemFailures": []}
    assert published() == delayed() == []


def test_an_account_that_nobody_configured_is_counted_and_ignored(
    world: World, published: Received, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    events = [authorized("sg-0a", account_id=OTHER), authorized("sg-0b"), authorized("sg-0c", account_id=OTHER)]
    assert lambda_handler(in_sqs(*events), None) == {"batchItemFailures": []}
    assert groups_of(published()) == ["sg-0b"]
    [counted] = [vars(record) for record in caplog.records if record.message == "events of what is not scanned"]
    assert (counted["ignored"], counted["most"]) == (2, {f"{OTHER} {IRELAND}": 2})
    assert lambda_handler(authorized("sg-0a", account_id=OTHER), None) == {"published": 0}


def test_each_account_has_the_regions_that_the_configuration_gives_it(world: World, published: Received) -> None:
    world.configure(regions={SLAVE: [IRELAND], "*": [IRELAND, VIRGINIA]})
    events = [authorized("sg-0a", account_id=account, region=VIRGINIA) for account in (SLAVE, MAIN)]
    lambda_handler(in_sqs(*events), None)
    assert [message["account_id"] for message in published()] == [MAIN]


@pytest.mark.parametrize("body", ["", "{", "null", "[]", "{}", json.dumps(authorized("sg-0a", account_id=""))])
def test_a_malformed_event_fails_its_record_and_the_others_are_published(
    world: World, published: Received, body: str
) -> None:
    answer = lambda_handler(in_sqs(authorized("sg-0a"), body, authorized("sg-0b")), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert groups_of(published()) == ["sg-0a", "sg-0b"]


def test_a_malformed_event_that_came_directly_raises(world: World, published: Received) -> None:
    with pytest.raises(MalformedEventError):
        lambda_handler({"detail": None}, None)
    assert published() == []


def test_events_that_could_not_be_published_come_again(world: World, published: Received) -> None:
    world.aws.refuse("PublishBatch", Rejection("InternalError", 400))
    answer = lambda_handler(in_sqs(api_call("DescribeRegions"), authorized("sg-0a"), authorized("sg-0b")), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-1"}, {"itemIdentifier": "m-2"}]}


def test_a_group_named_by_name_is_the_one_of_the_default_vpc(world: World, published: Received) -> None:
    vpc = world.ec2().create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    world.ec2().create_security_group(GroupName="web", Description="another", VpcId=vpc)
    group_id = world.group("tcp/22 from 0.0.0.0/0", name="web")
    lambda_handler(api_call("DeleteSecurityGroup", {"groupName": "web"}), None)
    assert groups_of(published()) == [group_id]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(api_call("DeleteSecurityGroup", {"groupName": "gone"}), id="a name that is not there any more"),
        pytest.param(api_call("RevokeSecurityGroupIngress", None), id="no parameters"),
    ],
)
def test_what_cannot_be_led_to_groups_leads_to_the_region(
    world: World, published: Received, event: dict[str, Any]
) -> None:
    lambda_handler(in_sqs(event, event), None)
    assert published() == [{"account_id": SLAVE, "account_name": "slave1", "region": IRELAND}]


def test_so_does_a_name_that_cannot_be_looked_up(world: World, published: Received) -> None:
    world.aws.refuse("DescribeVpcs", Rejection("UnauthorizedOperation", 403))
    lambda_handler(api_call("DeleteSecurityGroup", {"groupName": "web"}), None)
    assert published() == [{"account_id": SLAVE, "account_name": "slave1", "region": IRELAND}]


def prefix_list(world: World, *cidrs: str) -> str:
    entries = [{"Cidr": cidr} for cidr in cidrs]
    made = world.ec2().create_managed_prefix_list(
        PrefixListName="ours", MaxEntries=5, AddressFamily="IPv4", Entries=entries
    )
    return str(made["PrefixList"]["PrefixListId"])


def modified(list_id: str, cidr: str) -> dict[str, Any]:
    request = {"ModifyManagedPrefixListRequest": {"PrefixListId": list_id, "AddEntry": {"Cidr": cidr, "tag": 1}}}
    return api_call("ModifyManagedPrefixList", request)


def test_a_prefix_list_leads_to_the_groups_that_name_it(world: World, published: Received) -> None:
    list_id, other_list = prefix_list(world, "10.0.0.0/8"), prefix_list(world, "10.0.0.0/8")
    user = world.group(f"tcp/22 from {list_id}", name="user")
    world.group(f"tcp/22 from {other_list}", name="other")
    world.ec2().modify_managed_prefix_list(PrefixListId=list_id, CurrentVersion=1, AddEntries=[{"Cidr": "8.8.8.0/24"}])
    lambda_handler(modified(list_id, "8.8.8.8/24"), None)
    messages = published()
    assert groups_of(messages) == [user]
    world.describe(*messages)
    item = world.items()[user]
    assert item["status"] == "open"
    assert item["opened_by"]["event_name"] == "ModifyManagedPrefixList"


def test_a_prefix_list_that_no_group_names_leads_nowhere(world: World, published: Received) -> None:
    lambda_handler(modified(prefix_list(world), "8.8.8.0/24"), None)
    assert published() == []


def test_what_changes_reachability_leads_to_the_groups_that_the_table_has_as_exposed(
    world: World, published: Received
) -> None:
    exposed = world.group("tcp/22 from 0.0.0.0/0", name="exposed")
    fixed = world.group("tcp/22 from 0.0.0.0/0", name="fixed")
    world.group("tcp/22 from 0.0.0.0/0", name="elsewhere", region=VIRGINIA)
    world.describe({"account_id": SLAVE, "region": IRELAND}, {"account_id": SLAVE, "region": VIRGINIA})
    world.revoke(fixed, "tcp/22 from 0.0.0.0/0")
    world.describe()
    lambda_handler(in_sqs(api_call("AssociateAddress", {}), api_call("CreateRoute", {})), None)
    assert groups_of(published()) == [exposed]
    lambda_handler(api_call("AssociateAddress", {}, account_id=MAIN), None)
    assert published() == []


def test_a_time_that_cannot_be_keeps_no_other_event_from_being_published(world: World, published: Received) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.describe()
    odd = api_call("RunInstances", time="9999-12-31T23:59:59Z")
    assert lambda_handler(in_sqs(odd, authorized("sg-0a")), None) == {"batchItemFailures": []}
    assert sorted(groups_of(published())) == sorted(["sg-0a", group_id])


def test_a_fixed_group_is_resolved_by_the_second_scan(world: World, published: Received, delayed: Received) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.describe()
    world.revoke(group_id, "tcp/22 from 0.0.0.0/0")
    lambda_handler(revoked(group_id), None)
    world.describe(*published())
    assert world.items()[group_id]["status"] == "open"
    world.later(minutes=5)
    world.describe(*delayed())
    assert world.items()[group_id]["status"] == "resolved"


def test_when_an_event_was_last_heard_of_is_kept(world: World, published: Received) -> None:
    def delivered_to() -> list[tuple[str, str, str]]:
        found = EventRecords(world.issue_table().items).of_account(SLAVE)
        return [(each.region, each.at.isoformat(), each.name) for each in found]

    first = world.clock.isoformat()
    lambda_handler(in_sqs(api_call("DescribeRegions"), authorized("sg-0a", region=VIRGINIA)), None)
    assert delivered_to() == [
        (IRELAND, first, "DescribeRegions"),
        (VIRGINIA, first, "AuthorizeSecurityGroupIngress"),
    ]
    later = world.later().isoformat()
    lambda_handler(authorized("sg-0a"), None)
    assert delivered_to()[0] == (IRELAND, later, "AuthorizeSecurityGroupIngress")


def test_off_means_off(world: World, published: Received) -> None:
    world.configure(enabled=False)
    assert lambda_handler(authorized("sg-0a"), None) == {"published": 0}
    assert published() == []


def test_a_message_that_was_refused_raises_where_the_event_came_directly(world: World, published: Received) -> None:
    refused = (
        "<PublishBatchResponse><PublishBatchResult><Successful/><Failed><member><Id>0</Id><Code>InternalError</Code>"
        "<SenderFault>false</SenderFault></member></Failed></PublishBatchResult></PublishBatchResponse>"
    )
    world.aws.rewrites.append(lambda call, text: refused if call.operation == "PublishBatch" else text)
    with pytest.raises(PublishError, match="1 of 1 messages were not published"):
        lambda_handler(authorized("sg-0a"), None)


# Who opened it


def opener(world: World, group_id: str) -> str | None:
    opened_by = world.items()[group_id].get("opened_by")
    return opened_by["event_id"] if opened_by else None


def handle(world: World, published: Received, *events: dict[str, Any]) -> None:
    lambda_handler(in_sqs(*events), None)
    for message in published():
        world.describe(message)


def test_who_opened_it_is_the_latest_call_whose_rule_is_exposed_whatever_comes_first(
    world: World, published: Received
) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0", "tcp/3389 from 8.8.8.0/24")
    early = authorized(group_id, "tcp/22 from 198.51.100.7/0", time="2026-11-22T01:00:00Z", eventID="early")
    delayed = authorized(group_id, "tcp/3389 from 8.8.8.8/24", time="2026-11-22T02:00:00Z", eventID="late")
    gone = authorized(group_id, "tcp/3389 from 9.9.9.0/24", time="2026-11-22T02:30:00Z", eventID="gone")
    private = authorized(group_id, "tcp/22 from 10.0.0.0/8", time="2026-11-22T02:40:00Z", eventID="private")
    handle(world, published, gone)
    assert opener(world, group_id) is None
    handle(world, published, early, private)
    assert opener(world, group_id) == "early"
    handle(world, published, delayed)
    handle(world, published, early)
    assert opener(world, group_id) == "late"
    world.revoke(group_id, "tcp/3389 from 8.8.8.0/24")
    handle(world, published, revoked(group_id, time="2026-11-22T02:50:00Z"))
    assert opener(world, group_id) == "early", "the rule of the later call is no longer exposed"


def test_who_opened_it_stays_named_however_many_calls_open_and_close_something_else(
    world: World, published: Received
) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    handle(world, published, authorized(group_id, time="2026-11-22T01:00:00Z", eventID="opened"))
    others = [
        authorized(group_id, f"tcp/22 from 8.8.{number}.0/24", time="2026-11-22T02:00:00Z", eventID=f"other-{number}")
        for number in range(40)
    ]
    handle(world, published, *others)
    handle(world, published, revoked(group_id))
    assert opener(world, group_id) == "opened"


@pytest.mark.moto_table("many groups")
def test_thousands_of_calls_about_one_group_are_one_look_whose_record_the_table_takes(
    world: World, published: Received
) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    calls = [
        authorized(
            group_id, f"tcp/22 from 8.{number >> 8}.{number & 255}.0/24", eventID=f"{number:036}", userAgent="a" * 300
        )
        for number in range(2000)
    ]
    lambda_handler(in_sqs(*calls, authorized(group_id, time="2026-11-22T02:59:59Z", eventID="opened")), None)
    messages = published()
    assert [message["group_ids"] for message in messages] == [[group_id]]
    world.describe(messages[0])
    assert opener(world, group_id) == "opened"


@pytest.mark.moto_table("many groups")
def test_a_busy_list_of_another_port_does_not_drop_who_opened_the_group(world: World, published: Received) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    opened = authorized(group_id, time="2026-11-22T02:00:00Z", eventID="opened")
    busy = [
        authorized(group_id, f"tcp/443 from 8.{number >> 8}.{number & 255}.0/24", eventID=f"{number:036}")
        for number in range(700)
    ]
    handle(world, published, opened, *busy)
    handle(world, published, *busy[:300])
    assert opener(world, group_id) == "opened"


def test_an_event_before_its_change_is_shown_counts_when_it_is(world: World, published: Received) -> None:
    group_id = world.group()
    handle(world, published, authorized(group_id, eventID="before"))
    assert world.items() == {}
    world.allow(group_id, "tcp/22 from 0.0.0.0/0")
    world.describe()
    assert opener(world, group_id) == "before"


def test_an_event_after_the_scan_names_who_opened_it(world: World, published: Received) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    world.describe()
    before = world.items()[group_id]
    handle(world, published, authorized(group_id, eventID="after"))
    after = world.items()[group_id]
    assert opener(world, group_id) == "after"
    assert (after["timestamps"], after["occurrence"]) == (before["timestamps"], before["occurrence"])


@pytest.mark.parametrize(
    "before",
    [{"restricted_ports": [3389]}, {"restricted_ports": [22], "trusted_cidrs": ["8.8.8.0/24"]}],
    ids=["a port that was not restricted", "a source that was trusted"],
)
def test_an_event_before_the_configuration_restricts_its_rule_names_who_opened_it(
    world: World, published: Received, before: dict[str, Any]
) -> None:
    world.configure(**before)
    group_id = world.group("tcp/22 from 8.8.8.0/24")
    handle(world, published, authorized(group_id, "tcp/22 from 8.8.8.0/24", eventID="before"))
    assert world.items() == {}
    world.configure(restricted_ports=[22], trusted_cidrs=[])
    world.describe()
    assert opener(world, group_id) == "before"


def test_a_call_with_many_rules_is_known_by_the_last_one_too(world: World, published: Received) -> None:
    group_id = world.group("tcp/22 from 8.8.8.0/24")
    ranges = [{"cidrIp": f"10.0.{number}.0/24"} for number in range(150)]
    ranges.append({"cidrIp": "8.8.8.0/24"})
    rule = {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": {"items": ranges}}
    request = {"groupId": group_id, "ipPermissions": {"items": [rule]}}
    handle(world, published, api_call("AuthorizeSecurityGroupIngress", request, eventID="many"))
    assert opener(world, group_id) == "many"


def test_a_resolved_issue_names_nobody(world: World, published: Received) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    handle(world, published, authorized(group_id))
    world.revoke(group_id, "tcp/22 from 0.0.0.0/0")
    handle(world, published, revoked(group_id))
    world.later(minutes=5)
    world.describe()
    item = world.items()[group_id]
    assert (item["status"], "opened_by" in item) == ("resolved", False)


@pytest.mark.moto_table("many groups")
def test_untrusted_texts_of_many_groups_stay_below_what_sns_takes(world: World, published: Received) -> None:
    events = [
        authorized(
            f"sg-{number:04x}",
            userAgent=f"{number}" + "💥" * 600,
            by="arn:" + "\ud800" * 600,
            eventID=f"💥{number}" * 90,
            time="2026-11-22T02:50:00Z",
        )
        for number in range(120)
    ]
    lambda_handler(in_sqs(*events), None)
    messages = published()
    assert len(messages) > 1
    assert sorted(groups_of(messages)) == sorted(f"sg-{number:04x}" for number in range(120))
    world.describe(*messages)
