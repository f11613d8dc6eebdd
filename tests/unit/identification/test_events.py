"""CloudTrail's calls in every shape lead to the right hints, and name the right people."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from identification.cloudtrail import (
    GROUP_CALLS,
    INTERFACE_CALLS,
    PREFIX_LIST_CALLS,
    REACHABILITY_CALLS,
    OwnRoles,
    parse_call,
)
from identification.errors import MalformedEventError
from identification.events import (
    MESSAGE_BYTES,
    Hint,
    HintScope,
    Targets,
    first_messages,
    hint_of,
    second_messages,
)
from library.issues.opening_calls import OpenedRule
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exposure import Evaluator

ACCOUNT, REGION = "210987654321", "eu-west-1"
EVALUATOR = Evaluator(PortSet.parse([22]), AddressSet())
OWN = OwnRoles(frozenset({"hammer-id", "hammer-ec2"}), "123456789012", "hammer-host")
CORPUS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "data" / "cloudtrail-events.json").read_text())


def event(detail: Any, **other: Any) -> dict[str, Any]:
    """As EventBridge brings it."""
    return {
        "version": "0",
        "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ec2",
        "account": ACCOUNT,
        "time": "2026-11-22T14:02:20Z",
        "region": REGION,
        "resources": [],
        "detail": detail,
    } | other


def hint(detail: Any, **other: Any) -> Hint:
    call = parse_call(event(detail, **other))
    assert call.is_relevant
    return hint_of(call, OWN)


def shown(rule: OpenedRule) -> str:
    ports = "" if rule.from_port is None else f"/{rule.from_port}-{rule.to_port}"
    if not rule.protocol:
        return f"{rule.cidr} of {rule.prefix_list_id}"
    return f"{rule.protocol}{ports} from {rule.cidr or rule.prefix_list_id}"


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CORPUS])
def test_the_corpus(case: dict[str, Any]) -> None:
    found = hint(case["detail"])
    wanted = {"group_ids": [], "group_name": "", "prefix_list_id": "", **case["hint"]}
    assert {
        "scope": str(found.scope),
        "group_ids": list(found.group_ids),
        "group_name": found.group_name,
        "prefix_list_id": found.prefix_list_id,
    } == wanted
    assert (found.opening.by.principal if found.opening else None) == case.get("principal")
    rules = found.opening.rules if found.opening else ()
    assert [shown(rule) for rule in rules] == case.get("rules", [])


AUTHORIZE: dict[str, Any] = CORPUS[0]["detail"]


def test_who_where_and_when() -> None:
    opening = hint(AUTHORIZE).opening
    assert opening
    assert opening.by.to_item() == {
        "principal": "arn:aws:sts::210987654321:assumed-role/deploy/ana@example.com",
        "source_ip": "203.0.113.7",
        "user_agent": (
            "APN/1.0 HashiCorp/1.0 Terraform/1.9.0 (+https://www.terraform.io) terraform-provider-aws/5.60.0"
        ),
        "event_name": "AuthorizeSecurityGroupIngress",
        "event_time": "2026-11-22T14:02:11+00:00",
        "event_id": "e-1",
    }


RAW = {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIp": "0.0.0.0/0"}
RULES = {"items": [RAW | {"groupId": "sg-1"}, {"groupId": "sg-1"}, {"groupId": "none"}]}
TIME = datetime(2026, 11, 22, 14, 2, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "request_", "response", "wanted"),
    [
        pytest.param(
            "RevokeSecurityGroupIngress",
            RAW | {"groupId": "sg-1"},
            None,
            Hint(HintScope.GROUPS, TIME, ("sg-1",)),
            id="a group by its id",
        ),
        pytest.param(
            "RevokeSecurityGroupIngress",
            RAW | {"groupName": "web"},
            None,
            Hint(HintScope.GROUPS, TIME, group_name="web"),
            id="a group by its name",
        ),
        pytest.param(
            "RevokeSecurityGroupIngress",
            {"groupName": "web"},
            {"securityGroupRuleSet": RULES},
            Hint(HintScope.GROUPS, TIME, ("sg-1",)),
            id="a group that only the rules in the response name",
        ),
        pytest.param(
            "RevokeSecurityGroupIngress",
            {"groupName": "web"},
            {"revokedSecurityGroupRuleSet": RULES},
            Hint(HintScope.GROUPS, TIME, ("sg-1",)),
            id="a group that only the revoked rules name",
        ),
        pytest.param(
            "ModifyManagedPrefixList",
            {"prefixListId": "pl-1", "removeEntry": {"cidr": "8.8.8.0/24"}},
            None,
            Hint(HintScope.PREFIX_LIST, TIME, prefix_list_id="pl-1"),
            id="a prefix list",
        ),
        pytest.param(
            "ModifyManagedPrefixList",
            {"prefixListId": "none"},
            None,
            Hint(HintScope.REGION, TIME),
            id="a prefix list that is not told",
        ),
        pytest.param(
            "CreateSecurityGroup",
            {"groupName": "web"},
            None,
            Hint(HintScope.REGION, TIME),
            id="a new group whose id is not told",
        ),
        pytest.param(
            "CreateSecurityGroup",
            {"groupName": "web"},
            {"groupId": "sg-1"},
            Hint(HintScope.GROUPS, TIME, ("sg-1",)),
            id="a new group",
        ),
    ],
)
def test_a_hint_tells_where_to_look(name: str, request_: dict[str, Any], response: Any, wanted: Hint) -> None:
    assert hint(AUTHORIZE | {"eventName": name, "requestParameters": request_, "responseElements": response}) == wanted


def test_account_and_region_are_the_events_own() -> None:
    """A service has no account of its own, and another bus has another."""
    stranger = AUTHORIZE | {"userIdentity": {"accountId": "999999999999", "arn": "arn:aws:iam::999999999999:root"}}
    found = parse_call(event(stranger | {"awsRegion": "us-east-1"}, account="333333333333", region="eu-central-1"))
    assert (found.account_id, found.region) == ("333333333333", "eu-central-1")


TARGET = {"account_id": ACCOUNT, "account_name": "slave1", "region": REGION}
LATER = TIME + timedelta(seconds=1)


def targets(**reached: Any) -> Targets:
    """Two calls about one group, one about another."""
    found = Targets(**reached)
    found.add(["sg-1"], LATER, None)
    found.add(["sg-1", "sg-2"], TIME, None)
    return found


def test_the_first_message_tells_the_newest_event_of_each_group() -> None:
    events = [["2026-11-22T14:02:12+00:00", ["sg-1"]], ["2026-11-22T14:02:11+00:00", ["sg-2"]]]
    assert first_messages(TARGET, targets(), EVALUATOR) == [TARGET | {"group_ids": ["sg-1", "sg-2"], "events": events}]


def test_calls_about_who_can_connect_ask_for_other_groups_apart_and_take_nothing_away_for_five_minutes() -> None:
    reached = targets(reached={"sg-2": None, "sg-3": None}, reached_newest=LATER, only_interfaces=False)
    assert first_messages(TARGET, reached, EVALUATOR)[1:] == [
        TARGET | {"group_ids": ["sg-3"], "takes_away_from": "2026-11-22T14:07:12+00:00"}
    ]
    reached.only_interfaces = True
    assert first_messages(TARGET, reached, EVALUATOR)[1]["only_interfaces"] is True


@pytest.mark.parametrize("region", [False, True])
def test_the_second_message_names_each_group_once_and_nothing_else(region: bool) -> None:
    reached = targets(reached={"sg-2": None, "sg-3": None}, reached_newest=LATER, region=region)
    assert second_messages(TARGET, reached) == [TARGET] * region + [TARGET | {"group_ids": ["sg-1", "sg-2", "sg-3"]}]


def test_of_nothing_there_is_no_message() -> None:
    assert first_messages(TARGET, Targets(), EVALUATOR) == second_messages(TARGET, Targets()) == []
    assert (
        first_messages(TARGET, Targets(region=True), EVALUATOR)
        == second_messages(TARGET, Targets(region=True))
        == [TARGET]
    )


def test_many_groups_are_several_messages_each_small_enough() -> None:
    ids = [f"sg-{number:017x}" for number in range(30_000)]
    many = Targets(reached=dict.fromkeys(ids), reached_newest=TIME)
    many.add(ids[:15_000], TIME, None)
    for messages in (first_messages(TARGET, many, EVALUATOR), second_messages(TARGET, many)):
        assert len(messages) > 1
        assert max(len(json.dumps(message)) for message in messages) <= MESSAGE_BYTES
        assert [group_id for message in messages for group_id in message["group_ids"]] == ids


def session(account_id: str, role: str, **issuer: Any) -> dict[str, Any]:
    made = {"type": "Role", "arn": f"arn:aws:iam::{account_id}:role/{role}", "accountId": account_id, "userName": role}
    return {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::{account_id}:assumed-role/{role}/hammer",
        "sessionContext": {"sessionIssuer": made | issuer},
    }


@pytest.mark.parametrize(
    ("identity", "is_named"),
    [
        pytest.param(session(ACCOUNT, "hammer-id"), False, id="the role that identification assumes"),
        pytest.param(session("333333333333", "hammer-ec2"), False, id="the role that remediation assumes, anywhere"),
        pytest.param(session("123456789012", "hammer-host"), False, id="the host's own role"),
        pytest.param(session(ACCOUNT, "hammer-host"), True, id="a role of that name in another account"),
        pytest.param(session(ACCOUNT, "deploy"), True, id="another role"),
        pytest.param(
            session(ACCOUNT, "hammer-id", arn=f"arn:aws:iam::{ACCOUNT}:role/path/to/hammer-id"), False, id="with a path"
        ),
        pytest.param(
            {"type": "AssumedRole", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/hammer-id/hammer"},
            False,
            id="without a session context",
        ),
        pytest.param({"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/hammer-id"}, True, id="a user"),
    ],
)
def test_hammers_own_sessions_are_never_named_and_are_hints_all_the_same(
    identity: dict[str, Any], is_named: bool
) -> None:
    found = hint(AUTHORIZE | {"userIdentity": identity})
    assert found.group_ids == ("sg-08b938040357e96b6",)
    assert (found.opening is not None) == is_named


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"errorCode": "Client.InvalidPermission.Duplicate"}, id="a call that failed"),
        pytest.param({"eventName": "DescribeSecurityGroups"}, id="another call"),
        pytest.param({"eventName": "AuthorizeSecurityGroupEgress"}, id="egress"),
        pytest.param({"eventName": "CreateRoute", "eventSource": "appmesh.amazonaws.com"}, id="another service"),
    ],
)
def test_what_changes_nothing_is_not_relevant(change: dict[str, Any]) -> None:
    assert not parse_call(event(AUTHORIZE | change)).is_relevant


def test_the_calls_are_the_contract_s() -> None:
    assert {
        *("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "ModifySecurityGroupRules"),
        *("CreateSecurityGroup", "DeleteSecurityGroup"),
    } == GROUP_CALLS
    assert {"ModifyManagedPrefixList", "RestoreManagedPrefixListVersion"} == PREFIX_LIST_CALLS
    assert {
        *("RunInstances", "StartInstances", "ModifyInstanceAttribute", "CreateNetworkInterface"),
        *("AttachNetworkInterface", "ModifyNetworkInterfaceAttribute", "AssignIpv6Addresses"),
        *("AssociateAddress", "DisassociateAddress", "CreateRoute", "ReplaceRoute", "DeleteRoute"),
        *("AssociateRouteTable", "ReplaceRouteTableAssociation", "AttachInternetGateway"),
        *("ReplaceNetworkAclEntry", "CreateNetworkAclEntry", "DeleteNetworkAclEntry"),
        *("ReplaceNetworkAclAssociation", "ModifyVpcBlockPublicAccessOptions"),
        *("CreateVpcBlockPublicAccessExclusion", "ModifyVpcBlockPublicAccessExclusion"),
        *("DeleteVpcBlockPublicAccessExclusion", "AssociateSecurityGroupVpc"),
    } == REACHABILITY_CALLS
    assert INTERFACE_CALLS < REACHABILITY_CALLS


@pytest.mark.parametrize("name", sorted(REACHABILITY_CALLS))
def test_calls_that_change_who_can_connect_are_about_every_exposed_group(name: str) -> None:
    found = hint({"eventName": name, "eventSource": "ec2.amazonaws.com"})
    assert found == Hint(HintScope.EXPOSED_GROUPS, None, only_interfaces=name in INTERFACE_CALLS)


ODD: dict[str, dict[str, Any]] = {
    "requestParameters": {"requestParameters": "HIDDEN_DUE_TO_SECURITY_REASONS", "responseElements": None},
    "a list": {"requestParameters": [], "responseElements": []},
    "numbers": {"requestParameters": {"groupId": 7, "ipPermissions": 8}, "responseElements": 9},
    "rules": {
        "requestParameters": {"groupId": "sg-0a", "ipPermissions": {"items": [{"ipProtocol": {}, "fromPort": []}]}}
    },
    "an id that is none": {"requestParameters": {"groupId": "lock#remediation"}, "responseElements": {}},
    "no time": {"eventTime": None},
    "a time that is none": {"eventTime": "yesterday"},
    "a year that overflows": {"eventTime": "0001-01-01T00:00:00+14:00"},
    "identity": {"userIdentity": "root"},
    "half a character": {"userAgent": "\ud800", "eventID": "\udfff"},
}


@pytest.mark.parametrize("name", sorted(GROUP_CALLS | PREFIX_LIST_CALLS))
@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in ODD.items()])
def test_odd_parts_never_raise_and_still_lead_somewhere(name: str, change: dict[str, Any]) -> None:
    found = hint(AUTHORIZE | {"eventName": name} | change)
    assert found.group_ids or found.group_name or found.prefix_list_id or found.scope is HintScope.REGION
    if found.opening:
        found.opening.to_text().encode()


def test_texts_that_travel_are_cut() -> None:
    long = hint(AUTHORIZE | {"userAgent": "💥" * 100_000, "eventID": "e" * 100_000}).opening
    assert long
    assert (len(long.by.user_agent), len(long.by.event_id)) == (512, 512)


@pytest.mark.parametrize(
    "malformed",
    [
        pytest.param(None, id="null"),
        pytest.param("text", id="text"),
        pytest.param([], id="a list"),
        pytest.param({}, id="an empty map"),
        pytest.param(event(None), id="no detail"),
        pytest.param(event([]), id="detail is a list"),
        pytest.param(event({}), id="no name"),
        pytest.param(event(AUTHORIZE | {"eventName": 7}), id="a name that is none"),
        pytest.param(event(AUTHORIZE, account=None), id="no account"),
        pytest.param(event(AUTHORIZE, account="slave1"), id="an account that is none"),
        pytest.param(event(AUTHORIZE, region=""), id="no region"),
        pytest.param(event(AUTHORIZE, region={}), id="a region that is none"),
    ],
)
def test_what_is_no_event_of_cloudtrail_is_malformed(malformed: Any) -> None:
    with pytest.raises(MalformedEventError):
        parse_call(malformed)
