"""What a network interface belongs to."""

from __future__ import annotations

from typing import Any

import pytest

from library.security_groups.users import BalancerRef, balancer_of, resource_of


@pytest.mark.parametrize(
    ("described", "kind", "name"),
    [
        ({"Description": "ELB app/front/50dc6c495c0c9188"}, "load balancer", "front"),
        ({"Description": "ELB net/front/50dc6c495c0c9188"}, "load balancer", "front"),
        ({"Description": "ELB classic"}, "load balancer", "classic"),
        ({"Description": "RDSNetworkInterface", "RequesterId": "amazon-rds"}, "database", "eni-1"),
        ({"Description": "RedshiftNetworkInterface"}, "database", "eni-1"),
        ({"Description": "x", "RequesterId": "amazon-rds"}, "database", "eni-1 (x)"),
        ({"Description": "ElastiCache sessions-001"}, "cache", "sessions-001"),
        ({"Description": "AWS Lambda VPC ENI-resize-1b2c3d4e-0000-1111-2222-333344445555"}, "function", "resize"),
        ({"Description": "EFS mount target for fs-1234 (fsmt-1)"}, "file system", "fs-1234"),
        (
            {"Description": "arn:aws:ecs:eu-west-1:123456789012:attachment/0a1b"},
            "container task",
            "attachment/0a1b",
        ),
        ({"Description": "VPC Endpoint Interface vpce-12"}, "endpoint", "vpce-12"),
        ({"Description": "made by hand"}, "network interface", "eni-1 (made by hand)"),
        ({}, "network interface", "eni-1"),
        ({"Attachment": {"InstanceId": "i-1"}, "Description": "ELB fake"}, "instance", "i-1"),
    ],
)
def test_what_an_interface_belongs_to(described: dict[str, Any], kind: str, name: str) -> None:
    assert resource_of({"NetworkInterfaceId": "eni-1", **described}) == (kind, name)


@pytest.mark.parametrize(
    ("described", "balancer"),
    [
        ({"Description": "ELB app/front/50dc"}, BalancerRef("front/50dc", is_network=False)),
        ({"Description": "ELB net/front/50dc"}, BalancerRef("front/50dc", is_network=True)),
        ({"Description": "ELB classic"}, BalancerRef("classic", is_network=False)),
        ({"InterfaceType": "network_load_balancer"}, BalancerRef("eni-1", is_network=True)),
        ({"Description": "ELB fake", "Attachment": {"InstanceId": "i-1"}}, None),
        ({"Description": "made by hand"}, None),
    ],
)
def test_the_load_balancer_of_an_interface(described: dict[str, Any], balancer: BalancerRef | None) -> None:
    assert balancer_of({"NetworkInterfaceId": "eni-1", **described}) == balancer
