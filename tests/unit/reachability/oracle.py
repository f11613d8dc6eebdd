"""Who can really connect, by brute force: the contract's section 8 read again, packet by packet.

No interval and no set arithmetic, nothing of the code under test: one source, one port and one way at a time, and for
the answer one client port after another. It works on what EC2 and Elastic Load Balancing answer, and can enumerate
because its worlds are small: everything but a few addresses is trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

Raw = Mapping[str, Any]
Address = IPv4Address | IPv6Address
Traffic = tuple[str, int]  # ("tcp", 22), ("udp", 161) or ("protocol", 50)

CODES = (
    "VPC_BLOCK_PUBLIC_ACCESS_ENABLED",
    "NO_ROUTE_TO_DESTINATION",
    "SUBNET_ACL_RESTRICTION",
    "SECURITY_GROUP_RESTRICTION",
    "ELB_LISTENERS_MISMATCH",
)
TRANSPORTS = {
    **dict.fromkeys(("HTTP", "HTTPS", "TCP", "TLS", "SSL"), ("tcp",)),
    "UDP": ("udp",),
    "TCP_UDP": ("tcp", "udp"),
}
WORST_FIRST = ("internet", "unknown", "blocked", "internal", "unused")

Found = tuple[str, str, str, str]  # interface, address, verdict, code


@dataclass(frozen=True)
class World:
    """What is asked about.

    Attributes:
        exposed: who may send what by the rules of group `sg-1`.
        sources: every address that counts as public.
        ephemeral: client ports to try.
        unread_balancers: whether Elastic Load Balancing could not be asked.
    """

    exposed: Mapping[Traffic, frozenset[Address]]
    sources: Sequence[Address]
    interfaces: Sequence[Raw]
    subnets: Sequence[Raw]
    vpcs: Sequence[Raw]
    route_tables: Sequence[Raw]
    acls: Sequence[Raw]
    prefix_lists: Mapping[str, Sequence[str]]
    balancers: Mapping[
        str, Raw
    ]  # by name: type, scheme, listeners, target groups; what is missing is not in the answers
    groups: Mapping[str, Sequence[tuple[str, int, int, str]]]  # protocol, ports, source
    ephemeral: Sequence[int]


@cache
def inside(address: Address, cidr: str) -> bool:
    network = ip_network(cidr, strict=False)
    return network.version == address.version and address in network


class Oracle:
    def __init__(self, world: World) -> None:
        self.world = world
        self.families = {address.version for admitted in world.exposed.values() for address in admitted}

    def answer(self) -> tuple[str, str | None, list[Found]]:
        """Verdict, sources, and the paths."""
        paths: list[Found] = []
        self.connected: dict[tuple[Traffic, int], set[Address]] = {}
        self.through_vpcs: dict[tuple[Traffic, int], set[str]] = {}
        for interface in self.world.interfaces:
            if self.attached(interface) and "sg-1" in self.group_ids(interface):
                paths += self.paths_of(interface)
        verdict = next((each for each in WORST_FIRST if any(path[2] == each for path in paths)), "unused")
        sources = None
        if verdict == "internet":
            sources = "all" if self.is_all() else "some"
        return verdict, sources, sorted(paths)

    def is_all(self) -> bool:
        for (traffic, version), who in self.connected.items():
            wanted = {each for each in self.world.sources if each.version == version}
            local = {
                each
                for each in wanted
                for vpc in self.through_vpcs[traffic, version]
                if any(inside(each, cidr) for cidr in self.local_routes(vpc))
            }
            if wanted <= who | local:
                return True
        return False

    def local_routes(self, vpc: str) -> Iterator[str]:
        for table in self.world.route_tables:
            for route in table["Routes"] if table["VpcId"] == vpc else ():
                if route.get("GatewayId") == "local":
                    yield route.get("DestinationCidrBlock") or route["DestinationIpv6CidrBlock"]

    @staticmethod
    def attached(interface: Raw) -> bool:
        return bool(interface.get("Attachment", {}).get("Status", "detached") != "detached")

    @staticmethod
    def group_ids(interface: Raw) -> list[str]:
        return [group["GroupId"] for group in interface["Groups"]]

    def public_addresses(self, interface: Raw) -> list[str]:
        found = []
        for each in interface["PrivateIpAddresses"]:
            public = each.get("Association", {}).get("PublicIp")
            if public and 4 in self.families:
                found.append(public)
        if not interface.get("DenyAllIgwTraffic") and 6 in self.families:
            assigned = [each["Ipv6Address"] for each in interface["Ipv6Addresses"]]
            assigned += [each["Ipv6Prefix"] for each in interface.get("Ipv6Prefixes", ())]
            found += [each for each in assigned if not inside_ula(each.partition("/")[0])]
        return found

    # One path for each address.

    def paths_of(self, interface: Raw) -> list[Found]:
        found = []
        for address in self.public_addresses(interface):
            attempts = [
                (traffic, source, self.directly(interface, traffic, source))
                for traffic, source in self.connections(address)
            ]
            found.append(self.path(interface, address, interface, attempts))
        for balancer in self.world.interfaces:
            found += self.paths_over(balancer, interface)
        if not found:
            code = CODES[0] if self.block_public_access(interface) is False else ""
            verdict = self.if_another_way(interface, "internal", code)
            return [(interface["NetworkInterfaceId"], "", verdict, "")]
        return found

    def paths_over(self, balancer: Raw, interface: Raw) -> list[Found]:
        described = self.world.balancers.get(balancer_name(balancer))
        if not (self.attached(balancer) and described and balancer["VpcId"] == interface["VpcId"]):
            return []
        if described["Type"] != "network" or described["Scheme"] == "internal":
            return []
        sent = [target for target in described["Targets"] if self.is_target(interface, target)]
        found = []
        for address in self.public_addresses(balancer) if sent else ():
            attempts = []
            for traffic, source in self.connections(address):
                ways: list[Traffic | None] = [
                    (transport, listener["Port"])
                    for target in sent
                    for listener in described["Listeners"]
                    if listener["Port"] in target["Listeners"]
                    for transport in TRANSPORTS[listener["Protocol"]]
                    if traffic == (transport, target["Port"])
                ]
                attempts += [
                    (traffic, source, self.over(balancer, interface, traffic, source, way)) for way in ways or [None]
                ]
            found.append(self.path(interface, address, balancer, attempts))
        return found

    @staticmethod
    def is_target(interface: Raw, target: Raw) -> bool:
        """Whether a target is this interface, and sees the client's address."""
        attachment = interface.get("Attachment", {})
        is_instance = target["Id"] == attachment.get("InstanceId") and attachment["DeviceIndex"] == 0
        private = [each["PrivateIpAddress"] for each in interface["PrivateIpAddresses"]]
        in_prefix = target["Type"] == "ip" and any(
            inside(ip_address(target["Id"]), each["Ipv4Prefix"]) for each in interface.get("Ipv4Prefixes", ())
        )
        if not is_instance and target["Id"] not in private and not in_prefix:
            return False
        if target["Preserve"] is not None:
            return bool(target["Preserve"])
        return bool(target["Type"] == "instance" or "UDP" in target["Protocol"])

    def connections(self, address: str) -> Iterator[tuple[Traffic, Address]]:
        version = ip_address(address.partition("/")[0]).version
        for traffic, admitted in self.world.exposed.items():
            for source in sorted((each for each in admitted if each.version == version), key=int):
                yield traffic, source

    def path(
        self,
        interface: Raw,
        address: str,
        entry: Raw,
        attempts: Sequence[tuple[Traffic, Address, Mapping[str, bool | None]]],
    ) -> Found:
        verdict, code = "blocked", ""
        for traffic, source, checks in attempts:
            if all(passed is True for passed in checks.values()):
                verdict = "internet"
                self.connected.setdefault((traffic, source.version), set()).add(source)
                self.through_vpcs.setdefault((traffic, source.version), set()).add(entry["VpcId"])
            elif verdict == "blocked" and all(passed is not False for passed in checks.values()):
                verdict = "unknown"
        if verdict == "blocked":
            by_code = {each: [checks.get(each) is False for *_, checks in attempts] for each in CODES}
            everybody = [each for each in CODES if all(by_code[each])]
            somebody = [each for each in CODES if any(by_code[each])]
            code = (everybody or somebody)[0]
            verdict = self.if_another_way(interface, verdict, code)
        return interface["NetworkInterfaceId"], address, verdict, code

    def if_another_way(self, interface: Raw, verdict: str, code: str) -> str:
        here = [each for each in self.world.interfaces if each["VpcId"] == interface["VpcId"]]
        if code != CODES[0] and any(each["InterfaceType"] == "global_accelerator_managed" for each in here):
            return "unknown"
        for each in here:
            if each["InterfaceType"] != "network_load_balancer" or each is interface or not self.attached(each):
                continue
            if self.public_addresses(each) and balancer_name(each) not in self.world.balancers:
                return "unknown"
        return verdict

    # The checks: True, False, or None where what decides is not in the answers.

    def directly(self, interface: Raw, traffic: Traffic, source: Address) -> dict[str, bool | None]:
        checks = {
            CODES[0]: self.block_public_access(interface),
            CODES[1]: self.route(interface, source),
            CODES[2]: self.acl(interface, traffic, source),
        }
        if balancer_name(interface):
            described = self.world.balancers.get(balancer_name(interface))
            checks[CODES[4]] = (
                None
                if described is None
                else any(
                    traffic == (transport, listener["Port"])
                    for listener in described["Listeners"]
                    for transport in TRANSPORTS[listener["Protocol"]]
                )
            )
        return checks

    def over(
        self, balancer: Raw, interface: Raw, traffic: Traffic, source: Address, way: Traffic | None
    ) -> dict[str, bool | None]:
        checks = {CODES[0]: self.block_public_access(balancer), CODES[1]: self.route(balancer, source)}
        if way is None:
            return {**checks, CODES[4]: False}
        passed = [self.acl(balancer, way, source)]
        if balancer["SubnetId"] != interface["SubnetId"]:
            passed.append(self.acl(interface, traffic, source))
        checks[CODES[2]] = False if False in passed else None if None in passed else True
        if groups := self.group_ids(balancer):
            admitted = [self.admits(group_id, way, source) for group_id in groups]
            checks[CODES[3]] = True if True in admitted else None if None in admitted else False
        return checks

    def block_public_access(self, interface: Raw) -> bool | None:
        subnet = find(self.world.subnets, "SubnetId", interface["SubnetId"])
        if subnet is None:
            return None
        notified = subnet.get("BlockPublicAccessStates")
        if notified is None:
            vpc = find(self.world.vpcs, "VpcId", interface["VpcId"])
            if vpc is None:
                return None
            notified = vpc.get("BlockPublicAccessStates", {})
        return bool(notified.get("InternetGatewayBlockMode", "off") == "off")

    def route(self, interface: Raw, source: Address) -> bool | None:
        own: Raw | None = None
        main: Raw | None = None
        for table in self.world.route_tables:
            for association in table["Associations"]:
                if association.get("SubnetId") == interface["SubnetId"]:
                    own = table
                if association.get("Main") and table["VpcId"] == interface["VpcId"]:
                    main = table
        used = own or main
        if used is None:
            return None
        best: tuple[tuple[int, int], Raw] | None = None
        unread = []
        for route in used["Routes"]:
            cidr = route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock")
            listed = route.get("DestinationPrefixListId")
            if listed and listed not in self.world.prefix_lists:
                unread.append(self.leads_to_the_internet(route))
                continue
            rank = 0 if route["Origin"] == "EnableVgwRoutePropagation" else 1 if listed else 2
            for each in [cidr] if cidr else self.world.prefix_lists[listed]:
                if inside(source, each):
                    key = (ip_network(each, strict=False).prefixlen, rank)
                    if best is None or key > best[0]:
                        best = key, route
        known = self.leads_to_the_internet(best[1]) if best else False
        return known if all(each is known for each in unread) else None

    def leads_to_the_internet(self, route: Raw) -> bool | None:
        gateway = route.get("GatewayId", "")
        if route["State"] != "active" or not gateway.startswith("igw-"):
            return False
        for table in self.world.route_tables:
            if any(association.get("GatewayId") == gateway for association in table["Associations"]):
                return None
        return True

    def acl(self, interface: Raw, traffic: Traffic, source: Address) -> bool | None:
        for acl in self.world.acls:
            if any(each["SubnetId"] == interface["SubnetId"] for each in acl["Associations"]):
                answers: Iterable[Traffic] = [traffic]
                if traffic[0] != "protocol":
                    answers = [(traffic[0], port) for port in self.world.ephemeral]
                comes_in = self.acl_allows(acl, False, traffic, source)
                return comes_in and any(self.acl_allows(acl, True, answer, source) for answer in answers)
        return None

    @staticmethod
    def acl_allows(acl: Raw, egress: bool, traffic: Traffic, other: Address) -> bool:
        for entry in sorted(acl["Entries"], key=lambda each: int(each["RuleNumber"])):
            if entry["Egress"] is not egress:
                continue
            if not inside(other, entry.get("CidrBlock") or entry["Ipv6CidrBlock"]):
                continue
            protocol, ports = entry["Protocol"], entry.get("PortRange")
            if protocol != "-1":
                if {"6": "tcp", "17": "udp"}.get(protocol, "protocol") != traffic[0]:
                    continue
                if traffic[0] == "protocol" and int(protocol) != traffic[1]:
                    continue
                if ports and not ports["From"] <= traffic[1] <= ports["To"]:
                    continue
            return bool(entry["RuleAction"] == "allow")
        return False

    def admits(self, group_id: str, traffic: Traffic, source: Address) -> bool | None:
        if group_id not in self.world.groups:
            return None
        return any(
            inside(source, cidr) and protocol in ("-1", traffic[0]) and first <= traffic[1] <= last
            for protocol, first, last, cidr in self.world.groups[group_id]
        )


def inside_ula(address: str) -> bool:
    return inside(ip_address(address), "fc00::/7")


def find(raws: Iterable[Raw], key: str, value: str) -> Raw | None:
    return next((raw for raw in raws if raw[key] == value), None)


def balancer_name(interface: Raw) -> str:
    """The name of the load balancer that an interface belongs to, or an empty text."""
    if interface.get("Attachment", {}).get("InstanceId"):
        return ""
    kind, _, rest = str(interface["Description"]).partition(" ")
    return (rest.split("/")[1] if "/" in rest else rest) if kind == "ELB" else ""
