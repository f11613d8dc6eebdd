"""DescribeSecurityGroups read from its text: never anything else than what botocore's dictionaries give."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser
from hypothesis import example, given, settings
from hypothesis import strategies as st

from library.security_groups.ec2_answer import read_answer, unknown_rule_parts
from library.security_groups.group import parse_page
from tests.builders.answer_xml import answer, group

SAMPLES = Path(__file__).parents[3] / "hammer" / "data" / "security-groups.jsonl"

# As EC2 writes it: in lines, with what an organization's groups have.
EC2S = b"""<?xml version="1.0" encoding="UTF-8"?>
<DescribeSecurityGroupsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
    <requestId>1d62eae0-acdd-481d-88c9-example</requestId>
    <securityGroupInfo>
        <item>
            <ownerId>123456789012</ownerId>
            <groupId>sg-9bf6ceff</groupId>
            <groupName>R&amp;D &#x2603;</groupName>
            <groupDescription>a &lt;group&gt;</groupDescription>
            <vpcId>vpc-31896b55</vpcId>
            <ipPermissions>
                <item>
                    <ipProtocol>tcp</ipProtocol>
                    <fromPort>22</fromPort>
                    <toPort>22</toPort>
                    <groups>
                        <item>
                            <userId>123456789012</userId>
                            <groupId>sg-1</groupId>
                            <description>from &quot;it&quot;</description>
                        </item>
                    </groups>
                    <ipRanges>
                        <item>
                            <cidrIp>203.0.113.0/24</cidrIp>
                        </item>
                        <item>
                            <cidrIp>8.8.8.0/24</cidrIp>
                            <description>R&amp;D</description>
                        </item>
                    </ipRanges>
                    <ipv6Ranges>
                        <item>
                            <cidrIpv6>::/0</cidrIpv6>
                        </item>
                    </ipv6Ranges>
                    <prefixListIds>
                        <item>
                            <prefixListId>pl-1</prefixListId>
                            <description/>
                        </item>
                    </prefixListIds>
                </item>
                <item>
                    <ipProtocol>-1</ipProtocol>
                    <groups/>
                    <ipRanges><item><cidrIp>10.0.0.0/8</cidrIp></item></ipRanges>
                    <ipv6Ranges/>
                    <prefixListIds/>
                </item>
            </ipPermissions>
            <ipPermissionsEgress>
                <item>
                    <ipProtocol>-1</ipProtocol>
                    <groups/>
                    <ipRanges>
                        <item>
                            <cidrIp>0.0.0.0/0</cidrIp>
                        </item>
                    </ipRanges>
                    <ipv6Ranges/>
                    <prefixListIds/>
                </item>
            </ipPermissionsEgress>
            <tagSet>
                <item>
                    <key>owner</key>
                    <value>R&amp;D</value>
                </item>
                <item>
                    <key>empty</key>
                    <value/>
                </item>
            </tagSet>
            <securityGroupArn>arn:aws:ec2:eu-west-1:123456789012:security-group/sg-9bf6ceff</securityGroupArn>
            <newOne><item><with>more</with></item></newOne>
        </item>
        <item>
            <groupId>sg-2</groupId>
            <groupName>default</groupName>
            <groupDescription/>
            <ipPermissions/>
            <ipPermissionsEgress>
            </ipPermissionsEgress>
        </item>
    </securityGroupInfo>
    <nextToken>t&amp;1</nextToken>
</DescribeSecurityGroupsResponse>
"""


@cache
def output_shape() -> Any:
    return (
        botocore.session.get_session().get_service_model("ec2").operation_model("DescribeSecurityGroups").output_shape
    )


def parsed_by_botocore(body: bytes) -> dict[str, Any]:
    response = {"body": body, "headers": {}, "status_code": 200}
    return create_parser("ec2").parse(response, output_shape())  # type: ignore[no-any-return]


def assert_alike(body: bytes) -> bool:
    """Whatever is read here is what botocore's dictionaries give. Returns whether it was read here."""
    read = read_answer(body)
    if read is None:
        return False
    theirs = parsed_by_botocore(body)
    assert read.page == parse_page(theirs.pop("SecurityGroups"))
    assert parsed_by_botocore(read.rest) == theirs
    return True


def test_what_ec2_writes_is_read_here() -> None:
    assert assert_alike(EC2S)


def test_what_an_emulator_writes_is_read_here() -> None:
    # moto's server: no line ends, and descriptions before the sources
    ranges = "<item><description>d&amp;</description><cidrIp>8.8.8.8/32</cidrIp></item>"
    ranges += "<item><description/><cidrIp>9.9.9.9/32</cidrIp></item>"
    body = answer(
        "<item><groupId>sg-1</groupId><ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>22</fromPort>"
        f"<toPort>22</toPort><groups/><ipRanges>{ranges}</ipRanges><ipv6Ranges/><prefixListIds/></item></ipPermissions>"
        "<ownerId>123456789012</ownerId><groupName>a</groupName></item>"
    )
    assert assert_alike(body)


def test_the_sample_groups_are_read_here() -> None:
    assert assert_alike(answer(*map(group, sample_groups())))


def sample_groups() -> list[dict[str, Any]]:
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
        for number, sample in enumerate(map(json.loads, SAMPLES.read_text("utf-8").splitlines()))
    ]


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("<cidrIp>203.0.113.0/24</cidrIp>", ()),
        ("<or>0.0.0.0/0</or>", ("or",)),
        ("<e:or/><and/>", ("and", "or")),
        ("<!-- no <or/> -->", ("or",)),
    ],
)
def test_what_nobody_knows_in_a_rule_is_named(part: str, names: tuple[str, ...]) -> None:
    body = EC2S.replace(b"<cidrIp>203.0.113.0/24</cidrIp>", part.encode(), 1)
    assert unknown_rule_parts(body) == names
    assert unknown_rule_parts(EC2S) == ()


ODD = {
    "a comment that looks like an end": (
        "<ipPermissionsEgress>",
        "<ipPermissionsEgress><!-- </ipPermissionsEgress> -->",
    ),
    "a processing instruction that looks like an end": (
        "<ipPermissionsEgress>",
        "<ipPermissionsEgress><?a </ipPermissionsEgress> ?>",
    ),
    "CDATA that looks like a rule": (
        "<cidrIp>203.0.113.0/24</cidrIp>",
        "<cidrIp><![CDATA[<cidrIp>0.0.0.0/0</cidrIp>]]></cidrIp>",
    ),
    "an end with a space in it": ("</ipPermissionsEgress>", "</ipPermissionsEgress >"),
    "a beginning with a space in it": ("<ipPermissions>", "<ipPermissions >"),
    "attributes": ("<ipPermissions>", '<ipPermissions a="&lt;/ipPermissions>">'),
    "an attribute of a source": ("<cidrIp>203", '<cidrIp xmlns="urn:other">203'),
    "a list in a list of the same name": ("<ipPermissionsEgress>", "<ipPermissionsEgress><ipPermissionsEgress/>"),
    "a group's part of a known name in an unknown one": ("<newOne>", "<newOne><groupId>sg-3</groupId>"),
    "an element in a name": ("<groupName>", "<groupName><b/>"),
    "two descriptions of a source": (
        "<cidrIp>203.0.113.0/24</cidrIp>",
        "<description/><cidrIp>203.0.113.0/24</cidrIp><description>b</description>",
    ),
    "an id with an escape": ("<groupId>sg-9", "<groupId>&#115;g-9"),
    "a source with an escape": ("<cidrIp>203", "<cidrIp>&#50;03"),
    "a port with an escape": ("<fromPort>22", "<fromPort>&#50;2"),
    "a protocol with an escape": ("<ipProtocol>tcp", "<ipProtocol>&#116;cp"),
    "a port with spaces": ("<fromPort>22", "<fromPort> 22\n"),
    "ends of lines of another system": ("a &lt;group", "a\r\n&lt;group"),
    "an escape of an end of a line": ("a &lt;group", "a&#13;&#10;&lt;group"),
    "text between elements": ("<ipPermissions>", "<ipPermissions>0.0.0.0/0"),
    "text between rules": ("<ipProtocol>-1</ipProtocol>", "22<ipProtocol>-1</ipProtocol>"),
    "a list in a list's item": ("<cidrIpv6>", "<ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges><cidrIpv6>"),
    "a second list of groups": ("<nextToken>", "<securityGroupInfo><item/></securityGroupInfo><nextToken>"),
    "a list of groups in another element": ("<nextToken>", "<a><securityGroupInfo/></a><nextToken>"),
    "a list of groups within the list": ("<securityGroupInfo>", "<securityGroupInfo><securityGroupInfo/>"),
    "a group that is no item": ("<securityGroupInfo>", "<securityGroupInfo><thing><groupId>sg-4</groupId></thing>"),
    "a document type": ("<DescribeSecurityGroupsResponse ", "<!DOCTYPE x><DescribeSecurityGroupsResponse "),
    "an entity that nobody declared": ("R&amp;D", "R&amp;&D;"),
    "a prefix that nobody declared": ("<vpcId>vpc-31896b55</vpcId>", "<e:vpcId>vpc-31896b55</e:vpcId>"),
    "more after the end": ("</DescribeSecurityGroupsResponse>", "</DescribeSecurityGroupsResponse><more/>"),
    "an end that is missing": ("</securityGroupInfo>", ""),
    "ends in another order": ("</groupName>", "</groupDescription>"),
}


@pytest.mark.parametrize(("old", "new"), [pytest.param(*case, id=name) for name, case in ODD.items()])
def test_what_is_written_in_another_way_is_read_as_by_botocore_or_left_to_it(old: str, new: str) -> None:
    body = EC2S.replace(old.encode(), new.encode(), 1)
    assert body != EC2S
    assert_alike(body)


@pytest.mark.parametrize("cut", [1, 30, 300, 1500, len(EC2S) - 60])
def test_an_answer_that_is_cut_short_is_none(cut: int) -> None:
    assert read_answer(EC2S[: len(EC2S) - 1 - cut]) is None


PIECES = st.sampled_from(
    [
        *(b"<", b">", b"/", b"&", b";", b"\r", b" ", b"x", b"\xff", b"&amp;", b"&#0;", b"&#x41;", b" a='1'"),
        *(b"<item>", b"</item>", b"<a>", b"</a>", b"<a/>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?a ?>"),
        *(b"<ipPermissions>", b"</ipPermissions>", b"<ipPermissions/>", b"<cidrIp>0.0.0.0/0</cidrIp>"),
        *(b"<groupId>sg-3</groupId>", b"<toPort>25</toPort>"),
    ]
)
LOCATION = st.integers(0, len(EC2S))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(LOCATION, st.integers(0, 40), st.none() | PIECES | st.tuples(LOCATION, st.integers(1, 300))),
        max_size=3,
    )
)
@example([])
def test_whatever_is_cut_out_put_in_or_moved(changes: list[tuple[int, int, bytes | tuple[int, int] | None]]) -> None:
    body = EC2S
    for location, length, put in changes:
        piece = EC2S[put[0] : sum(put)] if isinstance(put, tuple) else put or b""
        body = body[:location] + piece + body[location + length :]
    assert_alike(body)
