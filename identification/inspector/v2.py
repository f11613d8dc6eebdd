"""Reads a finding from an event of Amazon Inspector v2.

Pure. Shape: https://docs.aws.amazon.com/inspector/v2/APIReference/API_Finding.html, in the `detail` of an EventBridge
event. Times in events differ from the API's: see `fields.read_time`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from identification.inspector import fields
from identification.inspector.finding import NETWORK_REACHABILITY, UNKNOWN_TYPE, Finding
from library.network.intervals import IntervalSet
from library.network.ports import HIGHEST_PORT, PortSet


def parse_v2(event: Mapping[str, Any]) -> Finding:
    """Read an Inspector v2 event about a finding. Never raises: see `Finding.problems`."""
    problems: list[str] = []
    detail = event.get("detail")
    if not isinstance(detail, Mapping):
        problems.append("the event has no detail")
        detail = {}
    arn, arn_account, arn_region = fields.read_arn(detail.get("findingArn"), problems)
    network = detail.get("networkReachabilityDetails")
    type_ = fields.read_text(detail.get("type"))
    if not type_:
        problems.append("it does not say its type")
        type_ = UNKNOWN_TYPE
    elif network is not None:
        type_ = NETWORK_REACHABILITY
    ports = PortSet()
    path: tuple[str, ...] = ()
    server_id, tags, resource_region = _v2_server(detail.get("resources"), problems)
    if type_ == NETWORK_REACHABILITY or network is not None:
        ports, path = _v2_network(network, problems)
    return Finding(
        service="inspector2",
        arn=arn,
        type=type_,
        status=fields.read_status(detail.get("status"), problems),
        severity=fields.read_text(detail.get("severity")) or "UNKNOWN",
        title=fields.read_text(detail.get("title")),
        account_id=fields.read_account(detail.get("awsAccountId"), (arn_account, event.get("account")), problems),
        region=fields.read_region((arn_region, resource_region, event.get("region")), problems),
        server_id=server_id,
        vpc_id=_v2_vpc(detail.get("resources")),
        tags=tags,
        ports=ports,
        path=path,
        updated=fields.read_time(detail.get("updatedAt")),
        problems=tuple(dict.fromkeys(problems)),
        raw=detail or event,
    )


def _v2_server(resources: object, problems: list[str]) -> tuple[str, Mapping[str, str], str]:
    """The id, tags and region of the one resource that a finding is about."""
    if not isinstance(resources, list) or len(resources) != 1 or not isinstance(resources[0], Mapping):
        problems.append("it does not name exactly one resource")
        return "", {}, ""
    resource = resources[0]
    if not fields.read_text(resource.get("id")):
        problems.append("its resource has no id")
    tags = resource.get("tags")
    if tags is None:
        tags = {}
    if not isinstance(tags, Mapping) or not all(isinstance(text, str) for pair in tags.items() for text in pair):
        problems.append("its resource's tags are not texts by key")
        tags = {}
    return fields.read_text(resource.get("id")), dict(tags), fields.read_text(resource.get("region"))


def _v2_vpc(resources: object) -> str:
    """The VPC, which only says where to look: that it is missing is no problem of the finding."""
    value = resources
    for step in (0, "details", "awsEc2Instance", "vpcId"):
        if isinstance(value, list) and step == 0 and value:
            value = value[0]
        elif isinstance(value, Mapping):
            value = value.get(step)
        else:
            return ""
    return fields.read_text(value)


def _v2_network(network: object, problems: list[str]) -> tuple[PortSet, tuple[str, ...]]:
    """The ports and the path of `networkReachabilityDetails`."""
    if not isinstance(network, Mapping):
        problems.append("it has no network reachability details")
        return PortSet(), ()
    ports = PortSet()
    span = network.get("openPortRange")
    first, last = (span.get("begin"), span.get("end")) if isinstance(span, Mapping) else (None, None)
    if type(first) is int and type(last) is int and 0 <= first <= last <= HIGHEST_PORT:
        ports = fields.read_ports(network.get("protocol"), IntervalSet(((first, last),)), problems)
    else:
        problems.append(f"its ports are not a range: {span!r:.100}")
    return ports, _v2_path(network.get("networkPath"), problems)


def _v2_path(network_path: object, problems: list[str]) -> tuple[str, ...]:
    steps = network_path.get("steps") if isinstance(network_path, Mapping) else network_path
    if steps is None:
        return ()
    names: list[str] = []
    for step in steps if isinstance(steps, list) else (steps,):
        name = (
            fields.read_text(step.get("componentId")) or fields.read_text(step.get("componentArn"))
            if isinstance(step, Mapping)
            else ""
        )
        if name:
            names.append(name)
        else:
            problems.append(f"a step of its path is not named: {step!r:.100}")
    return tuple(names)
