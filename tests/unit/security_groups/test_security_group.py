"""Security groups and rules, from what EC2 answers."""

import re
from typing import Any

import pytest

from library.security_groups.group import IngressRule, SecurityGroup, ShapeError, parse_rule, parse_security_group
from tests.builders.rules import described_group


def test_a_group() -> None:
    described = described_group(
        ["tcp/22 from 8.8.8.8/32, 2a00::/16, pl-1, sg-11111111"],
        Tags=[{"Key": "Name", "Value": "web"}, {"Key": "bare"}],
    )
    described["IpPermissions"][0]["IpRanges"][0]["Description"] = "DNS"
    assert parse_security_group(described) == SecurityGroup(
        group_id="sg-7c228307",
        name="web",
        vpc_id="vpc-654321",
        description="for the web",
        tags={"Name": "web", "bare": ""},
        ingress=(
            IngressRule("tcp", 22, 22, cidr="8.8.8.8/32", description="DNS"),
            IngressRule("tcp", 22, 22, cidr="2a00::/16"),
            IngressRule("tcp", 22, 22, prefix_list_id="pl-1"),
            IngressRule("tcp", 22, 22, group_id="sg-11111111"),
        ),
        owner_id="210987654321",
    )


def test_what_ec2_may_leave_out() -> None:
    assert parse_security_group({"GroupId": "sg-1"}) == SecurityGroup("sg-1", "", "", "", {}, ())


@pytest.mark.parametrize("described", [{}, {"GroupName": "web"}, {"GroupId": None}, {"GroupId": ""}])
def test_a_group_without_an_id_is_none(described: dict[str, Any]) -> None:
    with pytest.raises(ShapeError, match="a security group without an id"):
        parse_security_group(described)


@pytest.mark.parametrize(
    ("permission", "ports"),
    [
        pytest.param({"IpProtocol": "tcp", "FromPort": 20, "ToPort": 25}, (20, 25), id="range"),
        pytest.param({"IpProtocol": "tcp", "FromPort": 25, "ToPort": 20}, (25, 20), id="range the wrong way"),
        pytest.param({"IpProtocol": "tcp"}, (0, 65535), id="TCP without ports"),
        pytest.param({"IpProtocol": "17", "FromPort": -1, "ToPort": -1}, (0, 65535), id="UDP with ports -1"),
        pytest.param({"IpProtocol": "-1"}, (None, None), id="all protocols"),
        pytest.param({"IpProtocol": "-1", "FromPort": -1, "ToPort": -1}, (None, None), id="all protocols, ports -1"),
        pytest.param({"IpProtocol": "-1", "FromPort": 0, "ToPort": 65535}, (None, None), id="all protocols, ports"),
        pytest.param({"IpProtocol": "50", "FromPort": -1, "ToPort": -1}, (None, None), id="ESP"),
        pytest.param({"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1}, (8, -1), id="ICMP type and code"),
    ],
)
def test_ports(permission: dict[str, Any], ports: tuple[int | None, int | None]) -> None:
    group = parse_security_group(
        {"GroupId": "sg-1", "IpPermissions": [{**permission, "IpRanges": [{"CidrIp": "::/0"}]}]}
    )
    assert [(rule.from_port, rule.to_port) for rule in group.ingress] == [ports]
    assert group.unreadable == ()


UNKNOWN = {
    "no source": {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": []},
    "no protocol": {"FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "8.8.8.8/32"}]},
    "protocol that is no text": {"IpProtocol": 6, "IpRanges": [{"CidrIp": "8.8.8.8/32"}]},
    "one port only": {"IpProtocol": "tcp", "FromPort": 22, "IpRanges": [{"CidrIp": "8.8.8.8/32"}]},
    "ports as text": {"IpProtocol": "tcp", "FromPort": "22", "ToPort": "22", "IpRanges": [{"CidrIp": "8.8.8.8/32"}]},
    "port too high": {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 65536, "IpRanges": [{"CidrIp": "8.8.8.8/32"}]},
    "kind of source of another day": {"IpProtocol": "-1", "Places": [{"Place": "Mars"}]},
    "source without its key": {"IpProtocol": "-1", "IpRanges": [{"Description": "?"}]},
    "source that is no text": {"IpProtocol": "-1", "IpRanges": [{"CidrIp": 8}]},
    "source that is no map": {"IpProtocol": "-1", "IpRanges": ["8.8.8.8/32"]},
    "sources that are no list": {"IpProtocol": "-1", "IpRanges": None},
    "group that has neither id nor name": {"IpProtocol": "-1", "UserIdGroupPairs": [{"UserId": "210987654321"}]},
    "not even a map": 6,
}


@pytest.mark.parametrize("unknown", [pytest.param(rule, id=name) for name, rule in UNKNOWN.items()])
def test_a_rule_of_an_unknown_shape_stays_as_a_reason_and_stops_no_other(unknown: Any) -> None:
    described = described_group(["tcp/22 from 8.8.8.8/32", unknown, "tcp/23 from 8.8.8.8/32"])
    group = parse_security_group(described)
    assert [rule.from_port for rule in group.ingress] == [22, 23]
    assert len(group.unreadable) == 1
    assert "rule" in group.unreadable[0]


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param({"IpRanges": [{"Description": "?"}, {"CidrIp": "8.8.8.8/32"}]}, id="a source beside it"),
        pytest.param({"IpRanges": [{"CidrIp": "8.8.8.8/32"}], "Places": [{"Place": "Mars"}]}, id="a part beside it"),
    ],
)
def test_what_is_known_of_such_a_rule_is_read(unknown: dict[str, Any]) -> None:
    group = parse_security_group(described_group([{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **unknown}]))
    assert [rule.cidr for rule in group.ingress] == ["8.8.8.8/32"]
    assert len(group.unreadable) == 1


def test_an_unknown_group_reference_by_name() -> None:
    group = parse_security_group(
        {"GroupId": "sg-1", "IpPermissions": [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupName": "other"}]}]}
    )
    assert [rule.group_id for rule in group.ingress] == ["other"]


def described_rule(**source: Any) -> dict[str, Any]:
    return {"SecurityGroupRuleId": "sgr-1", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **source}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param({"CidrIpv4": "8.8.8.8/32"}, {"cidr": "8.8.8.8/32"}, id="IPv4"),
        pytest.param({"CidrIpv6": "2a00::/16"}, {"cidr": "2a00::/16"}, id="IPv6"),
        pytest.param({"PrefixListId": "pl-1"}, {"prefix_list_id": "pl-1"}, id="prefix list"),
        pytest.param({"ReferencedGroupInfo": {"GroupId": "sg-2"}}, {"group_id": "sg-2"}, id="group"),
        pytest.param(
            {"CidrIpv4": "8.8.8.8/32", "Description": "DNS"},
            {"cidr": "8.8.8.8/32", "description": "DNS"},
            id="description",
        ),
    ],
)
def test_a_rule_with_its_id(source: dict[str, Any], expected: dict[str, str]) -> None:
    assert parse_rule(described_rule(**source)) == IngressRule("tcp", 22, 22, rule_id="sgr-1", **expected)


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        pytest.param(described_rule(), "rule sgr-1 without a source that this version knows", id="no source"),
        pytest.param(
            described_rule(CidrIpv4="8.8.8.8/32", IpProtocol=None), "a rule without a protocol or an id: {", id="none"
        ),
        pytest.param(
            described_rule(CidrIpv4="8.8.8.8/32", IpProtocol=6), "a rule without a protocol or an id: {", id="a number"
        ),
        pytest.param(
            described_rule(CidrIpv4="8.8.8.8/32", IpProtocol=""), "a rule without a protocol or an id: {", id="empty"
        ),
        pytest.param(
            described_rule(CidrIpv4="8.8.8.8/32", SecurityGroupRuleId=""),
            "a rule without a protocol or an id: {",
            id="no id",
        ),
        pytest.param(
            described_rule(CidrIpv4="8.8.8.8/32", ToPort=None), "a tcp rule with ports 22 to None", id="one port"
        ),
        pytest.param(
            described_rule(CidrIpv6="2a00::/16", IpProtocol="icmpv6", FromPort="x"),
            "a icmpv6 rule with ports 'x' to 22",
            id="ICMPv6 with a type that is no number",
        ),
    ],
)
def test_a_rule_with_its_id_that_is_not_understood(described: dict[str, Any], reason: str) -> None:
    with pytest.raises(ShapeError, match=f"^{re.escape(reason)}"):
        parse_rule(described)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        pytest.param({"Tags": None}, "tags of another shape: None", id="tags that are none"),
        pytest.param({"Tags": [{"Value": "x"}]}, "tags of another shape: [{'Value': 'x'}]", id="a tag without a key"),
        pytest.param({"IpPermissions": None}, "rules of another shape: None", id="rules that are none"),
    ],
)
def test_a_part_of_another_shape_is_a_reason_not_an_exception(part: dict[str, Any], reason: str) -> None:
    assert parse_security_group({"GroupId": "sg-1", **part}).unreadable == (reason,)
