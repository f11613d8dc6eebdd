"""One look at a region: prefix lists are read once, calls are few, groups are let go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest
from botocore.exceptions import ClientError

from identification.scan import RegionScan, scan_region
from library.aws.ec2 import PrefixListReader, enabled_regions, region_is_enabled, security_group_pages
from library.aws.session import Sessions
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exposure import Evaluator
from tests.builders.stubbed_aws import StubbedAws
from tests.worlds.emulated_aws import Call, EmulatedAws, Rejection
from tests.worlds.identification_world import IRELAND, MAIN, VIRGINIA, World

TODAY = date(2026, 11, 22)
EVALUATOR = Evaluator(PortSet.parse([22, 3389]), AddressSet())


def scanned(group_ids: list[str] | None = None) -> RegionScan:
    return scan_region(Sessions(MAIN, IRELAND, "role"), MAIN, IRELAND, EVALUATOR, (), TODAY, group_ids or [])


@pytest.fixture
def here(world: World) -> Any:
    """A client for the main account."""
    return world.ec2(MAIN)


def prefix_list(here: Any, name: str, *cidrs: str, family: str = "IPv4") -> str:
    made = here.create_managed_prefix_list(
        PrefixListName=name, MaxEntries=20, AddressFamily=family, Entries=[{"Cidr": cidr} for cidr in cidrs]
    )
    return str(made["PrefixList"]["PrefixListId"])


def test_each_prefix_list_is_read_once(world: World, here: Any) -> None:
    ids = [prefix_list(here, "a", "8.8.8.0/24"), prefix_list(here, "b", "2a00::/16", family="IPv6")]
    for number in range(4):
        world.group(f"tcp/22 from {ids[0]}, {ids[1]}", f"tcp/3389 from {ids[0]}", name=f"g{number}", account_id=MAIN)
    world.aws.forget()
    scan = scanned()
    assert [len(detection.details.perms) for detection in scan.detections] == [3, 3, 3, 3]
    assert sorted(world.aws.operations("ec2")) == [
        "DescribeManagedPrefixLists",
        "DescribeNetworkInterfaces",
        "DescribeSecurityGroups",
        "GetManagedPrefixListEntries",
        "GetManagedPrefixListEntries",
    ]


def test_prefix_lists_on_other_ports_and_those_of_aws_cost_nothing_more(world: World, here: Any) -> None:
    ours = prefix_list(here, "a", "0.0.0.0/0")
    owned = [found for found in here.describe_managed_prefix_lists()["PrefixLists"] if found["OwnerId"] == "AWS"]
    world.group(f"tcp/443 from {ours}", f"icmp/-1 from {ours}", account_id=MAIN)
    world.aws.forget()
    scanned()
    assert world.aws.operations("ec2") == ["DescribeSecurityGroups"]
    world.group(f"tcp/22 from {owned[0]['PrefixListId']}", name="aws", account_id=MAIN)
    world.aws.forget()
    assert scanned().detections == []
    assert world.aws.operations("ec2") == ["DescribeSecurityGroups", "DescribeManagedPrefixLists"]


@pytest.mark.parametrize("code", ["InvalidPrefixListID.NotFound", "InvalidPrefixListId.NotFound"])
def test_a_list_that_is_deleted_meanwhile_hides_no_other_group(world: World, here: Any, code: str) -> None:
    gone, there = prefix_list(here, "gone", "8.8.8.0/24"), prefix_list(here, "there", "8.8.4.0/24")
    odd = world.group(f"tcp/22 from {gone}", name="odd", account_id=MAIN)
    exposed = world.group(f"tcp/22 from {there}", name="exposed", account_id=MAIN)
    world.aws.hooks.append(
        lambda call: (
            Rejection(code, 400)
            if call.operation == "GetManagedPrefixListEntries" and call.parameters["PrefixListId"] == gone
            else None
        )
    )
    scan = scanned()
    assert [detection.group_id for detection in scan.detections] == [exposed]
    assert scan.unreadable == {odd: (f"prefix list {gone} could not be read",)}
    assert not scan.tells_about(odd)


def test_a_list_that_is_missing_is_asked_for_once_and_takes_no_other_with_it(world: World, here: Any) -> None:
    there = prefix_list(here, "a", "8.8.8.0/24")
    reader = PrefixListReader(here)
    world.aws.forget()
    for _ in range(2):
        reader.read([there, "pl-00000000"])
    assert {name: [str(entry) for entry in entries] for name, entries in reader.entries.items()} == {
        there: ["8.8.8.0/24"]
    }
    assert world.aws.operations() == ["DescribeManagedPrefixLists", "GetManagedPrefixListEntries"]


def test_the_pages_of_a_long_list_are_of_one_version() -> None:
    """Version 2 moves the Internet's entry from the second page to the first, after the first page was read."""
    few = [{"Cidr": f"8.8.{number}.0/24"} for number in range(100)]
    versions = {"1": [*few, {"Cidr": "0.0.0.0/0"}], "2": [{"Cidr": "0.0.0.0/0"}, *few]}

    def entries(asked: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
        now = "2" if "NextToken" in asked else "1"
        return versions[str(asked.get("TargetVersion", now))]

    listed = {"PrefixListId": "pl-1", "OwnerId": MAIN, "MaxEntries": 1000, "Version": 1}
    aws = StubbedAws({"ec2.DescribeManagedPrefixLists": [listed], "ec2.GetManagedPrefixListEntries": entries})
    reader = PrefixListReader(aws("ec2"))
    reader.read(["pl-1"])
    assert [str(entry) for entry in reader.entries["pl-1"]] == [entry["Cidr"] for entry in versions["1"]]
    assert aws.calls == ["ec2.DescribeManagedPrefixLists", *["ec2.GetManagedPrefixListEntries"] * 2]


def test_a_long_list_whose_version_is_refused_is_read_as_it_is() -> None:
    def entries(asked: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
        if "TargetVersion" in asked:
            raise ClientError(
                {"Error": {"Code": "InvalidParameterValue", "Message": "no"}}, "GetManagedPrefixListEntries"
            )
        return [{"Cidr": "8.8.8.0/24"}]

    listed = {"PrefixListId": "pl-1", "OwnerId": MAIN, "MaxEntries": 1000, "Version": 2}
    aws = StubbedAws({"ec2.DescribeManagedPrefixLists": [listed], "ec2.GetManagedPrefixListEntries": entries})
    reader = PrefixListReader(aws("ec2"))
    reader.read(["pl-1"])
    assert [str(entry) for entry in reader.entries["pl-1"]] == ["8.8.8.0/24"]


def test_a_long_list_of_which_a_read_is_throttled_is_not_read_in_two_versions() -> None:
    def entries(asked: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
        if "NextToken" in asked:
            raise ClientError(
                {"Error": {"Code": "RequestLimitExceeded", "Message": "no"}}, "GetManagedPrefixListEntries"
            )
        return [{"Cidr": f"8.8.{number}.0/24"} for number in range(101)]

    listed = {"PrefixListId": "pl-1", "OwnerId": MAIN, "MaxEntries": 1000, "Version": 2}
    aws = StubbedAws({"ec2.DescribeManagedPrefixLists": [listed], "ec2.GetManagedPrefixListEntries": entries})
    with pytest.raises(ClientError):
        PrefixListReader(aws("ec2")).read(["pl-1"])
    assert aws.counted()["ec2.GetManagedPrefixListEntries"] == 2


def test_only_the_groups_asked_for(world: World) -> None:
    a, b = (world.group("tcp/22 from 0.0.0.0/0", name=name, account_id=MAIN) for name in "ab")
    scan = scanned([b, "sg-00000000"])
    assert ([detection.group_id for detection in scan.detections], scan.groups) == ([b], 1)
    assert {detection.group_id for detection in scanned().detections} == {a, b}


def test_a_group_that_is_on_two_pages_is_one_issue(world: World) -> None:
    """A new group came before it while the pages were read, so it moved from the end of one to the next."""
    exposed = [world.group("tcp/22 from 0.0.0.0/0", name=f"g{number}", account_id=MAIN) for number in range(3)]
    total = scanned().groups

    def all_groups_again(call: Call, text: str) -> str:
        more = "" if "NextToken" in call.parameters else "</securityGroupInfo><nextToken>2</nextToken>"
        return text.replace("</securityGroupInfo>", more) if more else text

    world.aws.rewrites.append(all_groups_again)
    scan = scanned()
    assert sorted(detection.group_id for detection in scan.detections) == sorted(exposed)
    assert (scan.pages, scan.groups) == (2, total)


def test_a_page_is_read_when_the_last_one_was_judged(world: World, here: Any) -> None:
    pages = security_group_pages(here)
    world.aws.forget()
    assert world.aws.operations() == []
    next(pages)
    assert world.aws.operations() == ["DescribeSecurityGroups"]


def test_regions(aws: EmulatedAws, world: World, here: Any) -> None:
    assert {IRELAND, VIRGINIA} <= set(enabled_regions(here))
    assert enabled_regions(here) == sorted(enabled_regions(here))
    assert region_is_enabled(here, VIRGINIA)
    aws.rewrites.append(lambda _, text: text.replace("opt-in-not-required", "not-opted-in"))
    assert not region_is_enabled(here, VIRGINIA)


@pytest.mark.parametrize(
    ("unreadable", "without_id", "problem"),
    [
        pytest.param({}, [], "", id="none"),
        pytest.param({"sg-1": ("a", "b"), "sg-2": ("c",)}, [], "sg-1: a, b; sg-2: c", id="two groups"),
        pytest.param({"sg-1": ("a",)}, ["no id"], "no id; sg-1: a", id="one without an id"),
        pytest.param(
            {f"sg-{n}": ("a",) for n in range(23)},
            [],
            "; ".join([*(f"sg-{n}: a" for n in range(20)), "and 3 more"]),
            id="many",
        ),
    ],
)
def test_what_was_not_understood(unreadable: dict[str, tuple[str, ...]], without_id: list[str], problem: str) -> None:
    scan = RegionScan(unreadable=unreadable, without_id=without_id)
    assert scan.problem == problem
    assert scan.tells_about("sg-99") == (not without_id)
    assert not unreadable or not scan.tells_about("sg-1")


def test_of_what_of_the_network_was_not_read_the_first_is_named() -> None:
    """Each interface that is not understood has a line of its own, and the coverage's item room for 400 KB."""
    notes = tuple(f"network interface eni-{n} could not be read: KeyError" for n in range(23))
    assert RegionScan().note == ""
    assert RegionScan(notes=notes).note == "; ".join(
        [f"who can connect is not known: {notes[0]}", *notes[1:20], "and 3 more"]
    )
