"""Issues that other tooling wrote, with nothing but what the contract names, and tables that it made."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from library.aws.conditional_writes import TABLE_DEFINITION
from tests.worlds.identification_world import IRELAND, SLAVE, TABLE, VIRGINIA, World

EARLIER = "2026-11-01T00:00:00+00:00"
PERM = {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "0.0.0.0/0", "status": "open_completely"}
TIMES = ("identified", "updated", "reported", "remediated", "resolved", "closed")


def seed(world: World, group_id: str, *, status: str = "open", region: str = IRELAND, **details: Any) -> None:
    item = {
        "account_id": SLAVE,
        "issue_id": group_id,
        "status": status,
        "issue_details": {
            "name": "web",
            "region": region,
            "vpc_id": "vpc-1",
            "status": "open_completely",
            "tags": {},
            "perms": [PERM],
            **details,
        },
        "timestamps": dict.fromkeys(TIMES) | {"identified": EARLIER, "updated": EARLIER},
        "jira_details": {"ticket": "SEC-1"},
    }
    serialize = TypeSerializer().serialize
    world.dynamodb.put_item(TableName=TABLE, Item={name: serialize(value) for name, value in item.items()})


@pytest.fixture(params=["with its indexes", "without any index"])
def any_table(request: pytest.FixtureRequest, world: World) -> World:
    if request.param == "without any index":
        world.dynamodb.delete_table(TableName=TABLE)
        keys = TABLE_DEFINITION["KeySchema"]
        names = [key["AttributeName"] for key in keys]
        world.dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=keys,
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        )
    return world


@pytest.mark.parametrize("status", ["open", "whitelisted"])
def test_a_group_that_is_gone_resolves_its_issue(any_table: World, status: str) -> None:
    seed(any_table, "sg-0aaaaaaaaaaaaaaaa", status=status)
    any_table.describe()
    item = any_table.items()["sg-0aaaaaaaaaaaaaaaa"]
    assert (item["status"], item["jira_details"]) == ("resolved", {"ticket": "SEC-1"})


# What the Dow Jones Hammer wrote for an empty text, which DynamoDB did not take then.
NULLS = {"value of a tag": {"tags": {"Name": "web", "owner": None}}, "VPC": {"vpc_id": None}}


@pytest.mark.parametrize("details", NULLS.values(), ids=NULLS)
def test_null_in_place_of_an_empty_text_is_one(any_table: World, details: dict[str, Any]) -> None:
    seed(any_table, "sg-0aaaaaaaaaaaaaaaa", **details)
    seed(any_table, "sg-0bbbbbbbbbbbbbbbb", status="resolved", **details)
    any_table.describe()
    assert {item["status"] for item in any_table.items().values()} == {"resolved"}
    unreadable: list[Exception] = []
    read = any_table.issue_table().not_closed(SLAVE, unreadable.append)
    assert (len(list(read)), unreadable) == (2, [])


def test_another_regions_issue_stays(any_table: World) -> None:
    seed(any_table, "sg-0aaaaaaaaaaaaaaaa", region=VIRGINIA)
    any_table.describe()
    assert any_table.items()["sg-0aaaaaaaaaaaaaaaa"]["status"] == "open"


def test_the_life_of_an_issue(any_table: World) -> None:
    group_id = any_table.group("tcp/22 from 0.0.0.0/0")
    any_table.describe()
    assert any_table.items()[group_id]["status"] == "open"
    assert any_table.describe() == {"changes": 0}
    any_table.revoke(group_id, "tcp/22 from 0.0.0.0/0")
    any_table.describe()
    assert any_table.items()[group_id]["status"] == "resolved"


def test_one_that_says_what_is_found_stays_as_it_is_and_is_known_from_then_on(world: World) -> None:
    world.describe()
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    vpc_id = world.ec2().describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]["VpcId"]
    seed(world, group_id, vpc_id=vpc_id)
    world.describe()
    item = world.items()[group_id]
    assert (item["status"], item["timestamps"]["updated"], item["open_region"]) == ("open", EARLIER, IRELAND)
    world.revoke(group_id, "tcp/22 from 0.0.0.0/0")
    world.describe()
    assert world.items()[group_id]["status"] == "resolved"


def test_an_account_is_searched_for_them_once_a_day(world: World) -> None:
    world.describe()
    for number in range(5):
        seed(world, f"sg-{number:017}", region=VIRGINIA)
    world.aws.forget()
    world.describe()
    assert world.items_read() == 0


def test_one_that_was_written_after_the_first_scan_is_resolved_a_day_later(world: World) -> None:
    world.describe()
    seed(world, "sg-0aaaaaaaaaaaaaaaa")
    world.later(days=1)
    world.describe()
    assert world.items()["sg-0aaaaaaaaaaaaaaaa"]["status"] == "resolved"


def test_one_that_cannot_be_read_stops_nothing(world: World) -> None:
    seed(world, "sg-0aaaaaaaaaaaaaaaa", perms="none")
    seed(world, "sg-0bbbbbbbbbbbbbbbb")
    world.describe()
    statuses = {group_id: item["status"] for group_id, item in world.items().items()}
    assert statuses == {"sg-0aaaaaaaaaaaaaaaa": "open", "sg-0bbbbbbbbbbbbbbbb": "resolved"}


def test_what_happens_within_a_second_is_told_apart(world: World) -> None:
    group_id = world.group("tcp/22 from 0.0.0.0/0")
    identified = []
    for _ in range(2):
        world.later(milliseconds=40)
        world.describe()
        identified.append(world.items()[group_id]["timestamps"]["identified"])
        world.revoke(group_id, "tcp/22 from 0.0.0.0/0")
        world.later(milliseconds=40)
        world.describe()
        world.allow(group_id, "tcp/22 from 0.0.0.0/0")
    assert identified[0] < identified[1]
