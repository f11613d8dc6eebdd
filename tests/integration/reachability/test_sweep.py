"""The sweep on answers that botocore's Stubber accepts: what the emulated EC2 lacks, and how many calls it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import pytest
from botocore.exceptions import ClientError

from identification.reachability.network import RegionNetwork
from identification.reachability.sweep import Swept, UserReader, with_reachability
from library.aws.ec2 import PrefixListReader
from library.issues.issue import IssueDetails
from library.issues.reachability import Reachability
from library.issues.reconcile import Detection
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exposure import Evaluator
from library.security_groups.group import parse_security_group
from library.security_groups.users import GroupUsers, User
from tests.bench.reachability import large_region
from tests.builders.networks import (
    ALB_ARN,
    NLB_ARN,
    acl,
    balancer,
    balancer_interface,
    interface,
    listener,
    route_table,
    subnet,
    target_group,
    vpc,
)
from tests.builders.rules import described_group
from tests.builders.stubbed_aws import Answer, StubbedAws

Raw = Mapping[str, Any]
ACCOUNT = "210987654321"
EC2_SWEEP = {
    "ec2.DescribeNetworkInterfaces": 1,
    "ec2.DescribeRouteTables": 1,
    "ec2.DescribeSubnets": 1,
    "ec2.DescribeVpcs": 1,
    "ec2.DescribeNetworkAcls": 1,
}


def region(**other: Answer) -> dict[str, Answer]:
    """What EC2 answers of a region with one public instance."""
    return {
        "ec2.DescribeNetworkInterfaces": [interface()],
        "ec2.DescribeSubnets": [subnet()],
        "ec2.DescribeVpcs": [vpc()],
        "ec2.DescribeRouteTables": [route_table()],
        "ec2.DescribeNetworkAcls": [acl()],
    } | {name.replace("_", "."): answer for name, answer in other.items()}


class Attached(NamedTuple):
    detections: list[Detection]
    notes: tuple[str, ...]


def sweep(
    aws: StubbedAws,
    *,
    groups: Sequence[str] = ("sg-1",),
    rule: str = "tcp/22 from 0.0.0.0/0",
    whole_region: bool = True,
    owner_keys: frozenset[str] | None = None,
) -> Attached:
    group = parse_security_group(described_group([rule], GroupId="sg-1"))
    found = Evaluator(PortSet.parse([22]), AddressSet()).evaluate(group, {})
    details = IssueDetails("web", "eu-west-1", "vpc-1", found.status, {}, found.exposures)
    attached = with_reachability(
        [Detection(ACCOUNT, group_id, details, whitelisted=False) for group_id in groups],
        dict.fromkeys(groups, found.open_traffic),
        aws,
        PrefixListReader(aws("ec2")),
        whole_region=whole_region,
        owner_keys=owner_keys,
    )
    return Attached(*attached)


def test_without_exposures_the_same_list_comes_back_and_nothing_is_called() -> None:
    def clients(service: str) -> Any:
        raise AssertionError(service)

    detections: list[Detection] = []
    lists = PrefixListReader(cast(Any, None))
    attached = with_reachability(detections, {}, clients, lists, whole_region=True)
    assert attached == ([], ())
    assert attached[0] is detections


def verdict(attached: Attached) -> Reachability:
    found = attached.detections[0].details.reachability
    assert found
    return found


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param({}, "internet", id="open"),
        pytest.param({"ec2_DescribeVpcs": [vpc(mode="block-ingress")]}, "blocked", id="Block Public Access of the VPC"),
        pytest.param(
            {"ec2_DescribeVpcs": [vpc(mode="block-bidirectional")], "ec2_DescribeSubnets": [subnet(mode="off")]},
            "internet",
            id="an excluded subnet",
        ),
        pytest.param(
            {
                "ec2_DescribeNetworkInterfaces": [
                    interface(public=""),
                    interface(
                        "eni-ga", groups=["sg-ga"], public="", instance="", InterfaceType="global_accelerator_managed"
                    ),
                ]
            },
            "unknown",
            id="an accelerator",
        ),
        pytest.param(
            {"ec2_DescribeRouteTables": [route_table(), route_table("rtb-9", [], main=False, gateways=["igw-1"])]},
            "unknown",
            id="a gateway with a route table of its own",
        ),
        pytest.param(
            {
                "ec2_DescribeRouteTables": [route_table(routes=["pl-1 igw-1"])],
                "ec2_DescribeManagedPrefixLists": [{"PrefixListId": "pl-1", "OwnerId": ACCOUNT}],
                "ec2_GetManagedPrefixListEntries": [{"Cidr": "0.0.0.0/0"}],
            },
            "internet",
            id="a route to a prefix list",
        ),
        pytest.param(
            {
                "ec2_DescribeRouteTables": [route_table(routes=["pl-1 igw-1"])],
                "ec2_DescribeManagedPrefixLists": [{"PrefixListId": "pl-1", "OwnerId": "AWS"}],
            },
            "blocked",
            id="a route to a list of AWS's own",
        ),
        pytest.param({"ec2_DescribeRouteTables": [route_table(routes=["pl-1 igw-1"])]}, "unknown", id="a list unread"),
    ],
)
def test_what_the_emulated_ec2_lacks(answers: dict[str, Answer], expected: str) -> None:
    assert verdict(sweep(StubbedAws(region(**answers)))).verdict == expected


def test_an_interface_that_denies_the_gateway_s_traffic() -> None:
    ipv6 = [interface(public="", ipv6=["2600:1f18::10"], DenyAllIgwTraffic=True)]
    aws = StubbedAws(region(ec2_DescribeNetworkInterfaces=ipv6))
    assert verdict(sweep(aws, rule="tcp/22 from ::/0")).verdict == "internal"


def test_a_large_region_costs_eleven_calls_and_one_for_names() -> None:
    aws = StubbedAws(large_region())
    groups = [f"sg-{number}" for number in range(250)]
    attached = sweep(aws, groups=groups, owner_keys=frozenset({"owner"}))
    assert aws.counted() == EC2_SWEEP | {
        "ec2.DescribeNetworkInterfaces": 5,
        "ec2.DescribeRouteTables": 3,
        "ec2.DescribeInstances": 1,
    }
    verdicts = [detection.details.reachability for detection in attached.detections]
    assert {str(found.verdict) for found in verdicts if found} == {"internal", "internet"}
    assert attached.notes == ()


def test_an_interface_that_moves_between_two_pages_makes_no_group_unused() -> None:
    """Another interface is gone before the second page is asked for: the last one of all is on neither."""
    others = [interface(f"eni-{number}", groups=["sg-other"]) for number in range(1000)]
    filters: list[tuple[str, ...]] = []

    def interfaces(asked: Mapping[str, str]) -> Sequence[Raw]:
        filters.append(tuple(value for name, value in asked.items() if name.startswith("Filter.")))
        if filters[-1]:
            return [interface("eni-last")]
        return [*(others[1:] if "NextToken" in asked else others), interface("eni-last")]

    aws = StubbedAws(region(ec2_DescribeNetworkInterfaces=interfaces))
    assert verdict(sweep(aws)).verdict == "internet"
    assert filters == [(), (), ("group-id", "sg-1")]


def asked_interfaces(listed: Sequence[Raw], asked: Mapping[str, str], lost: str) -> Sequence[Raw]:
    """What EC2 answers while others go: of a VPC's interfaces one moves up to a page that was read."""
    values = {value for name, value in asked.items() if name.startswith("Filter.1.Value")}
    kinds: Mapping[str, Callable[[Raw], bool]] = {
        "group-id": lambda raw: any(group["GroupId"] in values for group in raw["Groups"]),
        "interface-type": lambda raw: raw["InterfaceType"] in values,
        "vpc-id": lambda raw: raw["VpcId"] in values and raw["NetworkInterfaceId"] != lost,
    }
    is_answered = kinds.get(asked.get("Filter.1.Name", ""), lambda raw: raw["NetworkInterfaceId"] != lost)
    return list(filter(is_answered, listed))


def others_in_use(number: int = 1000) -> list[Raw]:
    return [interface(f"eni-other-{each}", groups=["sg-other"], public="", instance="") for each in range(number)]


@pytest.mark.parametrize(
    ("entrance", "expected"),
    [
        (balancer_interface("eni-entrance", arn=NLB_ARN, subnet="subnet-2", groups=["sg-lb"]), "internet"),
        (interface("eni-entrance", public="", instance="", InterfaceType="global_accelerator_managed"), "unknown"),
    ],
    ids=["network load balancer", "accelerator"],
)
def test_a_look_finds_what_leads_in_though_it_moves_between_two_pages(entrance: Raw, expected: str) -> None:
    listed = [interface(public=""), {**entrance, "Groups": []}, *others_in_use()]
    answers = behind_a_network_load_balancer(
        ec2_DescribeNetworkInterfaces=lambda asked: asked_interfaces(listed, asked, "eni-entrance")
    )
    assert verdict(sweep(StubbedAws(answers), whole_region=False)).verdict == expected


def test_a_detached_interface_hides_none_that_moves_between_two_pages() -> None:
    others = [interface(f"eni-{number}", groups=["sg-other"]) for number in range(999)]
    detached = interface("eni-spare", Attachment={"Status": "detached"})

    def interfaces(asked: Mapping[str, str]) -> Sequence[Raw]:
        if any(name.startswith("Filter.") for name in asked):
            return [detached, interface("eni-last")]
        return [detached, *(others[1:] if "NextToken" in asked else others), interface("eni-last")]

    assert verdict(sweep(StubbedAws(region(ec2_DescribeNetworkInterfaces=interfaces)))).verdict == "internet"


def test_a_group_that_an_interface_gets_between_two_calls_is_used() -> None:
    """The interface was on the first page already, with another group. It is asked for again, by the group."""
    others = [interface(f"eni-{number}", groups=["sg-other"]) for number in range(1000)]

    def interfaces(asked: Mapping[str, str]) -> Sequence[Raw]:
        if any(name.startswith("Filter.") for name in asked):
            return [interface("eni-late")]
        return [interface("eni-late", groups=["sg-other"]), *others]

    assert verdict(sweep(StubbedAws(region(ec2_DescribeNetworkInterfaces=interfaces)))).verdict == "internet"


def test_a_group_that_goes_from_one_interface_to_another_between_two_calls_is_used() -> None:
    """A later answer shows that the first interface has left it. The second one, known by then, came to it since."""
    others = [interface(f"eni-{number}", groups=["sg-other"]) for number in range(1000)]
    asked_for: list[str] = []

    def interfaces(asked: Mapping[str, str]) -> Sequence[Raw]:
        if "Filter.1.Name" not in asked:
            return [interface("eni-blue", groups=["sg-1"]), interface("eni-green", groups=["sg-other"]), *others]
        asked_for.append(asked["Filter.1.Value.1"])
        return [interface("eni-blue", groups=["sg-2"])] if asked_for[-1] == "sg-2" else [interface("eni-green")]

    attached = sweep(StubbedAws(region(ec2_DescribeNetworkInterfaces=interfaces)), groups=["sg-1", "sg-2"])
    verdicts = [detection.details.reachability for detection in attached.detections]
    assert [str(found.verdict) for found in verdicts if found] == ["internet", "internet"]
    assert asked_for == ["sg-2", "sg-1"]


@pytest.mark.parametrize(("is_told", "expected"), [(True, "internet"), (False, "unknown")])
def test_a_route_table_that_moves_between_two_pages_makes_no_way_closed(is_told: bool, expected: str) -> None:
    """Another table is gone before the second page is asked for. The main one, which leads nowhere, seems to count."""
    others = [route_table(f"rtb-{number}", vpc="vpc-2", main=False) for number in range(99)]
    main, own = (
        route_table("rtb-main", ["172.31.0.0/16 local"]),
        route_table("rtb-own", main=False, subnets=["subnet-1"]),
    )
    filters: list[tuple[str, ...]] = []

    def tables(asked: Mapping[str, str]) -> Sequence[Raw]:
        filters.append(tuple(value for name, value in asked.items() if name.startswith("Filter.")))
        if filters[-1] and not is_told:
            raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, "DescribeRouteTables")
        if filters[-1]:
            return [own]
        return [main, *(others[1:] if "NextToken" in asked else others), own, *others[:1]]

    assert verdict(sweep(StubbedAws(region(ec2_DescribeRouteTables=tables)))).verdict == expected
    assert filters == [(), (), ("association.subnet-id", "subnet-1")]


@pytest.mark.parametrize("routes", [["8.8.8.0/24 igw-1"], ["::/0 igw-1"]])
def test_a_main_route_table_that_leads_some_out_does_not_count_in_place_of_another(routes: list[str]) -> None:
    others = [route_table(f"rtb-{number}", vpc="vpc-2", main=False) for number in range(100)]

    def tables(asked: Mapping[str, str]) -> Sequence[Raw]:
        if any(name.startswith("Filter.") for name in asked):
            return [route_table("rtb-own", main=False, subnets=["subnet-1"])]
        return [route_table("rtb-main", routes), *others]

    found = verdict(sweep(StubbedAws(region(ec2_DescribeRouteTables=tables))))
    assert (found.verdict, found.sources) == ("internet", "all")


def test_of_route_tables_that_could_not_all_be_read_none_counts() -> None:
    """A gateway with a route table of its own may be on the page that failed."""
    others = [route_table(f"rtb-{number}", vpc="vpc-2", main=False) for number in range(300)]
    filters: list[str] = []

    def tables(asked: Mapping[str, str]) -> Sequence[Raw]:
        filters.append(asked.get("Filter.1.Name", ""))
        if asked.get("NextToken") == "200":
            raise ClientError({"Error": {"Code": "RequestLimitExceeded", "Message": "no"}}, "DescribeRouteTables")
        own = route_table("rtb-own", main=False, subnets=["subnet-1"])
        return [own] if filters[-1] else [route_table("rtb-main", ["172.31.0.0/16 local"]), own, *others]

    assert verdict(sweep(StubbedAws(region(ec2_DescribeRouteTables=tables)))).verdict == "unknown"
    assert filters == ["", "", ""]


def test_subnets_whose_main_route_table_leads_out_are_not_asked_about() -> None:
    others = [route_table(f"rtb-{number}", vpc="vpc-2", main=False) for number in range(100)]
    aws = StubbedAws(region(ec2_DescribeRouteTables=[route_table(), *others]))
    assert verdict(sweep(aws)).verdict == "internet"
    assert aws.counted() == EC2_SWEEP | {"ec2.DescribeRouteTables": 2}


def test_a_look_at_a_group_reads_its_vpcs_only() -> None:
    filters: list[tuple[str, ...]] = []

    def interfaces(asked: Mapping[str, str]) -> Sequence[Raw]:
        filters.append((asked["Filter.1.Name"], asked["Filter.1.Value.1"]))
        return [interface()]

    aws = StubbedAws(region(ec2_DescribeNetworkInterfaces=interfaces))
    assert verdict(sweep(aws, whole_region=False)).verdict == "internet"
    assert filters == [("group-id", "sg-1"), ("vpc-id", "vpc-1")]
    assert aws.counted() == EC2_SWEEP | {"ec2.DescribeNetworkInterfaces": 2}


def test_nothing_is_asked_without_exposures() -> None:
    aws = StubbedAws({})
    assert sweep(aws, groups=[]) == Attached([], ())
    assert aws.calls == []


def test_load_balancers_are_asked_about_only_where_one_matters() -> None:
    aws = StubbedAws(region())
    sweep(aws)
    assert aws.counted() == EC2_SWEEP


def described_balancer(arn: str, kind: str) -> Raw:
    return {"LoadBalancerArn": arn, "Type": kind, "Scheme": "internet-facing", "VpcId": "vpc-1"}


def test_the_listeners_of_a_load_balancer() -> None:
    aws = StubbedAws(
        region(
            ec2_DescribeNetworkInterfaces=[balancer_interface()],
            elbv2_DescribeLoadBalancers=[
                described_balancer(ALB_ARN, "application"),
                described_balancer("a/x/y", "network"),
            ],
            elbv2_DescribeListeners=[listener("HTTP", 22)],
        )
    )
    assert verdict(sweep(aws)).verdict == "internet"
    assert aws.counted() == EC2_SWEEP | {"elbv2.DescribeLoadBalancers": 1, "elbv2.DescribeListeners": 1}


def test_the_listeners_of_a_classic_load_balancer() -> None:
    described = {
        "LoadBalancerName": "old",
        "ListenerDescriptions": [
            {"Listener": {"Protocol": "TCP", "LoadBalancerPort": 80, "InstancePort": 22}, "PolicyNames": []}
        ],
    }
    aws = StubbedAws(
        region(ec2_DescribeNetworkInterfaces=[balancer_interface(arn="old")], elb_DescribeLoadBalancers=[described])
    )
    found = verdict(sweep(aws))
    assert [(path.verdict, path.blocked_by) for path in found.paths] == [("blocked", "ELB_LISTENERS_MISMATCH")]
    assert aws.counted() == EC2_SWEEP | {"elb.DescribeLoadBalancers": 1}


def behind_a_network_load_balancer(**other: Answer) -> dict[str, Answer]:
    """A private instance to which a network load balancer with groups of its own sends port 443."""
    return region(
        ec2_DescribeNetworkInterfaces=[
            interface(public=""),
            balancer_interface(arn=NLB_ARN, subnet="subnet-2", groups=["sg-lb"]),
        ],
        ec2_DescribeSubnets=[subnet(), subnet("subnet-2")],
        ec2_DescribeRouteTables=[
            route_table(routes=["0.0.0.0/0 nat-1"]),
            route_table("rtb-2", main=False, subnets=["subnet-2"]),
        ],
        ec2_DescribeNetworkAcls=[acl(), acl("acl-2", subnets=["subnet-2"])],
        ec2_DescribeSecurityGroups=[described_group(["tcp/443 from 0.0.0.0/0"], GroupId="sg-lb")],
        elbv2_DescribeLoadBalancers=[described_balancer(NLB_ARN, "network")],
        elbv2_DescribeListeners=[listener("TCP", 443, "tg-1")],
        elbv2_DescribeTargetGroups=[target_group(), target_group("tg-alb", kind="alb")],
        elbv2_DescribeTargetHealth=[{"Target": {"Id": "i-1", "Port": 22}}],
        elbv2_DescribeTargetGroupAttributes=[{"Key": "preserve_client_ip.enabled", "Value": "true"}],
    ) | {name.replace("_", "."): answer for name, answer in other.items()}


def test_a_private_target_of_a_network_load_balancer() -> None:
    aws = StubbedAws(behind_a_network_load_balancer())
    found = verdict(sweep(aws))
    (path,) = found.paths
    assert (path.interface, path.address, path.verdict) == ("eni-1", "54.9.9.9", "internet")
    assert path.through == ("igw-1", "rtb-2", "acl-2", "eni-lb", "acl-1", "eni-1")
    assert (
        path.text
        == "Anyone on the Internet can connect now to tcp/22 of instance i-1 at 54.9.9.9 over load balancer front."
    )
    assert aws.counted() == EC2_SWEEP | {
        "ec2.DescribeSecurityGroups": 1,
        "elbv2.DescribeLoadBalancers": 1,
        "elbv2.DescribeListeners": 1,
        "elbv2.DescribeTargetGroups": 1,
        "elbv2.DescribeTargetHealth": 1,
        "elbv2.DescribeTargetGroupAttributes": 1,
    }


def test_the_balancer_s_groups_may_be_in_the_way() -> None:
    groups = [described_group(["tcp/80 from 0.0.0.0/0"], GroupId="sg-lb")]
    found = verdict(sweep(StubbedAws(behind_a_network_load_balancer(ec2_DescribeSecurityGroups=groups))))
    (path,) = found.paths
    assert (path.verdict, path.blocked_by) == ("blocked", "SECURITY_GROUP_RESTRICTION")
    assert path.text == "54.9.9.9 is closed: sg-lb of load balancer front admits no tcp/443 from 1.0.0.0."
    assert path.through == ("igw-1", "rtb-2", "acl-2", "eni-lb", "sg-lb")


@pytest.mark.parametrize(
    "denied",
    ["DescribeLoadBalancers", "DescribeListeners", "DescribeTargetGroups", "DescribeTargetHealth",
     "DescribeTargetGroupAttributes"],
)  # fmt: skip
def test_a_denied_read_of_load_balancers_is_said_once(denied: str) -> None:
    answers = behind_a_network_load_balancer()
    del answers[f"elbv2.{denied}"]
    attached = sweep(StubbedAws(answers))
    found = verdict(attached)
    assert (found.verdict, found.severity) == ("unknown", "high")
    assert found.unread == (
        f"The load balancers of the region could not be read: {denied} was refused (AccessDenied).",
    )
    (note,) = attached.notes
    assert note.startswith("load balancers could not be read: denied: ")


@pytest.mark.parametrize(
    ("unread", "port", "expected"),
    [
        ("DescribeTargetHealth", 22, "internet"),
        ("DescribeTargetGroupAttributes", 22, "internet"),
        ("", 22, "internet"),
        ("DescribeTargetHealth", 80, "unknown"),
        ("DescribeTargetGroupAttributes", 80, "unknown"),
        ("", 80, "unknown"),
    ],
)
def test_one_target_group_that_could_not_be_read_hides_no_other(unread: str, port: int, expected: str) -> None:
    """No operation: another target group is not listed. The one that was read sends to this port of the instance."""

    def answer(operation: str, items: Sequence[Raw]) -> Answer:
        def answered(asked: Mapping[str, str]) -> Sequence[Raw]:
            if operation == unread and asked["TargetGroupArn"] == "tg-2":
                raise ClientError({"Error": {"Code": "TargetGroupNotFound", "Message": "gone"}}, operation)
            return items

        return answered

    answers = behind_a_network_load_balancer(
        elbv2_DescribeListeners=[listener("TCP", 443, "tg-1"), listener("TCP", 22, "tg-2")],
        elbv2_DescribeTargetGroups=[target_group(), *([target_group("tg-2")] if unread else [])],
        elbv2_DescribeTargetHealth=answer("DescribeTargetHealth", [{"Target": {"Id": "i-1", "Port": port}}]),
        elbv2_DescribeTargetGroupAttributes=answer(
            "DescribeTargetGroupAttributes", [{"Key": "preserve_client_ip.enabled", "Value": "true"}]
        ),
    )
    attached = sweep(StubbedAws(answers))
    assert verdict(attached).verdict == expected
    assert len(attached.notes) == 1


def test_a_target_group_that_a_listener_names_and_aws_does_not_list_yet_may_lead_anywhere() -> None:
    """The listener was moved to a new target group while the sweep read: the list of these is from before."""
    answers = behind_a_network_load_balancer(elbv2_DescribeListeners=[listener("TCP", 443, "tg-2")])
    attached = sweep(StubbedAws(answers))
    found = verdict(attached)
    assert (found.verdict, found.severity) == ("unknown", "high")
    assert found.unread == ("The load balancers of the region could not be read: an answer was not understood.",)
    (note,) = attached.notes
    assert note.endswith("a listener sends to tg-2, which is not listed")


def test_the_answer_of_a_refusal_has_no_id_of_a_request_in_it() -> None:
    answers = region()
    del answers["ec2.DescribeRouteTables"]
    assert verdict(sweep(StubbedAws(answers))) == verdict(sweep(StubbedAws(answers)))


def test_an_answer_that_is_not_understood_hides_nothing() -> None:
    odd = region(ec2_DescribeSubnets=[{"VpcId": "vpc-1"}])
    attached = sweep(StubbedAws(odd))
    assert verdict(attached).verdict == "unknown"
    assert attached.notes == ("network interfaces could not be read: 'SubnetId'",)


ODD: dict[str, Any] = {
    "PrivateIpAddresses": [{"PrivateIpAddress": "172.31.0.11"}],
    "Ipv6Addresses": [{"Ipv6Address": "no address"}],
}


def test_an_interface_that_is_not_understood_makes_the_groups_on_it_unknown_and_no_others() -> None:
    interfaces = [
        interface("eni-odd", groups=["sg-1"], public="", **ODD),
        interface("eni-2", groups=["sg-2"]),
        interface("eni-3", groups=["sg-3"], public=""),
        interface("eni-4", groups=["sg-4"]),
        interface("eni-odd-too", groups=["sg-4"], public="", **ODD),
    ]
    answers = region(ec2_DescribeNetworkInterfaces=interfaces, ec2_DescribeInstances=[{"Instances": []}])
    groups = ("sg-1", "sg-2", "sg-3", "sg-4")
    attached = sweep(StubbedAws(answers), groups=groups, owner_keys=frozenset())
    found = {each.group_id: each.details.reachability for each in attached.detections}
    assert {group_id: reached.verdict for group_id, reached in found.items() if reached} == {
        "sg-1": "unknown",
        "sg-2": "internet",
        "sg-3": "internal",
        "sg-4": "internet",
    }
    reason = "The network interface eni-odd of the region could not be read: an answer was not understood."
    assert verdict(attached).unread == (reason,)
    (path,) = verdict(attached).paths
    assert (path.interface, path.verdict, path.text) == ("eni-odd", "unknown", reason)
    assert [note.partition(":")[0] for note in attached.notes] == [
        "network interface eni-odd could not be read",
        "network interface eni-odd-too could not be read",
    ]
    used_by = {each.group_id: each.used_by for each in attached.detections}
    assert {group_id: bool(users and users.unknown) for group_id, users in used_by.items()} == {
        "sg-1": True,
        "sg-2": False,
        "sg-3": False,
        "sg-4": True,
    }


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(balancer_interface("eni-odd", NLB_ARN, **ODD), id="of a network load balancer"),
        pytest.param(interface("eni-odd", InterfaceType="global_accelerator_managed", **ODD), id="of an accelerator"),
        pytest.param(interface("eni-odd", Groups=[{}], **ODD), id="with groups that cannot be read"),
    ],
)
def test_an_interface_that_is_not_understood_and_may_lead_anywhere_makes_every_group_unknown(odd: Raw) -> None:
    answers = region(ec2_DescribeNetworkInterfaces=[odd, interface("eni-2", public="")])
    assert verdict(sweep(StubbedAws(answers))).verdict == "unknown"


OWNED = {"Key": "owner", "Value": "ana@example.com"}


def test_owners_come_from_what_an_interface_belongs_to() -> None:
    asg = {"Key": "aws:autoscaling:groupName", "Value": "workers"}
    instance = {"InstanceId": "i-1", "Tags": [{"Key": "Name", "Value": "web"}, asg, {"Key": "Secret", "Value": "x"}]}
    tag_of_group = {"ResourceId": "workers", "Key": "Owner", "Value": "bo", "PropagateAtLaunch": False}
    database = {
        "DBInstanceIdentifier": "orders",
        "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1", "Status": "active"}],
        "TagList": [{"Key": "owner", "Value": "dba"}],
        "InstanceCreateTime": datetime(2026, 11, 22, tzinfo=UTC),
    }
    aws = StubbedAws(
        region(
            ec2_DescribeNetworkInterfaces=[
                interface(TagSet=[{"Key": "owner", "Value": "eni"}]),
                balancer_interface(groups=["sg-1"]),
                interface(
                    "eni-db", instance="", public="", Description="RDSNetworkInterface", RequesterId="amazon-rds"
                ),
            ],
            ec2_DescribeInstances=[{"Instances": [instance]}],
            elbv2_DescribeLoadBalancers=[described_balancer(ALB_ARN, "application")],
            elbv2_DescribeListeners=[listener("HTTP", 22)],
            elbv2_DescribeTags=[{"ResourceArn": ALB_ARN, "Tags": [OWNED]}],
            autoscaling_DescribeTags=[tag_of_group],
            rds_DescribeDBInstances=[database],
        )
    )
    attached = sweep(aws, owner_keys=frozenset({"owner"}))
    assert attached.notes == ()
    assert attached.detections[0].used_by == GroupUsers(
        users=(
            User("database", "orders"),
            User("instance", "i-1 (web)", ("54.1.1.1",)),
            User("load balancer", "web", ("54.9.9.9",)),
        ),
        tags=({"Owner": "bo"}, {"owner": "eni"}, {"owner": "ana@example.com"}, {"owner": "dba"}),
    )


def test_owners_of_every_group_are_read_however_many_instances_a_region_has() -> None:
    """110 groups with 20 instances each, those of each group in a scaling group of their own."""
    using: dict[str, list[str]] = {
        f"sg-{number:03}": [f"i-{number:03}{each:02}" for each in range(20)] for number in range(110)
    }

    def reservations(asked: Mapping[str, str]) -> list[Raw]:
        ids = [value for name, value in asked.items() if name.startswith("InstanceId.")]
        assert 0 < len(ids) <= 1000
        scaling = "aws:autoscaling:groupName"
        return [{"Instances": [{"InstanceId": each, "Tags": [{"Key": scaling, "Value": each[2:5]}]}]} for each in ids]

    def tags(asked: Mapping[str, str]) -> list[Raw]:
        names = [value for name, value in asked.items() if name.startswith("Filters.member.1.Values.member.")]
        assert 0 < len(names) <= 100
        return [{"ResourceId": name, "Key": "owner", "Value": f"team {name}"} for name in names]

    aws = StubbedAws({"ec2.DescribeInstances": reservations, "autoscaling.DescribeTags": tags})
    users: list[Raw] = [
        interface(f"eni-{instance}", instance=instance, groups=[group_id])
        for group_id, instances in using.items()
        for instance in instances
    ]
    reader = UserReader(aws, frozenset({"owner"}))
    found = reader.read(Swept(RegionNetwork(interfaces=()), users), using.keys())
    assert {group_id: found[group_id].tags[0] for group_id in using} == {
        group_id: {"owner": f"team {group_id[3:]}"} for group_id in using
    }
    assert aws.counted() == {"ec2.DescribeInstances": 3, "autoscaling.DescribeTags": 2}


@pytest.mark.parametrize("operation", ["DescribeNetworkInterfaces", "DescribeInstances", "DescribeRouteTables", None])
@pytest.mark.parametrize("code", ["RequestLimitExceeded", "UnauthorizedOperation"])
def test_users_that_throttling_hides_may_be_read_another_time(operation: str | None, code: str) -> None:
    def refuse(_: Mapping[str, str]) -> Sequence[Raw]:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, str(operation))

    answers: dict[str, Answer] = region() | {"ec2.DescribeInstances": []}
    found = sweep(StubbedAws({**answers, f"ec2.{operation}": refuse}), owner_keys=frozenset({"owner"}))
    tells_users = operation in ("DescribeNetworkInterfaces", "DescribeInstances")
    expected = tells_users and code == "RequestLimitExceeded"
    assert [detection.users_throttled for detection in found.detections] == [expected]


def test_tags_that_could_not_be_read_hide_no_user() -> None:
    described = {"LoadBalancerName": "old", "ListenerDescriptions": []}
    aws = StubbedAws(
        region(
            ec2_DescribeNetworkInterfaces=[
                balancer_interface(arn="old"),
                interface(
                    "eni-db", instance="", public="", Description="RDSNetworkInterface", RequesterId="amazon-rds"
                ),
                interface(),
            ],
            elb_DescribeLoadBalancers=[described],
            ec2_DescribeInstances=[
                {"Instances": [{"InstanceId": "i-1", "Tags": [{"Key": "aws:autoscaling:groupName", "Value": "w"}]}]}
            ],
        )
    )
    attached = sweep(aws, owner_keys=frozenset({"owner"}))
    assert attached.detections[0].used_by == GroupUsers(
        users=(
            User("database", "eni-db"),
            User("instance", "i-1", ("54.1.1.1",)),
            User("load balancer", "old", ("54.9.9.9",)),
        )
    )
    assert [note.partition(":")[0] for note in attached.notes] == [
        "tags of auto scaling groups could not be read",
        "tags of load balancers could not be read",
        "databases could not be read",
    ]


def without(raw: Raw, *keys: str) -> Raw:
    return {key: value for key, value in raw.items() if key not in keys}


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param({"elbv2_DescribeListeners": [without(listener("TCP", 22, "tg-1"), "Port")]}, id="a listener"),
        pytest.param({"elbv2_DescribeLoadBalancers": [without(balancer(NLB_ARN), "LoadBalancerArn")]}, id="a balancer"),
        pytest.param({"elbv2_DescribeTargetGroups": [without(target_group(), "TargetGroupArn")]}, id="a target group"),
        pytest.param({"elbv2_DescribeTargetHealth": [{"TargetHealth": {"State": "healthy"}}]}, id="a target"),
    ],
)
def test_an_answer_of_elb_that_is_not_understood_stops_no_scan(answers: Mapping[str, Answer]) -> None:
    """What it may lead to is not known; everything else is judged as ever."""
    known: dict[str, Answer] = {
        "ec2_DescribeNetworkInterfaces": [interface(public=""), balancer_interface(arn=NLB_ARN)],
        "elbv2_DescribeLoadBalancers": [balancer(NLB_ARN)],
        "elbv2_DescribeListeners": [listener("TCP", 22, "tg-1")],
        "elbv2_DescribeTargetGroups": [target_group()],
        "elbv2_DescribeTargetHealth": [{"Target": {"Id": "i-1", "Port": 22}}],
        "elbv2_DescribeTargetGroupAttributes": [],
    }
    assert verdict(sweep(StubbedAws(region(**known)))).verdict == "internet"
    found = sweep(StubbedAws(region(**(known | dict(answers)))))
    assert verdict(found).verdict == "unknown"
    assert any("load balancers" in sentence for sentence in verdict(found).unread)
    assert found.notes
