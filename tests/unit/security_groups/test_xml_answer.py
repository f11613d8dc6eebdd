"""DescribeSecurityGroups read from its XML, against botocore's parser and the dictionaries that this makes.

Where EC2 writes what botocore's model knows, both ways give the same values. Where it does not, the XML tells no less:
every rule that the dictionaries give is there, and what they make unreadable is unreadable.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser
from hypothesis import given, settings
from hypothesis import strategies as st

from library.security_groups.group import GroupPage, parse_page
from library.security_groups.xml_answer import Answer, read_answer
from tests.builders.answer_xml import answer, group, permission
from tests.builders.rules import described_group
from tests.builders.rules import permission as described_permission

SAMPLES = Path(__file__).parents[3] / "hammer" / "data" / "security-groups.jsonl"


@cache
def output_shape() -> Any:
    return (
        botocore.session.get_session().get_service_model("ec2").operation_model("DescribeSecurityGroups").output_shape
    )


def parsed_by_botocore(body: bytes) -> dict[str, Any]:
    response = {"body": body, "headers": {}, "status_code": 200}
    return create_parser("ec2").parse(response, output_shape())  # type: ignore[no-any-return]


def through_dictionaries(body: bytes) -> GroupPage:
    return parse_page(parsed_by_botocore(body)["SecurityGroups"])


def through_xml(body: bytes) -> GroupPage:
    read = read_answer(body)
    assert read is not None
    return read.page


def sample_groups() -> list[dict[str, Any]]:
    lines = SAMPLES.read_text("utf-8").splitlines()
    return [
        {
            "OwnerId": "210987654321",
            "GroupId": f"sg-{number:08}",
            "GroupName": sample["name"],
            "Description": sample["source"],
            "VpcId": "vpc-654321",
            "IpPermissions": sample["IpPermissions"],
            "Tags": [{"Key": "Name", "Value": sample["name"]}, {"Key": "bare"}],
        }
        for number, sample in enumerate(map(json.loads, lines))
    ]


def test_the_sample_groups() -> None:
    body = answer(*map(group, sample_groups()))
    page = through_xml(body)
    assert page == through_dictionaries(body)
    assert len(page.groups) == 77
    assert page.groups[0].owner_id == "210987654321"


RULE = described_permission("tcp/22 from 8.8.8.8/32, 2a00::/16, pl-1, sg-11111111")
SAME = {
    "no groups": "",
    "no rules": group(described_group([])),
    "every kind of source": group(described_group([RULE])),
    "an item with nothing but an id": "<item><groupId>sg-1</groupId></item>",
    "empty texts": "<item><groupId>sg-1</groupId><groupName/><vpcId></vpcId><groupDescription/></item>",
    "empty description of a source": group(
        described_group([{**RULE, "IpRanges": [{"CidrIp": "::/0", "Description": ""}]}])
    ),
    "numeric protocols": group(
        described_group(["6/22 from 8.8.8.8/32", "17/-1 from 8.8.8.8/32", "50 from 8.8.8.8/32", "-1 from 8.8.8.8/32"])
    ),
    "ICMP with and without a type": group(described_group(["icmp/8..-1 from 0.0.0.0/0", "icmpv6 from ::/0"])),
    "host bits": group(described_group(["tcp/22 from 192.168.1.0/0"])),
    "TCP without ports": group(described_group(["tcp from 8.8.8.8/32"])),
    "one port only": group(
        described_group(
            [
                {**RULE, "ToPort": 22} | {"FromPort": 22},
                {"IpProtocol": "tcp", "FromPort": 22, "IpRanges": [{"CidrIp": "8.8.8.8/32"}]},
            ]
        )
    ),
    "ports out of range": group(described_group(["tcp/22..65536 from 8.8.8.8/32"])),
    "no source": group(described_group([{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}])),
    "no protocol": group(described_group([{"FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "8.8.8.8/32"}]}])),
    "a source without its key": group(
        described_group([{**RULE, "IpRanges": [{"Description": "?"}, {"CidrIp": "9.9.9.9/32"}]}])
    ),
    "another account's group by name": group(
        described_group([{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupName": "g", "UserId": "1"}]}])
    ),
    "all that EC2 tells of a group reference": group(
        described_group(
            [
                {
                    "IpProtocol": "-1",
                    "UserIdGroupPairs": [
                        {
                            "Description": "d",
                            "UserId": "210987654321",
                            "GroupName": "g",
                            "GroupId": "sg-2",
                            "VpcId": "vpc-1",
                            "VpcPeeringConnectionId": "pcx-1",
                            "PeeringStatus": "active",
                        }
                    ],
                }
            ]
        )
    ),
    "no id": "<item><groupName>web</groupName></item>",
    "empty id": "<item><groupId/><groupName>web</groupName></item>",
    "an id between two others": group(described_group([RULE])) + "<item/>" + group(described_group([])),
    "CDATA": "<item><groupId><![CDATA[sg-1]]></groupId><groupName><![CDATA[<b>&]]></groupName></item>",
    "entities": "<item><groupId>sg-1</groupId><groupName>&lt;a&gt; &amp; &#x1F600;&quot;</groupName></item>",
    "comments": "<item><groupId>sg<!-- here -->-1</groupId><!-- there --></item>",
    "white space": "<item>\n  <groupId>sg-1</groupId>\n  <ipPermissions>\n  </ipPermissions>\n</item>",
    "another order": "<item><ipPermissions><item><ipRanges><item><description>d</description><cidrIp>::/0</cidrIp>"
    "</item></ipRanges><toPort>22</toPort><ipProtocol>tcp</ipProtocol><fromPort>22</fromPort></item></ipPermissions>"
    "<groupId>sg-1</groupId></item>",
    "a prefix": '<e:item xmlns:e="urn:e"><e:groupId>sg-1</e:groupId><e:ipPermissions><e:item>'
    "<e:ipProtocol>-1</e:ipProtocol><e:ipRanges><e:item><e:cidrIp>0.0.0.0/0</e:cidrIp></e:item></e:ipRanges></e:item></e:ipPermissions></e:item>",
    "a group's unknown part": "<item><groupId>sg-1</groupId><newOne><item>1</item></newOne><newOne/></item>",
    "a tag without a value": "<item><groupId>sg-1</groupId><tagSet><item><key>a</key></item></tagSet></item>",
    "a tag without a key": "<item><groupId>sg-1</groupId><tagSet><item><value>a</value></item></tagSet></item>",
    "a tag twice": "<item><groupId>sg-1</groupId><tagSet><item><key>a</key><value>1</value></item>"
    "<item><key>a</key><value>2</value></item></tagSet></item>",
}


@pytest.mark.parametrize("groups", [pytest.param(groups, id=name) for name, groups in SAME.items()])
def test_both_ways_give_the_same_values(groups: str) -> None:
    body = answer(groups)
    assert through_xml(body) == through_dictionaries(body)


@pytest.mark.parametrize(
    "root",
    [
        pytest.param("DescribeSecurityGroupsResponse", id="none"),
        pytest.param('DescribeSecurityGroupsResponse xmlns="http://ec2.amazonaws.com/doc/2027-01-01/"', id="another"),
        pytest.param('e:DescribeSecurityGroupsResponse xmlns:e="urn:e"', id="a prefix for the root alone"),
    ],
)
def test_namespaces_do_not_matter(root: str) -> None:
    body = answer(group(described_group([RULE])), root=root)
    assert through_xml(body) == through_dictionaries(body)
    assert len(through_xml(body).groups[0].ingress) == 4


def with_permission(xml: str) -> str:
    return f"<item><groupId>sg-1</groupId><ipPermissions>{xml}</ipPermissions></item>"


ICMP_X = "<ipProtocol>icmp</ipProtocol><fromPort>x</fromPort><toPort>0</toPort>"
PORTS = "<ipProtocol>tcp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort>"
RANGE = "<ipRanges><item><cidrIp>8.8.8.8/32</cidrIp></item></ipRanges>"
NOT_UNDERSTOOD = {
    "an unknown part beside a known source": (
        with_permission(f"<item>{PORTS}{RANGE}<places><item><place>Mars</place></item></places></item>"),
        ["8.8.8.8/32"],
        "a tcp rule with an unknown part: '<places>'",
    ),
    "an unknown part of a source": (
        with_permission(
            f"<item>{PORTS}<ipRanges><item><cidrIp>8.8.8.8/32</cidrIp><not>9.9.9.9/32</not></item></ipRanges></item>"
        ),
        ["8.8.8.8/32"],
        "a tcp rule with source 8.8.8.8/32 that has an unknown part: <not>",
    ),
    "an unknown part of a group reference": (
        with_permission(
            f"<item>{PORTS}<groups><item><groupId>sg-2</groupId><alsoInternet>true</alsoInternet></item></groups>{RANGE}</item>"
        ),
        ["8.8.8.8/32", ""],
        "a tcp rule with source sg-2 that has an unknown part: <alsoInternet>",
    ),
    "an unknown part beside ports and no source": (
        with_permission(f"<item>{PORTS}<places/></item>"),
        [],
        "a tcp rule with an unknown part: '<places>'",
    ),
    "a part that is named as botocore names one": (
        with_permission(f"<item>{PORTS}<IpRanges><item><cidrIp>8.8.8.8/32</cidrIp></item></IpRanges></item>"),
        [],
        "a tcp rule with an unknown part: '<IpRanges>'",
    ),
    "protocol twice": (
        with_permission(f"<item><ipProtocol>icmp</ipProtocol>{PORTS}{RANGE}</item>"),
        [],
        "without a protocol",
    ),
    "ports twice": (
        with_permission(f"<item>{PORTS}<toPort>25</toPort>{RANGE}</item>"),
        [],
        "with ports 22 to ['22', '25']",
    ),
    "sources twice": (
        with_permission(f"<item>{PORTS}{RANGE}<ipRanges><item><cidrIp>9.9.9.9/32</cidrIp></item></ipRanges></item>"),
        ["8.8.8.8/32", "9.9.9.9/32"],
        "an unknown source: '<ipRanges> twice'",
    ),
    "a source twice in one item": (
        with_permission(
            f"<item>{PORTS}<ipRanges><item><cidrIp>8.8.8.8/32</cidrIp><cidrIp>9.9.9.9/32</cidrIp></item></ipRanges></item>"
        ),
        [],
        "an unknown source",
    ),
    "an element within a source": (
        with_permission(
            f"<item>{PORTS}<ipRanges><item><cidrIp>10.0.0.0/8<or>0.0.0.0/0</or></cidrIp></item></ipRanges></item>"
        ),
        [],
        "an unknown source",
    ),
    "an element within a port": (
        with_permission(
            f"<item><ipProtocol>tcp</ipProtocol><fromPort>23<or/></fromPort><toPort>24</toPort>{RANGE}</item>"
        ),
        [],
        "with ports ['23', '<or>'] to 24",
    ),
    "a port that is no number": (
        with_permission(
            f"<item><ipProtocol>tcp</ipProtocol><fromPort>ssh</fromPort><toPort>ssh</toPort>{RANGE}</item>"
        ),
        [],
        "a tcp rule with ports 'ssh' to 'ssh'",
    ),
    "an empty port": (
        with_permission(f"<item><ipProtocol>udp</ipProtocol><fromPort/><toPort/>{RANGE}</item>"),
        [],
        "a udp rule with ports '' to ''",
    ),
    "an ICMP type that is no number": (
        with_permission(f"<item>{ICMP_X}{RANGE}</item>"),
        [],
        "a icmp rule with ports 'x' to 0",
    ),
    "a source that is no item": (
        with_permission(f"<item>{PORTS}<ipRanges><thing><cidrIp>8.8.8.8/32</cidrIp></thing></ipRanges></item>"),
        ["8.8.8.8/32"],
        "an unknown source: '<thing>'",
    ),
    "a permission that is no item": (
        with_permission(f"<thing>{PORTS}{RANGE}</thing>"),
        ["8.8.8.8/32"],
        "a rule of another shape: '<thing>'",
    ),
    "rules twice": (
        f"<item><groupId>sg-1</groupId><ipPermissions><item>{PORTS}{RANGE}</item></ipPermissions><ipPermissions/></item>",
        ["8.8.8.8/32"],
        "a rule of another shape: '<ipPermissions> twice'",
    ),
    "VPC twice": (
        "<item><groupId>sg-1</groupId><vpcId>vpc-1</vpcId><vpcId>vpc-2</vpcId></item>",
        [],
        "a VpcId of another shape",
    ),
    "an element within a tag": (
        "<item><groupId>sg-1</groupId><tagSet><item><key>a</key><value>b<c/></value></item></tagSet></item>",
        [],
        "tags of another shape",
    ),
}


@pytest.mark.parametrize(
    ("xml", "sources", "reason"), [pytest.param(*case, id=name) for name, case in NOT_UNDERSTOOD.items()]
)
def test_what_botocore_would_drop_is_not_understood(xml: str, sources: list[str], reason: str) -> None:
    page = through_xml(answer(xml))
    assert page.nameless == ()
    (found,) = page.groups
    assert [rule.cidr for rule in found.ingress] == sources
    assert len(found.unreadable) == 1
    assert reason in found.unreadable[0]


def test_an_id_that_is_there_twice_could_be_any_group() -> None:
    page = through_xml(answer("<item><groupId>sg-1</groupId><groupId>sg-2</groupId></item>"))
    assert page == GroupPage((), ("a security group without an id, named None",))


NOT_AN_ANSWER = {
    "a proxy's page": b"<html><body><h1>Please log in</h1></body></html>",
    "a page that is no XML": b"<!DOCTYPE html><html><body><br>Please log in</body></html>",
    "cut short": answer(group(described_group([RULE])))[:-30],
    "nothing": b"",
    "another answer": b"<DescribeVpcsResponse><securityGroupInfo/></DescribeVpcsResponse>",
    "no list": b"<DescribeSecurityGroupsResponse><requestId>r</requestId></DescribeSecurityGroupsResponse>",
    "two lists": b"<DescribeSecurityGroupsResponse><securityGroupInfo/><securityGroupInfo/>"
    b"</DescribeSecurityGroupsResponse>",
    "an entity of its own": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    b"<DescribeSecurityGroupsResponse><securityGroupInfo>&x;</securityGroupInfo></DescribeSecurityGroupsResponse>",
    "not UTF-8": answer("<item><groupId>sg-1</groupId></item>").replace(b"sg-1", b"sg-\xff"),
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in NOT_AN_ANSWER.items()])
def test_what_is_no_answer_is_left_to_botocore(body: bytes) -> None:
    assert read_answer(body) is None


def test_the_rest_is_left_to_botocore() -> None:
    body = answer(group(described_group([RULE])), token="t&amp;1")
    read = read_answer(body)
    assert isinstance(read, Answer)
    mine, theirs = parsed_by_botocore(read.rest), parsed_by_botocore(body)
    del theirs["SecurityGroups"]
    assert mine == theirs
    assert mine["NextToken"] == "t&1"


# Random groups as EC2 may write them.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8)
PORT = st.integers(-2, 65537)
CIDR = st.sampled_from(["0.0.0.0/0", "10.0.0.0/8", "8.8.8.8/24", "::/0", "no cidr", ""])
SOURCE = st.fixed_dictionaries({"CidrIp": CIDR}, optional={"Description": TEXT})
RULES = st.fixed_dictionaries(
    {"IpProtocol": st.sampled_from(["tcp", "udp", "6", "17", "-1", "icmp", "58", "50", "esp", ""])},
    optional={
        "FromPort": PORT,
        "ToPort": PORT,
        "IpRanges": st.lists(SOURCE, max_size=3),
        "Ipv6Ranges": st.lists(st.fixed_dictionaries({"CidrIpv6": CIDR}), max_size=2),
        "PrefixListIds": st.lists(
            st.fixed_dictionaries({"PrefixListId": TEXT}, optional={"Description": TEXT}), max_size=2
        ),
        "UserIdGroupPairs": st.lists(
            st.fixed_dictionaries(
                {}, optional={"GroupId": TEXT, "GroupName": TEXT, "UserId": TEXT, "Description": TEXT}
            ),
            max_size=2,
        ),
    },
)
GROUPS = st.fixed_dictionaries(
    {"GroupId": TEXT, "IpPermissions": st.lists(RULES, max_size=4)},
    optional={
        "GroupName": TEXT,
        "VpcId": TEXT,
        "OwnerId": TEXT,
        "Description": TEXT,
        "Tags": st.lists(st.fixed_dictionaries({"Key": TEXT}, optional={"Value": TEXT}), max_size=2),
    },
)


@settings(max_examples=300, deadline=None)
@given(st.lists(GROUPS, max_size=3))
def test_random_groups(groups: list[dict[str, Any]]) -> None:
    body = answer(*map(group, groups))
    assert through_xml(body) == through_dictionaries(body)


# Random XML of the elements that matter, in any place.
NAMES = (
    *("item", "groupId", "groupName", "vpcId", "ipPermissions", "tagSet", "key", "value", "unknown"),
    *("ipProtocol", "fromPort", "toPort", "ipRanges", "ipv6Ranges", "groups", "cidrIp", "cidrIpv6", "description"),
)
TEXTS = ("", "22", "tcp", "::/0", "sg-1")


def odd_xml(chance: Random, at_most: int, depth: int = 0) -> str:
    """Up to so many elements, each a text or again elements."""
    parts = []
    for _ in range(chance.randint(0, at_most)):
        name = chance.choice(NAMES)
        inner = chance.choice(TEXTS) if depth == 3 or chance.random() < 0.5 else odd_xml(chance, 4, depth + 1)
        parts.append(f"<{name}>{inner}</{name}>")
    return "".join(parts)


def test_of_odd_xml_no_less_is_noticed() -> None:
    told = 0
    for seed in range(1000):
        chance = Random(seed)  # noqa: S311 - chance, not secrecy
        ranges = f"<ipRanges><item><cidrIp>8.8.8.8/32</cidrIp>{odd_xml(chance, 5)}</item></ipRanges>"
        ports = "<ipProtocol>tcp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort>"
        permissions = f"<ipPermissions><item>{ports}{ranges}{odd_xml(chance, 5)}</item></ipPermissions>"
        body = answer(f"<item><groupId>sg-1</groupId>{odd_xml(chance, 4)}{permissions}</item>")
        told += _no_less_is_noticed(body)
    assert told > 100  # botocore read at least so many of them


def _no_less_is_noticed(body: bytes) -> bool:
    """Hold the page against botocore's. Returns whether botocore reads it."""
    page = through_xml(body)
    try:
        expected = through_dictionaries(body)
    except (TypeError, ValueError):  # botocore gives the whole page up: a port that is empty or there twice
        assert page.nameless or page.groups[0].unreadable, body
        return False
    assert bool(page.nameless) >= bool(expected.nameless), body
    for mine, theirs in zip(page.groups, expected.groups, strict=not page.nameless):
        assert bool(mine.unreadable) >= bool(theirs.unreadable), body
        assert set(mine.ingress) >= set(theirs.ingress) or mine.unreadable, body
    return True


def test_the_builder_writes_what_ec2_writes() -> None:
    assert permission(described_permission("tcp/22 from 8.8.8.8/32")) == (
        "<item><ipProtocol>tcp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort><groups></groups>"
        "<ipRanges><item><cidrIp>8.8.8.8/32</cidrIp></item></ipRanges><ipv6Ranges></ipv6Ranges>"
        "<prefixListIds></prefixListIds></item>"
    )
