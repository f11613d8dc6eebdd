"""Who uses groups: interfaces as EC2 describes them, and as the emulated EC2 does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from library.aws.ec2 import read_group_users, users_of
from library.security_groups.users import GroupUsers, User


class FakeEc2:
    """EC2 with interfaces and instances that filters as the real one does, in pages of one."""

    def __init__(self, interfaces: list[dict[str, Any]], instances: list[dict[str, Any]] | None = None) -> None:
        self.interfaces, self.instances = interfaces, instances or []
        self.calls: list[tuple[str, int]] = []

    def get_paginator(self, operation: str) -> Any:
        outer = self

        class Paginator:
            def paginate(self, Filters: list[dict[str, Any]], **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
                [wanted] = Filters
                outer.calls.append((operation, len(wanted["Values"])))
                if operation == "describe_network_interfaces":
                    assert wanted["Name"] == "group-id"
                    for interface in outer.interfaces:
                        if {group["GroupId"] for group in interface["Groups"]} & set(wanted["Values"]):
                            yield {"NetworkInterfaces": [interface]}
                else:
                    assert wanted["Name"] == "instance-id"
                    found = [i for i in outer.instances if i["InstanceId"] in wanted["Values"]]
                    yield {"Reservations": [{"Instances": found}]}

        return Paginator()


def interface(number: int, *groups: str, **more: Any) -> dict[str, Any]:
    made = {"NetworkInterfaceId": f"eni-{number}", "Groups": [{"GroupId": group} for group in groups or ("sg-1",)]}
    return {**made, "Description": "", "PrivateIpAddresses": [], **more}


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
        (
            {"Description": "AWS Lambda VPC ENI-resize-1b2c3d4e-0000-1111-2222-333344445555"},
            "function",
            "resize",
        ),
        ({"Description": "EFS mount target for fs-1234 (fsmt-1)"}, "file system", "fs-1234"),
        (
            {"Description": "arn:aws:ecs:eu-west-1:123456789012:attachment/0a1b"},
            "container task",
            "attachment/0a1b",
        ),
        ({"Description": "VPC Endpoint Interface vpce-12"}, "endpoint", "vpce-12"),
        ({"Description": "made by hand"}, "network interface", "eni-1 (made by hand)"),
        ({}, "network interface", "eni-1"),
        ({"Attachment": {"InstanceId": "i-1"}, "Description": "ELB fake"}, "instance", "i-1 (web)"),
        ({"Attachment": {"InstanceId": "i-gone"}}, "instance", "i-gone"),
    ],
)
def test_what_an_interface_belongs_to(described: dict[str, Any], kind: str, name: str) -> None:
    instances = [{"InstanceId": "i-1", "Tags": [{"Key": "Name", "Value": "web"}]}]
    client: Any = FakeEc2([interface(1, **described)], instances)
    assert [(user.kind, user.name) for user in read_group_users(client, ["sg-1"])["sg-1"].users] == [(kind, name)]


def test_one_thing_with_several_interfaces_is_listed_once_with_all_its_public_addresses() -> None:
    public = {"Association": {"PublicIp": "54.1.1.1"}}
    ipv6 = [{"Ipv6Address": "2a05:d018::1"}, {"Ipv6Address": "fd00::1"}]
    client: Any = FakeEc2(
        [
            interface(1, Description="ELB app/front/0a", PrivateIpAddresses=[public]),
            interface(2, Description="ELB app/front/0a", Ipv6Addresses=ipv6, **public),
        ]
    )
    assert read_group_users(client, ["sg-1"])["sg-1"].users == (
        User("load balancer", "front", ("2a05:d018::1", "54.1.1.1")),
    )


def test_an_ipv6_prefix_that_is_delegated_to_an_interface_is_listed_in_place_of_its_addresses() -> None:
    prefixes = [{"Ipv6Prefix": "2a05:d018:0:0:1::/80"}, {"Ipv6Prefix": "fd00:1::/80"}]
    client: Any = FakeEc2([interface(1, Ipv6Prefixes=prefixes)])
    assert read_group_users(client, ["sg-1"])["sg-1"].users[0].public_addresses == ("2a05:d018:0:0:1::/80",)


def test_tags_of_instances_count_once_each_and_those_of_interfaces_too() -> None:
    instances = [{"InstanceId": "i-1", "Tags": [{"Key": "owner", "Value": "ana"}]}]
    attached = {"Attachment": {"InstanceId": "i-1"}}
    client: Any = FakeEc2(
        [interface(1, TagSet=[{"Key": "owner", "Value": "bo"}], **attached), interface(2, **attached)], instances
    )
    assert read_group_users(client, ["sg-1"])["sg-1"].tags == ({"owner": "ana"}, {"owner": "bo"}, {})


def test_450_groups_are_asked_for_in_three_calls_and_each_gets_its_own() -> None:
    ids = [f"sg-{number}" for number in range(450)]
    client: Any = FakeEc2([interface(number, group, "sg-other") for number, group in enumerate(ids)])
    used_by = read_group_users(client, ids)
    assert client.calls == [("describe_network_interfaces", count) for count in (200, 200, 50)]
    assert {group: [user.name for user in used.users] for group, used in used_by.items()} == {
        group: [f"eni-{number}"] for number, group in enumerate(ids)
    }


def test_an_interface_of_groups_in_two_calls_counts_once_for_each() -> None:
    ids = [f"sg-{number:03}" for number in range(201)]
    client: Any = FakeEc2([interface(1, "sg-000", "sg-200")])
    used_by = read_group_users(client, ids)
    assert [group for group, used in used_by.items() if used.users] == ["sg-000", "sg-200"]
    assert len(used_by["sg-000"].tags) == 1


def test_of_the_emulated_ec2() -> None:
    with patch.dict(os.environ, {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}), mock_aws():
        client: Any = boto3.client("ec2", region_name="eu-west-1")
        subnet = client.describe_subnets()["Subnets"][0]["SubnetId"]
        group = client.create_security_group(GroupName="web", Description="x")["GroupId"]
        unused = client.create_security_group(GroupName="unused", Description="x")["GroupId"]
        made = client.create_network_interface(SubnetId=subnet, Groups=[group], Description="ELB classic")
        used_by = read_group_users(client, [group, unused])
        assert [(user.kind, user.name) for user in used_by[group].users] == [("load balancer", "classic")]
        assert used_by[unused] == GroupUsers()
        assert made["NetworkInterface"]["NetworkInterfaceId"]


def test_what_cannot_be_read_is_not_nothing() -> None:
    class Denied:
        def get_paginator(self, _: str) -> Any:
            raise ClientError(
                {"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, "DescribeNetworkInterfaces"
            )

    client: Any = Denied()
    assert users_of(client, "sg-1").unknown.startswith(
        "denied: the role or user may not call DescribeNetworkInterfaces"
    )
    with pytest.raises(ClientError):
        read_group_users(client, ["sg-1"])
