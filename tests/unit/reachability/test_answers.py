"""What EC2's answers are read as: what they hold, and what they leave out."""

from __future__ import annotations

from typing import Any

import pytest

from identification.reachability.network import (
    Admission,
    Interface,
    PublicAddress,
    Route,
    RouteTable,
    TargetNames,
    parse_acls,
    parse_admissions,
    parse_interface,
    parse_route_table,
    parse_route_tables,
)
from library.network.addresses import AddressSet, parse_network
from library.network.ports import EVERYTHING, traffic_of
from library.security_groups.group import IngressRule, SecurityGroup

EVERYWHERE = parse_network("0.0.0.0/0")


def test_an_interface_of_which_everything_is_told() -> None:
    raw = {
        "NetworkInterfaceId": "eni-1",
        "VpcId": "vpc-1",
        "SubnetId": "subnet-1",
        "InterfaceType": "interface",
        "Groups": [{"GroupId": "sg-1"}, {"GroupId": "sg-2"}],
        "Attachment": {"Status": "attached", "DeviceIndex": 0, "InstanceId": "i-1"},
        "PrivateIpAddress": "10.0.0.1",
        "Association": {"PublicIp": "8.8.8.1"},
        "PrivateIpAddresses": [
            {"PrivateIpAddress": "10.0.0.1", "Association": {"PublicIp": "8.8.8.1"}},
            {"PrivateIpAddress": "10.0.0.2", "Association": {"PublicIp": "8.8.8.2"}},
        ],
        "Ipv6Addresses": [{"Ipv6Address": "2600:1f18::1"}, {"Ipv6Address": "fd00::1"}],
    }
    assert parse_interface(raw) == Interface(
        interface_id="eni-1",
        vpc_id="vpc-1",
        subnet_id="subnet-1",
        resource="instance i-1",
        groups=frozenset({"sg-1", "sg-2"}),
        attached=True,
        addresses=(PublicAddress(4, "8.8.8.1"), PublicAddress(4, "8.8.8.2"), PublicAddress(6, "2600:1f18::1")),
        known_as=TargetNames(frozenset({"10.0.0.1", "10.0.0.2", "2600:1f18::1", "fd00::1", "i-1"})),
        balancer=None,
        is_accelerator=False,
    )


def test_an_interface_of_which_next_to_nothing_is_told() -> None:
    assert parse_interface({"NetworkInterfaceId": "eni-1"}) == Interface(
        interface_id="eni-1",
        vpc_id="",
        subnet_id="",
        resource="network interface eni-1",
        groups=frozenset(),
        attached=False,
        addresses=(),
        known_as=TargetNames(),
        balancer=None,
        is_accelerator=False,
    )


@pytest.mark.parametrize(
    ("attachment", "named"),
    [
        pytest.param({"InstanceId": "i-1", "DeviceIndex": 0}, True, id="the-first-interface"),
        pytest.param({"InstanceId": "i-1"}, True, id="no-index"),
        pytest.param({"InstanceId": "i-1", "DeviceIndex": 1}, False, id="another-interface"),
    ],
)
def test_a_target_group_that_names_an_instance_means_its_first_interface(
    attachment: dict[str, Any], named: bool
) -> None:
    assert ("i-1" in parse_interface({"NetworkInterfaceId": "eni-1", "Attachment": attachment}).known_as) is named


@pytest.mark.parametrize("written", ["2600:1f18::a", "2600:1F18::A", "2600:1f18:0:0:0:0:0:a", "2600:1f18::000a"])
def test_a_target_group_may_write_an_ipv6_address_in_any_form(written: str) -> None:
    known_as = parse_interface(
        {"NetworkInterfaceId": "eni-1", "Ipv6Addresses": [{"Ipv6Address": "2600:1f18::a"}]}
    ).known_as
    assert written in known_as
    assert "2600:1f18::b" not in known_as


@pytest.mark.parametrize("kind", ["CarrierIp", "CustomerOwnedIp"])
def test_an_address_of_a_carrier_or_a_customer_is_not_of_the_internet(kind: str) -> None:
    raw = {"NetworkInterfaceId": "eni-1", "Association": {"PublicIp": "8.8.8.1", kind: "8.8.8.1"}}
    assert parse_interface(raw).addresses == ()


@pytest.mark.parametrize(
    ("raw", "route"),
    [
        pytest.param(
            {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"},
            Route((EVERYWHERE,), 0, "igw-1", False),
            id="to-the-internet",
        ),
        pytest.param(
            {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "blackhole"},
            Route((EVERYWHERE,), 0, "", False),
            id="blackhole",
        ),
        pytest.param(
            {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"},
            Route((parse_network("10.0.0.0/16"),), 0, "", True),
            id="local",
        ),
        pytest.param(
            {"DestinationPrefixListId": "pl-1", "NatGatewayId": "nat-1", "State": "active"},
            Route((EVERYWHERE,), 1, "", False),
            id="a-list",
        ),
        pytest.param({"DestinationPrefixListId": "pl-2"}, Route(None, 1, "", False), id="a-list-not-read"),
        pytest.param(
            {"DestinationIpv6CidrBlock": "::/0", "Origin": "EnableVgwRoutePropagation", "GatewayId": "vgw-1"},
            Route((parse_network("::/0"),), 2, "", False),
            id="propagated",
        ),
        pytest.param(
            {"DestinationCidrBlock": "0.0.0.0/0", "Origin": "Advertisement", "NetworkInterfaceId": "eni-1"},
            Route((EVERYWHERE,), 2, "", False),
            id="of-a-route-server",
        ),
        pytest.param({}, Route(None, 1, "", False), id="nothing-told"),
    ],
)
def test_a_route(raw: dict[str, Any], route: Route) -> None:
    lists = {"pl-1": (EVERYWHERE,)}
    assert parse_route_table({"RouteTableId": "rtb-1", "Routes": [raw]}, lists) == RouteTable("rtb-1", (route,))


def test_a_route_table_without_routes() -> None:
    assert parse_route_table({"RouteTableId": "rtb-1"}, {}) == RouteTable("rtb-1", ())


def test_route_tables_by_what_they_are_associated_with() -> None:
    local = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}
    failed = {"SubnetId": "subnet-9", "AssociationState": {"State": "failed"}}
    raws: list[dict[str, Any]] = [
        {
            "RouteTableId": "rtb-1",
            "VpcId": "vpc-1",
            "Routes": [local],
            "Associations": [failed, {"Main": True}, {"SubnetId": "subnet-1"}],
        },
        {
            "RouteTableId": "rtb-2",
            "VpcId": "vpc-1",
            "Routes": [{**local, "DestinationCidrBlock": "10.1.0.0/16"}],
            "Associations": [{"GatewayId": "igw-1"}, {"GatewayId": "vgw-1"}],
        },
        {"RouteTableId": "rtb-3"},
    ]
    found = parse_route_tables(raws, {})
    assert {name: table.route_table_id for name, table in found.tables.items()} == {"subnet-1": "rtb-1"}
    assert {name: table.route_table_id for name, table in found.main_tables.items()} == {"vpc-1": "rtb-1"}
    assert found.local == {"vpc-1": AddressSet.parse("10.0.0.0/16", "10.1.0.0/16"), "": AddressSet()}
    assert found.inspected_gateways == {"igw-1"}


def test_the_entries_of_an_acl_are_in_the_order_of_their_numbers_whatever_else_they_say() -> None:
    def entry(number: int, *, egress: bool) -> dict[str, Any]:
        return {
            "RuleNumber": number,
            "Egress": egress,
            "RuleAction": "allow",
            "CidrBlock": "0.0.0.0/0",
            "Protocol": "-1",
        }

    # Two of one number: what is compared must not go on to what cannot be.
    entries = [entry(100, egress=True), entry(90, egress=False), entry(100, egress=False)]
    acls = parse_acls(
        [
            {"NetworkAclId": "acl-1", "Entries": entries, "Associations": [{"SubnetId": "subnet-1"}]},
            {"NetworkAclId": "acl-2"},
        ]
    )
    assert {name: acl.acl_id for name, acl in acls.items()} == {"subnet-1": "acl-1"}
    assert [(this.number, this.egress) for this in acls["subnet-1"].entries] == [(90, False), (100, True), (100, False)]
    assert parse_acls([{"NetworkAclId": "acl-2", "Associations": [{"SubnetId": "s"}]}])["s"].entries == ()


def test_what_a_group_admits_from_outside() -> None:
    rules = (
        IngressRule("tcp", 22, 80, "0.0.0.0/0", "", "", ""),
        IngressRule("tcp", 443, 443, "", "pl-1", "", ""),
        IngressRule("tcp", 443, 443, "", "pl-2", "", ""),
        IngressRule("-1", None, None, "", "", "sg-2", ""),
    )
    group = SecurityGroup("sg-1", "web", "vpc-1", "", {}, rules)
    assert parse_admissions(group, {"pl-1": (EVERYWHERE,)}) == (
        Admission(traffic_of("tcp", 22, 80), (EVERYWHERE,)),
        Admission(traffic_of("tcp", 443, 443), (EVERYWHERE,)),
        Admission(traffic_of("tcp", 443, 443), None),
    )


def test_a_group_that_was_not_understood_may_admit_anything() -> None:
    group = SecurityGroup("sg-1", "web", "vpc-1", "", {}, (), unreadable=("a rule of an unknown shape",))
    assert parse_admissions(group, {}) == (Admission(EVERYTHING, None),)
