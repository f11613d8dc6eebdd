"""Rules in the shape that EC2 takes and gives them in."""

from __future__ import annotations

import re
from typing import Any

import pytest

from library.security_groups.group import IngressRule, ShapeError
from remediation.rules import ip_permission_of, merged, single_permissions, with_description

SSH: dict[str, Any] = {
    "IpProtocol": "tcp",
    "FromPort": 22,
    "ToPort": 23,
    "IpRanges": [{"CidrIp": "8.8.8.0/24", "Description": "office"}, {"CidrIp": "10.0.0.0/8"}],
    "Ipv6Ranges": [{"CidrIpv6": "2a00::/16"}],
    "PrefixListIds": [{"PrefixListId": "pl-1"}],
    "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": "1", "PeeringStatus": "active"}],
}


@pytest.mark.parametrize(
    ("rule", "permission"),
    [
        (
            IngressRule("tcp", 22, 23, cidr="8.8.8.0/24", description="office", rule_id="sgr-1"),
            {
                "IpProtocol": "tcp",
                "FromPort": 22,
                "ToPort": 23,
                "IpRanges": [{"CidrIp": "8.8.8.0/24", "Description": "office"}],
            },
        ),
        (
            IngressRule("icmpv6", 0, 0, cidr="2a00::/16"),
            {"IpProtocol": "icmpv6", "FromPort": 0, "ToPort": 0, "Ipv6Ranges": [{"CidrIpv6": "2a00::/16"}]},
        ),
        (
            IngressRule("50", None, None, prefix_list_id="pl-1"),
            {"IpProtocol": "50", "FromPort": -1, "ToPort": -1, "PrefixListIds": [{"PrefixListId": "pl-1"}]},
        ),
        (
            IngressRule("-1", None, None, prefix_list_id="pl-1", description="all"),
            {"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": "pl-1", "Description": "all"}]},
        ),
    ],
)
def test_a_rule_as_ec2_takes_it(rule: IngressRule, permission: dict[str, Any]) -> None:
    assert ip_permission_of(rule) == permission


def test_each_source_is_taken_apart_with_what_would_add_it_again() -> None:
    ports = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 23}
    assert list(
        single_permissions([SSH, {"IpProtocol": "-1", "FromPort": None, "IpRanges": [{"CidrIp": "::/0"}]}])
    ) == [
        (
            IngressRule("tcp", 22, 23, cidr="8.8.8.0/24", description="office"),
            {**ports, "IpRanges": [{"CidrIp": "8.8.8.0/24", "Description": "office"}]},
        ),
        (IngressRule("tcp", 22, 23, cidr="10.0.0.0/8"), {**ports, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}),
        (IngressRule("tcp", 22, 23, cidr="2a00::/16"), {**ports, "Ipv6Ranges": [{"CidrIpv6": "2a00::/16"}]}),
        (IngressRule("tcp", 22, 23, prefix_list_id="pl-1"), {**ports, "PrefixListIds": [{"PrefixListId": "pl-1"}]}),
        (
            IngressRule("tcp", 22, 23, group_id="sg-2"),
            {**ports, "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": "1"}]},
        ),
        (IngressRule("-1", None, None, cidr="::/0"), {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "::/0"}]}),
    ]


def test_a_referenced_group_is_named_once() -> None:
    """EC2 may describe it with its name, and takes either of the two (InvalidParameterCombination)."""
    pair = {"GroupId": "sg-2", "GroupName": "db", "UserId": "1", "VpcId": "vpc-2", "VpcPeeringConnectionId": "pcx-1"}
    ((_, single),) = single_permissions([{"IpProtocol": "-1", "UserIdGroupPairs": [pair]}])
    assert single == {
        "IpProtocol": "-1",
        "UserIdGroupPairs": [{name: value for name, value in pair.items() if name != "GroupName"}],
    }


@pytest.mark.parametrize(
    ("permission", "reason"),
    [
        ("tcp", "a rule of another shape: 'tcp'"),
        ({**SSH, "IpRanges": "10.0.0.0/8"}, "a rule of another shape: {"),
        ({**SSH, "UserIdGroupPairs": {"GroupId": "sg-2"}}, "a rule of another shape: {"),
        ({"IpProtocol": "icmp", "FromPort": True, "IpRanges": [{"CidrIp": "::/0"}]}, "a icmp rule with"),
        ({"IpProtocol": "50", "FromPort": "22", "IpRanges": [{"CidrIp": "::/0"}]}, "a rule of another shape: {"),
        ({"IpProtocol": "50", "ToPort": "22", "IpRanges": [{"CidrIp": "::/0"}]}, "a rule of another shape: {"),
        ({**SSH, "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": 1}]}, "a rule of another shape: {"),
        ({"IpProtocol": "tcp"}, "a tcp rule without a source that this version knows"),
        ({"IpRanges": [{"CidrIp": "::/0"}]}, "a rule without a protocol: {"),
    ],
)
def test_what_is_not_understood_is_refused(permission: object, reason: str) -> None:
    with pytest.raises(ShapeError, match=f"^{re.escape(reason)}"):
        list(single_permissions([permission]))


def test_rules_that_are_no_list_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"^rules of another shape: \{\}$"):
        list(single_permissions({}))
    assert list(single_permissions(())) == []


def test_a_long_shape_is_cut_in_the_reason() -> None:
    with pytest.raises(ShapeError) as refused:
        list(single_permissions(["x" * 300]))
    assert str(refused.value) == "a rule of another shape: '" + "x" * 199


def test_single_rules_are_one_permission_again() -> None:
    singles = [single for _, single in single_permissions([SSH])]
    pairs = [{"GroupId": "sg-2", "UserId": "1"}]
    assert merged(singles) == {**SSH, "UserIdGroupPairs": pairs}
    assert merged([]) == {}


def test_another_description() -> None:
    (_, single), *_ = single_permissions([SSH])
    assert with_description(single, "new") == {
        "IpProtocol": "tcp",
        "FromPort": 22,
        "ToPort": 23,
        "IpRanges": [{"CidrIp": "8.8.8.0/24", "Description": "new"}],
    }
    assert with_description(ip_permission_of(IngressRule("-1", None, None, prefix_list_id="pl-1")), "") == {
        "IpProtocol": "-1",
        "PrefixListIds": [{"PrefixListId": "pl-1", "Description": ""}],
    }
