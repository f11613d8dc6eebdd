"""What reporting finds out by itself: owners from the instances that use a group."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from tests.worlds.reporting_world import REGION, World, reporting_world


@pytest.fixture
def world() -> Iterator[World]:
    with reporting_world() as made:
        yield made


def used_group(world: World, *owners: str) -> str:
    """A group that instances with these owners use, found exposed."""
    ec2 = boto3.client("ec2", region_name=REGION)
    group_id: str = ec2.create_security_group(GroupName="web", Description="for a test")["GroupId"]
    image = ec2.register_image(Name="any", RootDeviceName="/dev/sda1")["ImageId"]
    for owner in owners:
        ec2.run_instances(
            ImageId=image,
            MinCount=1,
            MaxCount=1,
            SecurityGroupIds=[group_id],
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "owner", "Value": owner}]}],
        )
    world.found(group_id)
    return group_id


def test_the_most_frequent_owner_of_the_instances_that_use_the_group_is_assigned(world: World) -> None:
    used_group(world, "sec@example.com", "ana@example.com", "ana@example.com")
    world.ticket_owners["jira_owner"] = "sec@example.com"
    assert world.report().problems == []
    (ticket,) = world.jira.tickets.values()
    assert ticket.fields["assignee"] == {"accountId": world.jira.users[0].user_id}
