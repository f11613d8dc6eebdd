"""Who can really connect, end to end on the emulated EC2: what it has of a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.worlds.emulated_aws import Rejection
from tests.worlds.identification_world import IRELAND, SLAVE, World, target
from tests.worlds.network_world import ANYONE, Network

SWEEP = ["DescribeNetworkInterfaces", "DescribeRouteTables", "DescribeSubnets", "DescribeVpcs", "DescribeNetworkAcls"]
Change = Callable[[Network], None]


@pytest.fixture
def network(world: World) -> Network:
    made = Network(world)
    world.aws.forget()
    return made


def test_a_public_instance_is_reachable_from_everywhere(network: Network) -> None:
    interface = network.run()
    found = network.reachability()
    assert (found["verdict"], found["sources"], found["severity"]) == ("internet", "all", "critical")
    (path,) = found["paths"]
    ids = network.ids
    assert path["through"] == [ids["igw"], ids["table"], ids["acl"], interface]
    assert (path["interface"], path["resource"]) == (interface, f"instance {ids['instance']}")
    assert (path["verdict"], path["blocked_by"]) == ("internet", "")
    machine = f"instance {ids['instance']} at {path['address']}"
    assert path["text"] == f"Anyone on the Internet can connect now to tcp/22 of {machine}."
    assert found["paths_total"] == 1
    assert found["unread"] == []


def no_route(network: Network) -> None:
    network.ec2.delete_route(RouteTableId=network.ids["table"], DestinationCidrBlock="0.0.0.0/0")


def denied_by_acl(network: Network) -> None:
    network.ec2.create_network_acl_entry(
        NetworkAclId=network.ids["acl"],
        RuleNumber=50,
        Protocol="6",
        RuleAction="deny",
        Egress=False,
        CidrBlock="0.0.0.0/0",
        PortRange={"From": 22, "To": 22},
    )


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        pytest.param(
            no_route,
            "NO_ROUTE_TO_DESTINATION",
            "{address} is closed: route table {table} of {subnet} has no active route to an internet gateway.",
            id="no route",
        ),
        pytest.param(
            denied_by_acl,
            "SUBNET_ACL_RESTRICTION",
            "{address} is closed: {acl} rule 50 denies tcp/22 from 1.0.0.0.",
            id="network ACL",
        ),
    ],
)
def test_what_is_in_the_way_is_named(network: Network, change: Change, code: str, text: str) -> None:
    network.run()
    change(network)
    found = network.reachability()
    assert (found["verdict"], found["sources"], found["severity"]) == ("blocked", None, "medium")
    (path,) = found["paths"]
    assert path["blocked_by"] == code
    assert path["text"] == text.format(address=path["address"], **network.ids)


def test_an_instance_without_a_public_address_is_internal(network: Network) -> None:
    network.run(public=False)
    found = network.reachability()
    assert (found["verdict"], found["severity"]) == ("internal", "medium")
    assert [(path["address"], path["verdict"]) for path in found["paths"]] == [("", "internal")]


def test_an_unused_group_needs_the_interfaces_only(network: Network) -> None:
    found = network.reachability()
    assert (found["verdict"], found["severity"], found["paths"]) == ("unused", "low", [])
    assert network.world.aws.operations("ec2") == ["DescribeSecurityGroups", "DescribeNetworkInterfaces"]


def test_one_sweep_answers_for_every_group_and_nothing_is_asked_without_exposures(network: Network) -> None:
    network.run()
    for number in range(5):
        network.world.group(ANYONE, name=f"g{number}")
    network.world.describe()
    asked = Counter(network.world.aws.operations("ec2"))
    assert {operation: asked[operation] for operation in SWEEP} == dict.fromkeys(SWEEP, 1)
    network.world.aws.forget()
    network.world.describe(target(region="us-east-1"))
    assert network.world.aws.operations("ec2") == ["DescribeSecurityGroups"]


def test_a_look_at_a_group_comes_to_the_same_as_a_look_at_the_region(network: Network) -> None:
    network.run()
    network.world.group(ANYONE, name="other")
    whole = network.reachability()
    network.world.dynamodb.delete_item(
        TableName="hammer-security-groups-unrestricted",
        Key={"account_id": {"S": SLAVE}, "issue_id": {"S": network.ids["group"]}},
    )
    network.world.aws.forget()
    network.world.describe(target(group_ids=[network.ids["group"]]))
    assert network.world.items()[network.ids["group"]]["issue_details"]["reachability"] == whole
    asked = [call for call in network.world.aws.calls if call.operation in SWEEP]
    assert all("Filter.1.Name" in call.parameters for call in asked)


def test_nothing_is_written_again_where_nothing_changed(network: Network) -> None:
    network.run()
    network.world.describe()
    network.world.aws.forget()
    assert network.world.describe() == {"changes": 0}
    assert network.world.written_issues() == []


def test_a_change_of_the_network_alone_updates_the_issue(network: Network) -> None:
    network.run()
    assert network.reachability()["verdict"] == "internet"
    no_route(network)
    later = network.world.later().isoformat()
    assert network.world.describe() == {"changes": 1}
    item = network.world.items()[network.ids["group"]]
    assert item["issue_details"]["reachability"]["verdict"] == "blocked"
    assert item["timestamps"]["updated"] == later
    assert item["occurrence"] == 1


@pytest.mark.parametrize(
    ("operation", "unread"),
    [
        ("DescribeRouteTables", "route tables"),
        ("DescribeSubnets", "subnets"),
        ("DescribeNetworkAcls", "network ACLs"),
        ("DescribeVpcs", "VPCs"),
        ("DescribeNetworkInterfaces", "network interfaces"),
    ],
)
def test_a_read_that_is_denied_leaves_unknown_what_depends_on_it(network: Network, operation: str, unread: str) -> None:
    network.run()
    network.world.group(ANYONE, name="unused")
    network.world.aws.refuse(operation, Rejection("UnauthorizedOperation", 403))
    found = network.reachability()
    assert (found["verdict"], found["severity"]) == ("unknown", "high")
    assert found["unread"] == [
        f"The {unread} of the region could not be read: {operation} was refused (UnauthorizedOperation)."
    ]
    # Of the others, nothing is unknown that does not depend on it, and the coverage says so once.
    others = [
        item["issue_details"]["reachability"]["verdict"]
        for group_id, item in network.world.items().items()
        if group_id != network.ids["group"]
    ]
    assert others == (["unknown"] if operation == "DescribeNetworkInterfaces" else ["unused"])
    seen = network.world.coverage()
    assert (str(seen.outcome), seen.groups > 0) == ("complete", True)
    assert seen.reason.startswith(f"who can connect is not known: {unread} could not be read: denied: ")
    assert seen.reason.count(operation) == 2  # in Hammer's words and in AWS's


def test_what_uses_a_group_is_stored(network: Network) -> None:
    network.run(tags={"Name": "web", "owner": "ana@example.com", "CostCenter": "7"})
    network.ec2.create_network_interface(SubnetId=network.ids["subnet"], Groups=[network.ids["group"]], Description="x")
    network.world.describe()
    used = network.world.items()[network.ids["group"]]["used_by"]
    names = [user["name"] for user in used["users"]]
    assert names[0] == f"{network.ids['instance']} (web)"
    assert names[1].endswith(" (x)")
    assert used["tags"] == [{"owner": "ana@example.com"}]
    assert (used["more"], used["unknown"]) == (0, "")


def test_another_user_alone_is_stored_and_is_no_change_of_the_issue(network: Network) -> None:
    network.world.describe()
    network.world.later()
    network.ec2.create_network_interface(SubnetId=network.ids["subnet"], Groups=[network.ids["group"]])
    assert network.world.describe() == {"changes": 1}
    item = network.world.items()[network.ids["group"]]
    assert len(item["used_by"]["users"]) == 1
    assert item["timestamps"]["updated"] == "2026-11-22T03:00:00+00:00"


def test_names_that_could_not_be_read_hide_nothing(network: Network) -> None:
    network.run()
    network.world.aws.refuse("DescribeInstances", Rejection("UnauthorizedOperation", 403))
    assert network.reachability()["verdict"] == "internet"
    used = network.world.items()[network.ids["group"]]["used_by"]
    assert [user["name"] for user in used["users"]] == [network.ids["instance"]]
    assert "instances could not be read" in network.world.coverage().reason


def test_an_instance_that_is_gone_meanwhile_hides_no_other(network: Network) -> None:
    network.run()
    network.world.aws.refuse("DescribeInstances", Rejection("InvalidInstanceID.NotFound"), times=1)
    network.world.describe()
    used = network.world.items()[network.ids["group"]]["used_by"]
    assert [user["name"] for user in used["users"]] == [f"{network.ids['instance']} (web)"]


def test_the_region_of_the_look_is_asked(network: Network) -> None:
    network.run()
    network.world.describe()
    assert {call.region for call in network.world.aws.calls if call.operation in SWEEP} == {IRELAND}
