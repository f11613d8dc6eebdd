"""What Elastic Load Balancing answers, read into the values of `network`.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from identification.reachability.network import Balancer, Forward
from library.network.intervals import IntervalSet
from library.network.traffic import UDP

Raw = Mapping[str, Any]

# Where on the axis of all traffic the ports of a protocol begin.
_TRANSPORTS: dict[str, tuple[int, ...]] = {"HTTP": (0,), "HTTPS": (0,), "TCP": (0,), "TLS": (0,), "SSL": (0,)}
_TRANSPORTS |= {"UDP": (UDP,), "QUIC": (UDP,), "TCP_UDP": (0, UDP), "TCP_QUIC": (0, UDP)}
_KEEPS_CLIENT_ADDRESSES = "preserve_client_ip.enabled"
_HOLDS_ADDRESSES = frozenset({"instance", "ip"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ElbAnswers:
    """What version 2 of the service answered. What is missing from a map could not be read.

    Attributes:
        listeners: by the load balancer's ARN.
        target_groups: None: they could not be read.
        targets: by the target group's ARN.
        attributes: by the target group's ARN, as far as one of its targets is among `wanted`.
        wanted: the names of the targets that matter: `Interface.known_as` of what an exposed group is on.
    """

    load_balancers: Sequence[Raw] = ()
    listeners: Mapping[str, Sequence[Raw]] = field(default_factory=dict)
    target_groups: Sequence[Raw] | None = ()
    targets: Mapping[str, Sequence[Raw]] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    wanted: frozenset[str] = frozenset()


def parse_balancers(answers: ElbAnswers) -> dict[str, Balancer]:
    """Application, network and gateway load balancers by `BalancerRef.key`."""
    found = {}
    for raw in answers.load_balancers:
        listeners = answers.listeners.get(raw["LoadBalancerArn"])
        ports = None if listeners is None else _on_axis((each["Protocol"], each["Port"]) for each in listeners)
        found[key_of(raw)] = Balancer(ports, _forwards(raw, listeners, answers))
    return found


def parse_classic(raws: Iterable[Raw]) -> dict[str, Balancer]:
    """Classic load balancers by name."""
    return {
        raw["LoadBalancerName"]: Balancer(
            _on_axis(
                (described["Listener"]["Protocol"], described["Listener"]["LoadBalancerPort"])
                for described in raw.get("ListenerDescriptions", ())
            )
        )
        for raw in raws
    }


def key_of(raw: Raw) -> str:
    """`name/id`, as the descriptions of the balancer's interfaces have it."""
    return "/".join(raw["LoadBalancerArn"].split("/")[-2:])


def is_entrance(raw: Raw) -> bool:
    """Whether it is a network load balancer that the Internet can send to."""
    return raw.get("Type") == "network" and raw.get("Scheme") != "internal"


def groups_of(raw: Raw, listeners: Sequence[Raw], target_groups: Iterable[Raw]) -> Iterator[tuple[Raw, list[Raw]]]:
    """The target groups of a load balancer that hold instances or addresses, and the listeners that send to each."""
    for group in target_groups:
        sending = [listener for listener in listeners if group["TargetGroupArn"] in _sends_to(listener)]
        belongs = sending or raw["LoadBalancerArn"] in group.get("LoadBalancerArns", ())
        if belongs and group.get("TargetType", "instance") in _HOLDS_ADDRESSES:
            yield group, sending


def _sends_to(listener: Raw) -> set[str]:
    arns = set()
    for action in listener.get("DefaultActions", ()):
        weighted = (action.get("ForwardConfig") or {}).get("TargetGroups", ())
        arns |= {each.get("TargetGroupArn") for each in (action, *weighted)}
    return arns


def _forwards(raw: Raw, listeners: Sequence[Raw] | None, answers: ElbAnswers) -> tuple[Forward, ...] | None:
    if not is_entrance(raw):
        return ()
    if listeners is None or answers.target_groups is None:
        return None
    forwards: list[Forward] = []
    for group, sending in groups_of(raw, listeners, answers.target_groups):
        arn = group["TargetGroupArn"]
        targets = answers.targets.get(arn)
        if targets is None:
            return None
        wanted = [target for target in targets if target["Id"] in answers.wanted]
        if not wanted:
            continue
        attributes = answers.attributes.get(arn)
        if attributes is None:
            return None
        if _keeps_client_addresses(group, attributes):
            forwards += _to_targets(group, sending, wanted)
    return tuple(forwards)


def _keeps_client_addresses(group: Raw, attributes: Mapping[str, str]) -> bool:
    if told := attributes.get(_KEEPS_CLIENT_ADDRESSES):
        return told.lower() == "true"
    is_udp = UDP in _TRANSPORTS.get(group.get("Protocol", ""), ())
    return group.get("TargetType", "instance") == "instance" or is_udp


def _to_targets(group: Raw, sending: Sequence[Raw], targets: Iterable[Raw]) -> Iterator[Forward]:
    for target in targets:
        port = int(target.get("Port") or group.get("Port") or 0)
        if not sending:
            yield Forward(None, target["Id"], port)
        for listener in sending:
            for start in _TRANSPORTS.get(listener["Protocol"], ()):
                yield Forward(start + int(listener["Port"]), target["Id"], start + port)


def _on_axis(ports: Iterable[tuple[str, int]]) -> IntervalSet:
    places = [start + int(port) for protocol, port in ports for start in _TRANSPORTS.get(protocol.upper(), ())]
    return IntervalSet.of((place, place) for place in places)
