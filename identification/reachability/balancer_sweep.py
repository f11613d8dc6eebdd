"""The load balancers that decide who can connect to exposed groups. Only reads.

Asked about are load balancers whose own interfaces have an exposed group, and network load balancers that the Internet
can send to, in a VPC where an exposed group is used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from identification.reachability.balancers import (
    ElbAnswers,
    groups_of,
    is_entrance,
    key_of,
    parse_balancers,
    parse_classic,
)
from identification.reachability.failed_read import FailedReads
from identification.reachability.network import Balancer, Interface

Raw = Mapping[str, Any]
_A_PAGE = 400  # DescribeLoadBalancers and DescribeTargetGroups, PageSize
_WHAT = "load balancers"


class BalancerSweep:
    """Reads load balancers of one account and region.

    Args:
        clients: gives the client of a service.
        failed: takes what could not be read.
    """

    def __init__(self, clients: Callable[[str], Any], failed: FailedReads) -> None:
        self._clients = clients
        self._failed = failed
        self.described: dict[str, Raw] = {}
        """The load balancers that exposed groups are on, as they are described, by key."""

    def read(self, users: Collection[Interface], entrances: Collection[Interface]) -> dict[str, Balancer]:
        """The load balancers that matter, by `BalancerRef.key`.

        Args:
            users: the interfaces of exposed groups.
            entrances: interfaces of network load balancers with a public address.
        """
        own = {user.balancer.key for user in users if user.balancer and user.addresses}
        leading = {each.balancer.key for each in entrances if each.balancer}
        wanted = frozenset(name for user in users for name in user.known_as)
        found: dict[str, Balancer] = {}
        if classic := {key for key in own if "/" not in key}:
            raws = self._pages("elb", "describe_load_balancers", "LoadBalancerDescriptions") or []
            self.described |= {raw["LoadBalancerName"]: raw for raw in raws if raw["LoadBalancerName"] in classic}
            found |= parse_classic(raws)
        if keys := {key for key in own | leading if "/" in key}:
            found |= parse_balancers(self._version_2(keys, own, leading, wanted))
        return found

    def _version_2(
        self, keys: Collection[str], own: Collection[str], leading: Collection[str], wanted: frozenset[str]
    ) -> ElbAnswers:
        elbv2 = "elbv2"
        raws = self._pages(elbv2, "describe_load_balancers", "LoadBalancers", PaginationConfig={"PageSize": _A_PAGE})
        needed = [raw for raw in raws or () if key_of(raw) in keys]
        self.described |= {key_of(raw): raw for raw in needed if key_of(raw) in own}
        listeners = {
            raw["LoadBalancerArn"]: answer
            for raw in needed
            if (answer := self._pages(elbv2, "describe_listeners", "Listeners", LoadBalancerArn=raw["LoadBalancerArn"]))
            is not None
        }
        entrances = [raw for raw in needed if is_entrance(raw) and key_of(raw) in leading]
        groups: Sequence[Raw] | None = ()
        if entrances:
            groups = self._pages(
                elbv2, "describe_target_groups", "TargetGroups", PaginationConfig={"PageSize": _A_PAGE}
            )
        targets: dict[str, list[Raw]] = {}
        attributes: dict[str, Mapping[str, str]] = {}
        for arn in self._arns(entrances, listeners, groups or ()):
            health = self._call(elbv2, "describe_target_health", "TargetHealthDescriptions", TargetGroupArn=arn)
            if health is None:
                continue
            targets[arn] = [each["Target"] for each in health]
            if any(target["Id"] in wanted for target in targets[arn]):
                told = self._call(elbv2, "describe_target_group_attributes", "Attributes", TargetGroupArn=arn)
                if told is not None:
                    attributes[arn] = {each["Key"]: each["Value"] for each in told}
        return ElbAnswers(
            load_balancers=needed,
            listeners=listeners,
            target_groups=groups,
            targets=targets,
            attributes=attributes,
            wanted=wanted,
        )

    def _arns(
        self, entrances: Iterable[Raw], listeners: Mapping[str, Sequence[Raw]], groups: Sequence[Raw]
    ) -> list[str]:
        """The target groups of these load balancers, each once."""
        arns = [
            group["TargetGroupArn"]
            for raw in entrances
            for group, _ in groups_of(raw, listeners.get(raw["LoadBalancerArn"], ()), groups)
        ]
        return list(dict.fromkeys(arns))

    def _pages(self, service: str, operation: str, key: str, **arguments: Any) -> list[Raw] | None:
        try:
            paginator = self._clients(service).get_paginator(operation)
            return [raw for page in paginator.paginate(**arguments) for raw in page[key]]
        except self._failed.catches as error:
            self._failed.add(_WHAT, error)
            return None

    def _call(self, service: str, operation: str, key: str, **arguments: Any) -> list[Raw] | None:
        try:
            answer: list[Raw] = getattr(self._clients(service), operation)(**arguments)[key]
        except self._failed.catches as error:
            self._failed.add(_WHAT, error)
            return None
        return answer
