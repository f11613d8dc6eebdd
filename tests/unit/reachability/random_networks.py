"""Random small networks as EC2 and Elastic Load Balancing describe them, and the same for the oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, summarize_address_range
from random import Random
from typing import Any

from identification.reachability.network import ElbAnswers, TargetNames
from tests.builders.networks import (
    Answers,
    acl,
    balancer_interface,
    classic_balancer,
    interface,
    listener,
    route_table,
    subnet,
    vpc,
)
from tests.unit.reachability.oracle import TRANSPORTS, Address, Traffic, World, inside

Raw = dict[str, Any]

# The public addresses of these worlds; all others are trusted.
SOURCES: list[Address] = [ip_address("8.8.8.0") + number for number in range(16)]
SOURCES += [ip_address("2600::") + number for number in range(8)]
V4 = ("0.0.0.0/0", "8.8.8.0/28", "8.8.8.0/29", "8.8.8.8/29", "8.8.8.4/30", "8.8.8.8/31", "8.8.8.15/32", "8.8.0.0/16")
V6 = ("::/0", "2600::/125", "2600::/126", "2600::4/126", "2600::7/128", "2600::/16")
CIDRS = (*V4, *V6)
RESTRICTED = ("tcp/22", "tcp/24", "udp/23")
PORTS = range(20, 27)
PROTOCOLS = (47, 50, 200)
VPCS = ("vpc-1", "vpc-2")
MODES = (*[None] * 10, "off", "off", "block-ingress", "block-bidirectional")


def trusted() -> list[str]:
    """Everything but `SOURCES`."""
    v4 = [
        *summarize_address_range(IPv4Address(0), IPv4Address("8.8.7.255")),
        *summarize_address_range(IPv4Address("8.8.8.16"), IPv4Address(2**32 - 1)),
    ]
    v6 = [
        *summarize_address_range(IPv6Address(0), IPv6Address("2600::") - 1),
        *summarize_address_range(IPv6Address("2600::8"), IPv6Address(2**128 - 1)),
    ]
    return [str(each) for each in (*v4, *v6)]


@dataclass(frozen=True)
class RandomNetwork:
    """A network, the group's rules, and the same in the oracle's words."""

    rules: Sequence[str]
    answers: Answers
    world: World


class Maker:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - chance, not secrecy
        self.prefixes = Random(seed)  # noqa: S311 - of its own, so that all else stays what it was

    def chance(self, percent: float) -> bool:
        return self.random.random() * 100 < percent

    def some(self, values: Sequence[Any], at_most: int) -> list[Any]:
        return self.random.sample(values, self.random.randint(0, min(at_most, len(values))))

    def make(self) -> RandomNetwork:
        pick = self.random.choice
        subnets = {f"subnet-{number}": pick(VPCS[: 1 + self.chance(25)]) for number in range(1, pick((2, 2, 3, 4)))}
        rules = self.rules()
        interfaces, balancers = self.interfaces(subnets)
        lists = {"pl-1": self.some(CIDRS, 3), "pl-aws": []}
        if self.chance(25):
            del lists["pl-1"]
        acls = [
            acl(f"acl-{number}", self.acl_entries(), [subnet_id])
            for number, subnet_id in enumerate(subnets)
            if self.chance(96)
        ]
        groups = {
            group_id: [
                (pick(("tcp", "udp", "-1")), 400, pick((400, 401, 499)), pick(CIDRS)) for _ in range(pick((0, 1, 2)))
            ]
            for group_id in ("sg-lb1", "sg-lb2")
            if self.chance(92)
        }
        made: Raw = {
            "interfaces": interfaces,
            "subnets": [subnet(each, vpc_id, pick(MODES)) for each, vpc_id in subnets.items() if self.chance(96)],
            "vpcs": [vpc(each, pick(MODES)) for each in VPCS if self.chance(96)],
            "route_tables": self.route_tables(subnets),
            "acls": acls,
            "prefix_lists": lists,
        }
        elb, classic = described(balancers)
        answers = Answers(
            **made,
            elb=elb,
            classic=classic,
            groups={
                group_id: [
                    f"{protocol}{'' if protocol == '-1' else f'/{first}..{last}'} from {cidr}"
                    for protocol, first, last, cidr in group
                ]
                for group_id, group in groups.items()
            },
        )
        world = World(
            exposed=exposed(rules),
            sources=SOURCES,
            balancers=balancers,
            groups={
                group_id: [
                    (protocol, *((0, 65535) if protocol == "-1" else (first, last)), cidr)
                    for protocol, first, last, cidr in group
                ]
                for group_id, group in groups.items()
            },
            ephemeral=ephemeral(acls),
            **made,
        )
        return RandomNetwork(rules, answers, world)

    def rules(self) -> list[str]:
        kinds = ["tcp/22", "tcp/22", "tcp/20..26", "udp/23", "udp/20..26", "-1", "50", "tcp/24"]
        while True:
            rules = [
                f"{self.random.choice(kinds)} from {self.random.choice(CIDRS)}"
                for _ in range(self.random.choice((1, 1, 2, 3)))
            ]
            if exposed(rules):
                return rules

    def interfaces(self, subnets: Mapping[str, str]) -> tuple[list[Raw], dict[str, Raw]]:
        pick = self.random.choice
        found: list[Raw] = []
        balancers: dict[str, Raw] = {}
        for number in range(pick((1, 1, 2, 3))):
            subnet_id = pick(list(subnets))
            made = interface(
                f"eni-{number}",
                subnet=subnet_id,
                vpc=subnets[subnet_id],
                groups=pick((["sg-1"], ["sg-1"], ["sg-1", "sg-2"], ["sg-2"])),
                public=pick(("", f"54.1.1.{number}")),
                secondary=[f"54.2.2.{number}"] if self.chance(15) else [],
                ipv6=pick(([], [f"2600:1f18::{number}"], [f"fd00::{number}"])),
                private=f"172.31.0.{10 + number}",
                status=pick(("attached",) * 8 + ("detached", "attaching", None)),
                instance=f"i-{number}",
                DenyAllIgwTraffic=self.chance(10),
            )
            if self.chance(15):
                made["Ipv4Prefixes"] = [{"Ipv4Prefix": f"172.31.1.{16 * number}/28"}]
                made["Ipv6Prefixes"] = [
                    {"Ipv6Prefix": pick((f"2600:1f18::{number + 1}:0:0:0/80", f"fd00:1:{number}::/80"))}
                ]
            if "Attachment" in made and self.chance(10):
                made["Attachment"]["DeviceIndex"] = 1
            found.append(made)
        for name, kind in (("front", "network"), ("web", "application"), ("old", "classic")):
            if not self.chance(60 if kind == "network" else 12):
                continue
            subnet_id = pick(list(subnets))
            of_group = kind != "network" or self.chance(20)
            groups = self.some(["sg-lb1", "sg-lb1", "sg-lb2"], 2)
            found.append(
                balancer_interface(
                    f"eni-{name}",
                    {"network": f"loadbalancer/net/{name}/1", "application": f"loadbalancer/app/{name}/1"}.get(
                        kind, name
                    ),
                    subnet=subnet_id,
                    vpc=subnets[subnet_id],
                    groups=[*groups, *(["sg-1"] if of_group else [])],
                    public=pick(("54.9.9.9", "54.9.9.9", "")),
                    ipv6=pick(([], ["2600:1f18::99"])),
                    private=f"172.31.0.{len(found) + 100}",
                )
            )
            if self.chance(88):
                balancers[name] = self.balancer(kind)
        if self.chance(8):
            subnet_id = pick(list(subnets))
            made = interface(
                "eni-ga", subnet=subnet_id, vpc=subnets[subnet_id], groups=["sg-ga"], public="", instance=""
            )
            found.append(made | {"InterfaceType": "global_accelerator_managed"})
        self.random.shuffle(found)
        return found, balancers

    def address(self, of_interface: str) -> str:
        """An address behind a balancer: this one, or one of a prefix."""
        return "172.31.1.7" if self.prefixes.random() < 0.3 else of_interface

    def balancer(self, kind: str) -> Raw:
        pick = self.random.choice
        ports = [22, 24, 23, 400, 401, 443]
        listeners = [
            {
                "Port": port,
                "Protocol": pick(("TCP", "TCP", "UDP", "TCP_UDP", "TLS") if kind == "network" else ("HTTP", "HTTPS")),
            }
            for port in self.some(ports, 4)
        ]
        targets = []
        for number in range(pick((1, 2, 3)) if kind == "network" else 0):
            of_instance = self.chance(60)
            targets.append(
                {
                    "Id": f"i-{pick((0, 1))}" if of_instance else self.address(f"172.31.0.{10 + pick((0, 1))}"),
                    "Type": "instance" if of_instance else "ip",
                    "Port": pick((22, 22, 24, 23, 80)),
                    "Protocol": pick(("TCP", "TCP", "UDP", "TCP_UDP")),
                    "Preserve": pick((None, None, True, False)),
                    "Listeners": [each["Port"] for each in self.some(listeners, 3)],
                    "Group": f"tg-{number}",
                }
            )
        return {
            "Type": kind,
            "Scheme": pick(("internet-facing",) * 5 + ("internal",)),
            "Listeners": listeners,
            "Targets": targets,
        }

    def route_tables(self, subnets: Mapping[str, str]) -> list[Raw]:
        found = [route_table(f"rtb-main-{vpc_id}", self.routes(vpc_id), vpc_id) for vpc_id in VPCS if self.chance(96)]
        for subnet_id, vpc_id in subnets.items():
            if self.chance(40):
                routes = self.routes(vpc_id)
                found.append(route_table(f"rtb-{subnet_id}", routes, vpc_id, main=False, subnets=[subnet_id]))
        if self.chance(8):
            vpc_id = self.random.choice(VPCS)
            gateway = f"igw-{vpc_id[-1]}"
            found.append(route_table("rtb-edge", [], vpc_id, main=False, gateways=[gateway]))
        self.random.shuffle(found)
        return found

    def routes(self, vpc_id: str) -> list[str]:
        gateway = f"igw-{vpc_id[-1]}"
        found = []
        destinations = self.some(CIDRS[1:6] + CIDRS[9:], 4)
        destinations += [each for each in ("0.0.0.0/0", "::/0") if self.chance(85)]
        for cidr in destinations:
            is_default = cidr in ("0.0.0.0/0", "::/0")
            to_gateway = self.chance(88 if is_default else 30)
            target = gateway if to_gateway else self.random.choice(("nat-1", "tgw-1", "vgw-1", "local", "eni-7"))
            found.append(f"{cidr} {target}{' blackhole' if self.chance(6) and target != 'local' else ''}")
            if self.chance(8):
                found.append(f"{cidr} vgw-1 propagated")
        if self.chance(25):
            found.append(f"pl-1 {self.random.choice((gateway, 'tgw-1'))}")
        if self.chance(10):
            found.append("pl-aws vpce-1")
        self.random.shuffle(found)
        return found

    def acl_entries(self) -> list[str]:
        pick = self.random.choice
        if self.chance(35):
            return [
                f"{way} {number} allow -1 {cidr}"
                for way in ("in", "out")
                for number, cidr in ((100, V4[0]), (101, V6[0]))
            ]
        found = []
        for way in ("in", "out"):
            numbers = self.random.sample(range(1, 200), pick((1, 2, 3, 4)))
            for number in numbers:
                kinds = ["-1", "-1", "tcp/22", "tcp/20-24", "tcp/0-65535", "udp/0-65535", "50", "icmp", "udp/23"]
                if way == "out":
                    kinds += ["tcp/1024-65535", "tcp/1024-1024", "tcp/0-1023", "tcp/65535", "udp/1024-65535"]
                found.append(f"{way} {number} {pick(('allow', 'allow', 'deny'))} {pick(kinds)} {pick(CIDRS)}")
            if self.chance(60):
                found += [f"{way} 300 allow -1 0.0.0.0/0", f"{way} 301 allow -1 ::/0"]
        return found


def exposed(rules: Sequence[str]) -> dict[Traffic, frozenset[Address]]:
    """Who may send what to restricted ports, by these rules."""
    every: list[Traffic] = [("protocol", number) for number in PROTOCOLS]
    for text in RESTRICTED:
        protocol, _, port = text.partition("/")
        every.append((protocol, int(port)))
    found = {}
    for traffic in every:
        admitted = set()
        for rule in rules:
            what, _, cidr = rule.partition(" from ")
            protocol, _, ports = what.partition("/")
            first, _, last = ports.partition("..")
            if protocol == "-1":
                matches = True
            elif ports:
                matches = protocol == traffic[0] and int(first) <= traffic[1] <= int(last or first)
            else:
                matches = traffic == ("protocol", int(protocol))
            if matches:
                admitted |= {source for source in SOURCES if inside(source, cidr)}
        if admitted:
            found[traffic] = frozenset(admitted)
    return found


def ephemeral(acls: Sequence[Raw]) -> list[int]:
    """Client ports on both sides of every border in the ACLs."""
    borders = {1024, 65535}
    for each in acls:
        for entry in each["Entries"]:
            ports = entry.get("PortRange", {"From": 1024, "To": 65535})
            borders |= {ports["From"] - 1, ports["From"], ports["To"], ports["To"] + 1}
    return sorted(port for port in borders if 1024 <= port <= 65535)


def described(balancers: Mapping[str, Raw]) -> tuple[ElbAnswers, list[Raw]]:
    """The load balancers as Elastic Load Balancing describes them."""
    raws: list[Raw] = []
    listeners: dict[str, list[Raw]] = {}
    groups: list[Raw] = []
    targets: dict[str, list[Raw]] = {}
    attributes: dict[str, dict[str, str]] = {}
    classic = []
    for name, each in balancers.items():
        if each["Type"] == "classic":
            classic.append(classic_balancer(name, *((this["Protocol"], this["Port"]) for this in each["Listeners"])))
            continue
        arn = f"arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/{each['Type'][:3]}/{name}/1"
        raws.append({"LoadBalancerArn": arn, "Type": each["Type"], "Scheme": each["Scheme"]})
        listeners[arn] = [
            listener(
                this["Protocol"],
                this["Port"],
                *(target["Group"] for target in each["Targets"] if this["Port"] in target["Listeners"]),
            )
            for this in each["Listeners"]
        ]
        for target in each["Targets"]:
            group = target["Group"]
            groups.append(
                {
                    "TargetGroupArn": group,
                    "TargetType": target["Type"],
                    "Protocol": target["Protocol"],
                    "Port": 1,
                    "LoadBalancerArns": [arn],
                }
            )
            targets[group] = [{"Id": target["Id"], "Port": target["Port"]}]
            notified = target["Preserve"]
            attributes[group] = {} if notified is None else {"preserve_client_ip.enabled": str(notified).lower()}
    wanted = TargetNames(frozenset(target[0]["Id"] for target in targets.values()))
    assert set(TRANSPORTS) >= {this["Protocol"] for each in balancers.values() for this in each["Listeners"]}
    answers = ElbAnswers(
        load_balancers=raws,
        listeners=listeners,
        target_groups=groups,
        targets=targets,
        attributes=attributes,
        wanted=wanted,
    )
    return answers, classic
