"""A region's network as EC2 and Elastic Load Balancing describe it, from short texts.

`"0.0.0.0/0 igw-1"` is a route, with `blackhole` or `propagated` after it, and `"in 100 deny tcp/22 8.8.8.0/24"`
is an entry of a network ACL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from identification.reachability.network import (
    ElbAnswers,
    RegionNetwork,
    parse_balancers,
    parse_classic,
    parse_interface,
    region_network,
)
from library.network.addresses import parse_network
from library.security_groups.group import parse_security_group
from tests.builders.rules import described_group

Raw = dict[str, Any]

OPEN_ROUTES = ("172.31.0.0/16 local", "0.0.0.0/0 igw-1", "::/0 igw-1")
OPEN_ACL = ("in 100 allow -1 0.0.0.0/0", "in 101 allow -1 ::/0", "out 100 allow -1 0.0.0.0/0", "out 101 allow -1 ::/0")
_LAST = ("in 32767 deny -1 0.0.0.0/0", "out 32767 deny -1 0.0.0.0/0", "in 32768 deny -1 ::/0", "out 32768 deny -1 ::/0")
_ACL_PROTOCOLS = {"tcp": "6", "udp": "17", "icmp": "1"}
NLB_ARN = "arn:aws:elasticloadbalancing:eu-west-1:210987654321:loadbalancer/net/front/50dc6c495c0c9188"
ALB_ARN = "arn:aws:elasticloadbalancing:eu-west-1:210987654321:loadbalancer/app/web/60dc6c495c0c9188"


def interface(
    interface_id: str = "eni-1",
    *,
    subnet: str = "subnet-1",
    vpc: str = "vpc-1",
    groups: Sequence[str] = ("sg-1",),
    public: str = "54.1.1.1",
    secondary: Sequence[str] = (),
    ipv6: Sequence[str] = (),
    private: str = "172.31.0.10",
    status: str | None = "attached",
    instance: str = "i-1",
    **other: Any,
) -> Raw:
    """An interface of an instance, attached, with a public address, unless told otherwise."""
    attachment = {"Attachment": {"Status": status, "DeviceIndex": 0, "InstanceId": instance}} if status else {}
    association = {"Association": {"PublicIp": public, "IpOwnerId": "amazon"}} if public else {}
    return {
        "NetworkInterfaceId": interface_id,
        "InterfaceType": "interface",
        "Status": "in-use" if status else "available",
        "VpcId": vpc,
        "SubnetId": subnet,
        "Description": "",
        "Groups": [{"GroupId": group_id, "GroupName": group_id} for group_id in groups],
        "PrivateIpAddress": private,
        "PrivateIpAddresses": [
            {"Primary": True, "PrivateIpAddress": private, **association},
            *(
                {"Primary": False, "PrivateIpAddress": f"172.31.0.{20 + number}", "Association": {"PublicIp": address}}
                for number, address in enumerate(secondary)
            ),
        ],
        "Ipv6Addresses": [{"Ipv6Address": address} for address in ipv6],
        "TagSet": [],
        **attachment,
        **association,
        **other,
    }


def balancer_interface(interface_id: str = "eni-lb", arn: str = ALB_ARN, **other: Any) -> Raw:
    """An interface of a load balancer; `arn`: of one, or the name of a classic one."""
    name = arn.partition("loadbalancer/")[2] or arn
    return interface(
        interface_id,
        **{
            "private": "172.31.0.5",
            "public": "54.9.9.9",
            "instance": "",
            "Description": f"ELB {name}",
            "InterfaceType": "network_load_balancer" if name.startswith("net/") else "interface",
            "RequesterId": "amazon-elb",
        }
        | other,
    )


def subnet(subnet_id: str = "subnet-1", vpc: str = "vpc-1", mode: str | None = None) -> Raw:
    """A subnet, with the mode of Block Public Access that it tells, if it tells one."""
    states = {"BlockPublicAccessStates": {"InternetGatewayBlockMode": mode}} if mode else {}
    return {"SubnetId": subnet_id, "VpcId": vpc, **states}


def vpc(vpc_id: str = "vpc-1", mode: str | None = None) -> Raw:
    """The same of a VPC."""
    return {"VpcId": vpc_id, **({"BlockPublicAccessStates": {"InternetGatewayBlockMode": mode}} if mode else {})}


def route_table(
    table_id: str = "rtb-1",
    routes: Sequence[str] = OPEN_ROUTES,
    vpc: str = "vpc-1",
    *,
    main: bool = True,
    subnets: Sequence[str] = (),
    gateways: Sequence[str] = (),
) -> Raw:
    """A route table, the main one unless told otherwise."""
    associations: list[Raw] = [{"Main": True, "RouteTableId": table_id}] if main else []
    associations += [{"Main": False, "SubnetId": subnet_id} for subnet_id in subnets]
    associations += [{"Main": False, "GatewayId": gateway} for gateway in gateways]
    return {
        "RouteTableId": table_id,
        "VpcId": vpc,
        "Associations": [each | {"AssociationState": {"State": "associated"}} for each in associations],
        "Routes": [route(text) for text in routes],
    }


def route(text: str) -> Raw:
    """A route."""
    destination, target, *marks = text.split()
    name = "DestinationPrefixListId" if destination.startswith("pl-") else "DestinationCidrBlock"
    name = "DestinationIpv6CidrBlock" if ":" in destination else name
    kinds = {"nat": "NatGatewayId", "tgw": "TransitGatewayId", "eni": "NetworkInterfaceId"}
    kinds["eigw"] = "EgressOnlyInternetGatewayId"
    origin = "CreateRouteTable" if target == "local" else "CreateRoute"
    return {
        name: destination,
        kinds.get(target.partition("-")[0], "GatewayId"): target,
        "State": "blackhole" if "blackhole" in marks else "active",
        "Origin": "EnableVgwRoutePropagation" if "propagated" in marks else origin,
    }


def acl(acl_id: str = "acl-1", entries: Sequence[str] = OPEN_ACL, subnets: Sequence[str] = ("subnet-1",)) -> Raw:
    """A network ACL, with the entries that EC2 adds to each."""
    return {
        "NetworkAclId": acl_id,
        "Associations": [{"NetworkAclId": acl_id, "SubnetId": subnet_id} for subnet_id in subnets],
        "Entries": [acl_entry(text) for text in (*entries, *_LAST)],
    }


def acl_entry(text: str) -> Raw:
    """An entry of a network ACL."""
    direction, number, action, traffic, cidr = text.split()
    protocol, _, ports = traffic.partition("/")
    first, _, last = ports.partition("-")
    return {
        "Egress": direction == "out",
        "RuleNumber": int(number),
        "RuleAction": action,
        "Protocol": _ACL_PROTOCOLS.get(protocol, protocol),
        "Ipv6CidrBlock" if ":" in cidr else "CidrBlock": cidr,
        **({"PortRange": {"From": int(first), "To": int(last or first)}} if ports else {}),
    }


def listener(protocol: str, port: int, *target_groups: str) -> Raw:
    """A listener that sends to these target groups."""
    return {
        "Protocol": protocol,
        "Port": port,
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": arn} for arn in target_groups],
    }


def target_group(arn: str = "tg-1", *, kind: str = "instance", protocol: str = "TCP", port: int = 22) -> Raw:
    """A target group of the network load balancer."""
    return {
        "TargetGroupArn": arn,
        "TargetType": kind,
        "Protocol": protocol,
        "Port": port,
        "LoadBalancerArns": [NLB_ARN],
    }


def balancer(arn: str = ALB_ARN, *, scheme: str = "internet-facing") -> Raw:
    """A load balancer."""
    kind = {"net": "network", "app": "application", "gwy": "gateway"}[arn.split("/")[1]]
    return {"LoadBalancerArn": arn, "Type": kind, "Scheme": scheme, "VpcId": "vpc-1"}


def classic_balancer(name: str, *listeners: tuple[str, int]) -> Raw:
    """A classic load balancer."""
    described = [{"Listener": {"Protocol": protocol, "LoadBalancerPort": port}} for protocol, port in listeners]
    return {"LoadBalancerName": name, "ListenerDescriptions": described}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What AWS answers about a region: one instance in a subnet that is open to the Internet, unless told otherwise."""

    interfaces: Sequence[Raw] | None = field(default_factory=lambda: [interface()])
    subnets: Sequence[Raw] = field(default_factory=lambda: [subnet()])
    vpcs: Sequence[Raw] = field(default_factory=lambda: [vpc()])
    route_tables: Sequence[Raw] = field(default_factory=lambda: [route_table()])
    acls: Sequence[Raw] = field(default_factory=lambda: [acl()])
    prefix_lists: Mapping[str, Sequence[str]] = field(default_factory=dict)
    elb: ElbAnswers | None = None
    classic: Sequence[Raw] = ()
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)

    def network(self) -> RegionNetwork:
        """The value that this is read into."""
        balancers = parse_classic(self.classic) | (parse_balancers(self.elb) if self.elb else {})
        return region_network(
            interfaces=None if self.interfaces is None else map(parse_interface, self.interfaces),
            subnets=self.subnets,
            vpcs=self.vpcs,
            route_tables=self.route_tables,
            acls=self.acls,
            prefix_lists={
                list_id: tuple(parse_network(cidr) for cidr in cidrs) for list_id, cidrs in self.prefix_lists.items()
            },
            balancers=balancers,
            groups=[
                parse_security_group(described_group(rules, GroupId=group_id))
                for group_id, rules in self.groups.items()
            ],
            unread=self.unread,
        )
