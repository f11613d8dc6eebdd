"""What one call of CloudTrail added or took away, and whose session made it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from identification.cloudtrail import OwnRoles, opening_of, parse_call, time_of
from library.issues.opening_calls import OpenedBy, OpenedRule, OpeningCall
from tests.builders.api_calls import api_call

MAIN, OTHER = "123456789012", "210987654321"
OWN = OwnRoles(frozenset({"hammer-id"}), MAIN, "hammer-host")
TIME = datetime(2026, 11, 22, 2, 59, tzinfo=UTC)
SSH = OpenedRule("tcp", 22, 22, "0.0.0.0/0")
RAW = {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22}
SHORT = RAW | {"cidrIp": "0.0.0.0/0"}


def authorize(request: Any, response: Any = None, **detail: Any) -> dict[str, Any]:
    return api_call("AuthorizeSecurityGroupIngress", request, response, **detail)


@pytest.mark.parametrize(
    ("identity", "principal"),
    [
        pytest.param({"arn": "arn:aws:iam::210987654321:user/ana"}, "arn:aws:iam::210987654321:user/ana", id="a user"),
        pytest.param({"invokedBy": "cloudformation.amazonaws.com"}, "cloudformation.amazonaws.com", id="a service"),
        pytest.param(
            {"invokedBy": "cloudformation.amazonaws.com", "arn": "arn:aws:iam::210987654321:root"},
            "arn:aws:iam::210987654321:root",
            id="a service for somebody",
        ),
        pytest.param({}, "", id="nobody told"),
    ],
)
def test_who_made_a_call(identity: dict[str, str], principal: str) -> None:
    call = parse_call(authorize(SHORT, userIdentity=identity, eventID="e-1"))
    by = OpenedBy(principal, "203.0.113.7", "Terraform", "AuthorizeSecurityGroupIngress", TIME, "e-1")
    assert opening_of(call, OWN) == OpeningCall(by, (SSH,))


ANA = f"arn:aws:sts::{OTHER}:assumed-role/deploy/ana"


def role_arn(account_id: str, role: str) -> str:
    return f"arn:aws:iam::{account_id}:role/{role}"


def issued(issuer: Any, arn: str = ANA) -> dict[str, Any]:
    return {"type": "AssumedRole", "arn": arn, "sessionContext": {"sessionIssuer": issuer}}


@pytest.mark.parametrize(
    ("identity", "is_own"),
    [
        pytest.param(issued({"type": "Role", "arn": role_arn(MAIN, "hammer-host")}), True, id="by the issuer's ARN"),
        pytest.param(issued({"arn": role_arn(OTHER, "hammer-id")}), True, id="by the ARN of an issuer without a type"),
        pytest.param(issued({"type": "Role", "arn": role_arn(MAIN, "a/b/hammer-host")}), True, id="with a path"),
        pytest.param(issued({"type": "Role", "arn": role_arn(OTHER, "hammer-id/deploy")}), False, id="a path like it"),
        pytest.param(
            issued({"type": "Role", "accountId": MAIN, "userName": "hammer-host"}), True, id="by the issuer's name"
        ),
        pytest.param(
            issued({"type": "Role", "accountId": OTHER, "userName": "hammer-host"}), False, id="a name elsewhere"
        ),
        pytest.param(issued({"type": "Role", "userName": "hammer-host"}), False, id="a name without an account"),
        pytest.param(
            issued({"type": "Role", "arn": role_arn(OTHER, "deploy"), "userName": "hammer-id"}),
            False,
            id="the ARN goes before the name",
        ),
        pytest.param(
            issued(
                {"type": "Role", "arn": role_arn(OTHER, "deploy")}, f"arn:aws:sts::{OTHER}:assumed-role/hammer-id/x"
            ),
            False,
            id="the issuer goes before the session",
        ),
        pytest.param(
            issued({"type": "IAMUser", "accountId": MAIN, "userName": "hammer-id"}), False, id="a session of a user"
        ),
        pytest.param(
            issued({"type": "Role"}, f"arn:aws:sts::{MAIN}:assumed-role/hammer-host/i-1"),
            True,
            id="by the session's ARN",
        ),
        pytest.param(
            issued({}, f"arn:aws:sts::{OTHER}:assumed-role/hammer-host/i-1"), False, id="such a session elsewhere"
        ),
        pytest.param(
            issued({}, f"arn:aws-us-gov:sts::{OTHER}:assumed-role/hammer-id/x"), True, id="in another partition"
        ),
        pytest.param({"arn": f"arn:aws:iam::{OTHER}:user/hammer-id"}, False, id="a user"),
    ],
)
def test_whether_hammer_itself_made_a_call(identity: dict[str, Any], is_own: bool) -> None:
    assert (opening_of(parse_call(authorize(SHORT, userIdentity=identity)), OWN) is None) == is_own


def test_a_host_without_a_role_has_no_session_that_is_its_own() -> None:
    without_id = OwnRoles(frozenset(), "", "")
    assert opening_of(parse_call(authorize(SHORT, userIdentity={"type": "Root"})), without_id) is not None


def listed(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"securityGroupRuleSet": {"items": list(rules)}}


def permissions(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"groupId": "sg-1", "ipPermissions": {"items": list(rules)}}


@pytest.mark.parametrize(
    ("request_", "response", "rules"),
    [
        pytest.param(
            permissions(RAW | {"ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}, {"cidrIp": "1.1.1.1/32"}]}}),
            None,
            [SSH, SSH._replace(cidr="1.1.1.1/32")],
            id="ranges of IPv4",
        ),
        pytest.param(
            permissions(RAW | {"ipv6Ranges": {"items": [{"cidrIpv6": "::/0"}]}}),
            None,
            [SSH._replace(cidr="::/0")],
            id="a range of IPv6",
        ),
        pytest.param(
            permissions(RAW | {"prefixListIds": {"items": [{"prefixListId": "pl-1"}]}}),
            None,
            [OpenedRule("tcp", 22, 22, "", "pl-1")],
            id="a prefix list",
        ),
        pytest.param(
            permissions(RAW | {"prefixListIds": {"items": [{"prefixListId": "pl-1; drop"}]}}),
            None,
            [],
            id="a prefix list whose id is none",
        ),
        pytest.param(permissions(SHORT), None, [SSH], id="the source in the permission"),
        pytest.param(
            {}, listed(RAW | {"cidrIpv4": "0.0.0.0/0", "isEgress": True}), [], id="an egress rule in the response"
        ),
        pytest.param(
            {}, listed(RAW | {"cidrIpv4": "0.0.0.0/0", "isEgress": False}), [SSH], id="an ingress rule in the response"
        ),
        pytest.param(SHORT, listed(RAW | {"cidrIpv4": "0.0.0.0/0"}), [SSH], id="told two times"),
        pytest.param({"cidrIp": "0.0.0.0/0"}, None, [], id="a source without a protocol"),
        pytest.param(RAW, None, [], id="a protocol without a source"),
        pytest.param(SHORT | {"fromPort": "22", "toPort": "22"}, None, [SSH], id="ports as text"),
        pytest.param(
            SHORT | {"fromPort": "-1", "toPort": "-1"},
            None,
            [SSH._replace(from_port=0, to_port=65535)],
            id="every port, as text",
        ),
        pytest.param(SHORT | {"toPort": 65536}, None, [], id="a port that is none"),
        pytest.param(SHORT | {"fromPort": "ssh", "toPort": "ssh"}, None, [], id="ports that are no numbers"),
        pytest.param(SHORT | {"fromPort": [22], "toPort": [22]}, None, [], id="ports that are lists"),
        pytest.param(
            SHORT | {"ipProtocol": "50", "fromPort": "", "toPort": ""},
            None,
            [OpenedRule("50", None, None, "0.0.0.0/0")],
            id="ports of a protocol that has none",
        ),
        pytest.param(
            SHORT | {"ipProtocol": "-1"}, None, [OpenedRule("-1", None, None, "0.0.0.0/0")], id="every protocol"
        ),
        pytest.param(
            SHORT | {"ipProtocol": "p" * 512},
            None,
            [OpenedRule("p" * 512, None, None, "0.0.0.0/0")],
            id="a protocol as long as may be",
        ),
        pytest.param(SHORT | {"ipProtocol": "p" * 513}, None, [], id="a longer protocol"),
        pytest.param(SHORT | {"cidrIp": "1" * 513}, None, [SSH._replace(cidr="1" * 512)], id="a long source is cut"),
        pytest.param(
            permissions(*(SHORT | {"fromPort": port, "toPort": port} for port in range(1001))),
            None,
            [OpenedRule("tcp", port, port, "0.0.0.0/0") for port in range(1000)],
            id="more rules than are taken",
        ),
    ],
)
def test_the_rules_that_an_authorization_added(request_: Any, response: Any, rules: list[OpenedRule]) -> None:
    call = parse_call(authorize(request_, response))
    opening = opening_of(call, OWN)
    assert list(opening.rules if opening else ()) == rules


UPDATE = {"securityGroupRuleId": "sgr-1", "securityGroupRule": RAW | {"cidrIpv4": "0.0.0.0/0"}}
ENTRY = OpenedRule("", None, None, "8.8.8.0/24", "pl-1")
ENTRIES = [{"cidr": "8.8.8.0/24"}, {"cidr": "9.9.9.0/24"}, {"description": "no source"}]


@pytest.mark.parametrize(
    ("name", "request_", "added"),
    [
        pytest.param("ModifySecurityGroupRules", {"securityGroupRule": UPDATE}, (SSH,), id="a modified rule"),
        pytest.param(
            "ModifySecurityGroupRules",
            {"securityGroupRules": {"items": [UPDATE, UPDATE]}},
            (SSH,),
            id="modified rules in a list",
        ),
        pytest.param(
            "ModifyManagedPrefixList", {"prefixListId": "pl-1", "addEntry": ENTRIES[0]}, (ENTRY,), id="an added entry"
        ),
        pytest.param(
            "ModifyManagedPrefixList",
            {"prefixListId": "pl-1", "addEntries": ENTRIES},
            (ENTRY, ENTRY._replace(cidr="9.9.9.0/24")),
            id="added entries in a list",
        ),
        pytest.param(
            "ModifyManagedPrefixList", {"prefixListId": "pl-1", "removeEntries": ENTRIES}, (), id="entries taken away"
        ),
        pytest.param("ModifyManagedPrefixList", {"addEntries": ENTRIES}, (), id="entries of no list"),
        pytest.param(
            "RestoreManagedPrefixListVersion",
            {"prefixListId": "pl-1", "currentVersion": "3"},
            (),
            id="an older version restored",
        ),
        pytest.param("RevokeSecurityGroupIngress", SHORT, (), id="a rule taken away"),
        pytest.param("CreateSecurityGroup", SHORT, (), id="a call that is about no rules"),
        pytest.param("DeleteSecurityGroup", {"groupId": "sg-1"}, (), id="a deleted group"),
    ],
)
def test_what_other_calls_added(name: str, request_: Any, added: tuple[OpenedRule, ...]) -> None:
    opening = opening_of(parse_call(api_call(name, request_)), OWN)
    assert (opening.rules if opening else ()) == added


def test_a_time_with_a_zone_is_told_in_utc() -> None:
    call = parse_call(authorize(SHORT, time="2026-11-22T04:59:00+02:00"))
    opening = opening_of(call, OWN)
    assert opening
    assert opening.by.to_item()["event_time"] == "2026-11-22T02:59:00+00:00"
    assert time_of(call) == TIME


def test_a_call_without_a_time_names_nobody() -> None:
    call = parse_call(authorize(SHORT, time="yesterday"))
    assert (opening_of(call, OWN), time_of(call)) == (None, None)
