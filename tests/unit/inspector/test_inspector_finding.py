"""Reading findings: both services' samples, and everything that can be wrong with one."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from identification.errors import MalformedEventError
from identification.inspector.events import ClassicNotification, Ignored, read_message, read_record, records
from identification.inspector.finding import Finding, FindingStatus, parse_classic, parse_classic_ports, parse_v2
from library.network.ports import PortSet
from tests.builders.inspector_samples import (
    ACCOUNT,
    V2_GROUP,
    V2_INSTANCE,
    classic_aggregate,
    classic_notification,
    classic_port,
    classic_with,
    sns,
    v2_event,
)


def finding(message: object) -> Finding:
    read = read_message(message)
    assert isinstance(read, Finding)
    return read


def test_v2_sample() -> None:
    read = finding(v2_event())
    assert read == Finding(
        service="inspector2",
        arn="arn:aws:inspector2:eu-central-1:123456789012:finding/FINDING_ID",
        type="NETWORK_REACHABILITY",
        status=FindingStatus.ACTIVE,
        severity="MEDIUM",
        title="Port 22 is reachable from an Internet Gateway - TCP",
        account_id=ACCOUNT,
        region="eu-central-1",
        server_id=V2_INSTANCE,
        vpc_id="vpc-0123456789abcdef0",
        tags={"Name": "web"},
        ports=read.ports,
        path=("igw-261bab4d", "acl-171b527d", V2_GROUP, "eni-094ad651219472857", V2_INSTANCE),
        updated=datetime(2024, 9, 5, 13, 6, 56, 334000, tzinfo=UTC),
        problems=(),
        raw=v2_event()["detail"],
    )
    assert str(read.ports) == "tcp/22"
    assert read.groups == (V2_GROUP,)
    assert read.comes_straight_from_internet


def test_classic_samples() -> None:
    this, aggregate = parse_classic(classic_port()), parse_classic(classic_aggregate("[[80 - 80], [443 - 443]]"))
    assert (this.type, this.severity, this.account_id, this.region) == (
        "NETWORK_REACHABILITY",
        "MEDIUM",
        ACCOUNT,
        "us-east-1",
    )
    assert (this.name, this.server_id, this.vpc_id) == ("kubectl", "i-0c10c2c7863d1a356", "vpc-a0c2d7c7")
    assert this.path == (
        "igw-e209d785",
        "acl-154b8273",
        "sg-0af64c8a5eb30ca75",
        "eni-078eac9d6ad9b20d1",
        "i-0c10c2c7863d1a356",
    )
    assert (str(this.ports), this.problems, aggregate.problems) == ("tcp/22", (), ())
    assert str(aggregate.ports) == "tcp/80, tcp/443"
    assert (aggregate.name, aggregate.path) == ("webapps (Prod)", ())


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        pytest.param("[]", [], id="none"),
        pytest.param("[[80 - 80], [443 - 443]]", [(80, 80), (443, 443)], id="ports"),
        pytest.param("[[32768 - 60999]]", [(32768, 60999)], id="range"),
        pytest.param(" [ [0-65535] ] ", [(0, 65535)], id="other white space"),
        pytest.param("22", [(22, 22)], id="number"),
        pytest.param("20-25", [(20, 25)], id="bare range"),
        pytest.param("[22, 80-81]", [(22, 22), (80, 81)], id="flat list"),
    ],
)
def test_classic_ports(text: str, spans: list[tuple[int, int]]) -> None:
    assert list(parse_classic_ports(text)) == spans


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "[[80 - 80], [443",
        "[[80 - 80] [443 - 443]]",
        "[[90 - 80]]",
        "[[1 - 70000]]",
        "[[80 - ]]",
        "[[32XXX]]",
    ],
)
def test_classic_ports_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="ports"):
        list(parse_classic_ports(text))


def v2_network(**changes: Any) -> dict[str, Any]:
    event = v2_event()
    event["detail"]["networkReachabilityDetails"].update(changes)
    return event


def v2_resource(**changes: Any) -> dict[str, Any]:
    event = v2_event()
    event["detail"]["resources"][0].update(changes)
    return event


@pytest.mark.parametrize(
    ("event", "problem", "ports"),
    [
        pytest.param({"detail-type": "Inspector2 Finding"}, "the event has no detail", "", id="nothing but its type"),
        pytest.param(v2_event(protocol="ALL"), "its protocol is not TCP or UDP: 'ALL'", "", id="unknown protocol"),
        pytest.param(v2_network(protocol=None), "its protocol is not TCP or UDP: None", "", id="no protocol"),
        pytest.param(v2_network(openPortRange=None), "its ports are not a range: None", "", id="no ports"),
        pytest.param(v2_network(openPortRange={"begin": 22}), "its ports are not a range", "", id="half a range"),
        pytest.param(v2_network(openPortRange={"begin": True, "end": 22}), "ports are not a range", "", id="no number"),
        pytest.param(v2_event((25, 22)), "its ports are not a range", "", id="range backwards"),
        pytest.param(v2_event((1, 65536)), "its ports are not a range", "", id="port too high"),
        pytest.param(
            v2_event(networkReachabilityDetails=None), "it has no network reachability details", "", id="no details"
        ),
        pytest.param(
            v2_network(networkPath={"steps": [{"componentType": "AWS::EC2::SecurityGroup"}]}),
            "a step of its path is not named",
            "tcp/22",
            id="a step without an id",
        ),
        pytest.param(v2_network(networkPath="igw"), "a step of its path is not named", "tcp/22", id="no path"),
        pytest.param(v2_event(type=None), "it does not say its type", "tcp/22", id="no type"),
        pytest.param(v2_event(status="NEW"), "its status is unknown: 'NEW'", "tcp/22", id="unknown status"),
        pytest.param(v2_event(resources=[]), "it does not name exactly one resource", "tcp/22", id="no resource"),
        pytest.param(
            v2_event(resources=v2_event()["detail"]["resources"] * 2),
            "it does not name exactly one resource",
            "tcp/22",
            id="two resources",
        ),
        pytest.param(v2_resource(id=None), "its resource has no id", "tcp/22", id="resource without an id"),
        pytest.param(v2_resource(tags=["web"]), "its resource's tags are not", "tcp/22", id="tags as a list"),
        pytest.param(
            v2_resource(tags={"Name": 1}), "its resource's tags are not", "tcp/22", id="a tag that is no text"
        ),
        pytest.param(v2_event(findingArn="x"), "its ARN is none: 'x'", "tcp/22", id="no ARN"),
        pytest.param(v2_event(awsAccountId="12"), "its account is none: '12'", "tcp/22", id="no account"),
    ],
)
def test_v2_problems(event: dict[str, Any], problem: str, ports: str) -> None:
    read = finding(event)
    assert any(problem in found for found in read.problems)
    assert str(read.ports) == ports
    assert read.is_about_ports


@pytest.mark.parametrize(
    ("raw", "problem", "ports"),
    [
        pytest.param({}, "its attributes are not a list of keys and values", "", id="empty"),
        pytest.param(classic_with(PORT=None), "it names no ports", "", id="no port"),
        pytest.param(classic_with(PORT="ssh"), "PORT: 'ssh' is not a list of ports", "", id="port by name"),
        pytest.param(classic_with(PROTOCOL=None), "it has a port, but not one protocol", "", id="no protocol"),
        pytest.param(classic_with(PROTOCOL="SCTP"), "its protocol is not TCP or UDP: 'SCTP'", "", id="other protocol"),
        pytest.param(
            classic_aggregate("[[80 - 80]]", "[[x]]"), "UDP_PORTS: '[[x]]' is not a list", "tcp/80", id="half readable"
        ),
        pytest.param(
            {**classic_port(), "assetAttributes": None}, "it has no asset attributes", "tcp/22", id="no asset"
        ),
        pytest.param(
            {**classic_port(), "attributes": [{"value": "x"}]},
            "its attributes are not",
            "",
            id="attribute without a key",
        ),
        pytest.param({**classic_port(), "arn": None}, "its ARN is none: None", "tcp/22", id="no ARN"),
    ],
)
def test_classic_problems(raw: dict[str, Any], problem: str, ports: str) -> None:
    read = parse_classic(raw)
    assert any(problem in found for found in read.problems)
    assert str(read.ports) == ports
    assert read.is_about_ports


def test_parts_that_may_be_left_out_are_no_problem() -> None:
    event = v2_event()
    for part in ("title", "updatedAt", "severity"):
        del event["detail"][part]
    del event["detail"]["resources"][0]["tags"]
    del event["detail"]["resources"][0]["details"]
    del event["detail"]["networkReachabilityDetails"]["networkPath"]
    read = finding(event)
    assert (read.problems, read.tags, read.path, read.updated, read.vpc_id) == ((), {}, (), None, "")
    assert read.severity == "UNKNOWN"


CVE = {
    **classic_port(),
    "id": "CVE-2016-0001",
    "title": "Instance i-0c10c2c7863d1a356 is vulnerable to CVE-2016-0001",
    "attributes": [{"key": "CVE_ID", "value": "CVE-2016-0001"}, {"key": "INSTANCE_ID", "value": "i-0c10c2c7863d1a356"}],
}


def test_findings_of_another_kind() -> None:
    assert finding(v2_event(type="PACKAGE_VULNERABILITY", networkReachabilityDetails=None)).is_about_ports is False
    assert parse_classic(CVE).is_about_ports is False
    # What looks like one about ports is not thrown away as another kind.
    assert parse_classic({**CVE, "title": "Ports are reachable"}).is_about_ports is True
    assert parse_classic({**CVE, "attributes": "?"}).is_about_ports is True


@pytest.mark.parametrize(
    ("path", "straight"),
    [
        pytest.param(["igw-1", "acl-1", "sg-1", "eni-1", "i-1"], True, id="internet gateway"),
        pytest.param(["igw-1", "arn:aws:elasticloadbalancing:x", "sg-1", "i-1"], False, id="load balancer"),
        pytest.param(["vgw-1", "acl-1", "sg-1", "i-1"], False, id="VPN gateway"),
        pytest.param(["acl-1", "sg-1", "i-1"], False, id="no gateway"),
        pytest.param([], False, id="no path"),
    ],
)
def test_comes_straight_from_internet(path: list[str], straight: bool) -> None:
    steps = [{"componentId": name, "componentType": "x"} for name in path]
    assert finding(v2_network(networkPath={"steps": steps})).comes_straight_from_internet is straight


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("Thu Sep 05 13:06:56.334 UTC 2024", datetime(2024, 9, 5, 13, 6, 56, 334000, tzinfo=UTC)),
        ("2024-09-05T15:06:56+02:00", datetime(2024, 9, 5, 13, 6, 56, tzinfo=UTC)),
        (datetime(2024, 9, 5), datetime(2024, 9, 5, tzinfo=UTC)),  # noqa: DTZ001
        ("Sep 5, 2024, 1:06:56 PM", datetime(2024, 9, 5, 13, 6, 56, tzinfo=UTC)),
        ("Jun 18, 2024, 12:27:04 AM", datetime(2024, 6, 18, 0, 27, 4, tzinfo=UTC)),
        ("Jun 18, 2024, 12:27:04 PM", datetime(2024, 6, 18, 12, 27, 4, tzinfo=UTC)),
        ("Jun 18, 2024 12:27:04 AM", datetime(2024, 6, 18, 0, 27, 4, tzinfo=UTC)),
        ("Jun 18, 2024, 12:27:04\u202fAM", datetime(2024, 6, 18, 0, 27, 4, tzinfo=UTC)),
        ("Jun 18, 2024, 12:27:04\u00a0AM", datetime(2024, 6, 18, 0, 27, 4, tzinfo=UTC)),
        ("June 18, 2024, 12:27:04 AM UTC", datetime(2024, 6, 18, 0, 27, 4, tzinfo=UTC)),
        (1725541616, datetime(2024, 9, 5, 13, 6, 56, tzinfo=UTC)),
        (1725541616.334, datetime(2024, 9, 5, 13, 6, 56, 334000, tzinfo=UTC)),
        (1725541616334, datetime(2024, 9, 5, 13, 6, 56, 334000, tzinfo=UTC)),
        (Decimal("1725541616"), datetime(2024, 9, 5, 13, 6, 56, tzinfo=UTC)),
        ("1725541616", datetime(2024, 9, 5, 13, 6, 56, tzinfo=UTC)),
        ("1725541616334", datetime(2024, 9, 5, 13, 6, 56, 334000, tzinfo=UTC)),
        ("2024-09-05", datetime(2024, 9, 5, tzinfo=UTC)),
        ("Thu Foo 05 13:06:56 UTC 2024", None),
        ("Foo 18, 2024, 12:27:04 AM", None),
        ("Jun 18, 2024, 13:27:04 AM", None),
        ("Jun 18, 2024, 0:27:04 AM", None),
        ("Feb 30, 2024, 12:27:04 AM", None),
        (True, None),
        (float("nan"), None),
        (float("inf"), None),
        (1e300, None),
        (10**400, None),
    ],
)
def test_times(text: object, time: datetime | None) -> None:
    assert finding(v2_event(updatedAt=text)).updated == time


def test_records() -> None:
    event = v2_event()
    assert list(records(event)) == [event]
    assert [read_record(record) for record in records(sns(event, classic_notification()))] == [
        finding(event),
        ClassicNotification(classic_notification()["finding"], ACCOUNT, "us-east-1"),
    ]


def test_a_forwarder_may_change_the_source() -> None:
    # PutEvents refuses sources that begin with "aws.".
    assert finding({**v2_event(), "source": "archive", "detail-type": "forwarded"}).ports == finding(v2_event()).ports


@pytest.mark.parametrize(
    "message",
    [
        {"event": "ENABLE_ASSESSMENT_NOTIFICATIONS", "template": "arn:aws:inspector:us-east-1:123456789012:target/0-a"},
        {"event": "ASSESSMENT_RUN_STARTED", "run": "arn:aws:inspector:us-east-1:123456789012:target/0-a"},
        {"event": "ASSESSMENT_RUN_COMPLETED", "findingsCount": "{}"},
        {"detail-type": "Inspector2 Scan", "source": "aws.inspector2", "detail": {}},
        {"detail-type": "Inspector2 Coverage", "source": "aws.inspector2", "detail": {}},
    ],
    ids=lambda message: str(message.get("event") or message["detail-type"]),
)
def test_what_is_no_finding_is_ignored(message: dict[str, Any]) -> None:
    assert isinstance(read_message(message), Ignored)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(None, id="null"),
        pytest.param("text", id="text"),
        pytest.param({}, id="empty"),
        pytest.param({"Sns": None}, id="no SNS part"),
        pytest.param({"Sns": {}}, id="no message"),
        pytest.param(sns("not JSON")["Records"][0], id="not JSON"),
        pytest.param(sns([1])["Records"][0], id="a list"),
        pytest.param(sns("[" * 100_000)["Records"][0], id="too deep"),
        pytest.param({"detail-type": "EC2 Instance State-change", "source": "aws.ec2", "detail": {}}, id="of EC2"),
        pytest.param({"event": "FINDING_REPORTED"}, id="Classic without a finding"),
        pytest.param({"event": "FINDING_REPORTED", "finding": "x"}, id="Classic without an ARN"),
        pytest.param({"finding": v2_event()["detail"]["findingArn"]}, id="Classic with v2's ARN"),
    ],
)
def test_malformed_records(record: object) -> None:
    with pytest.raises(MalformedEventError):
        read_record(record)


@pytest.mark.parametrize("event", [None, [], "x", {"Records": []}, {"Records": None}, {"Records": {}}], ids=repr)
def test_malformed_events(event: object) -> None:
    with pytest.raises(MalformedEventError):
        records(event)


def _mutations(value: Any) -> Any:
    """The value with each of its parts taken out or replaced by something of another type."""
    if isinstance(value, dict):
        for key in value:
            for other in (None, 7, "x", [], {}, [None], {"x": None}):
                yield {**value, key: other}
            yield {name: entry for name, entry in value.items() if name != key}
            yield from ({**value, key: changed} for changed in _mutations(value[key]))
    elif isinstance(value, list):
        for location, entry in enumerate(value):
            yield from ([*value[:location], changed, *value[location + 1 :]] for changed in _mutations(entry))


def test_whatever_the_shape_it_is_read() -> None:
    for detail in _mutations(v2_event()["detail"]):
        parse_v2({"detail": detail})
    for raw in _mutations(classic_port()):
        parse_classic(raw)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (7, "not a record: 7"),
        ({"Sns": {"Message": "x"}}, "not an SNS record with JSON in it: {'Sns': {'Message': 'x'}}"),
        ({"Sns": {"Message": "[1]"}}, "not an Inspector message: [1]"),
        ({"Sns": {"Message": "{}"}}, "not an Inspector message: {}"),
        ({"event": 7}, "not an Inspector message: {'event': 7}"),
        ({"finding": "x"}, "an Inspector Classic notification without a finding's ARN: {'finding': 'x'}"),
        ({"event": "FINDING_REPORTED"}, "an Inspector Classic notification without a finding's ARN: {'event': "),
    ],
)
def test_why_a_record_is_malformed(record: object, reason: str) -> None:
    with pytest.raises(MalformedEventError, match=f"^{re.escape(reason)}"):
        read_record(record)


@pytest.mark.parametrize(
    ("event", "reason"), [([], "not an event: []"), ({"Records": {}}, "the event has no SNS records")]
)
def test_why_an_event_is_malformed(event: object, reason: str) -> None:
    with pytest.raises(MalformedEventError, match=f"^{re.escape(reason)}$"):
        records(event)


def test_why_a_record_is_ignored() -> None:
    assert read_message({"source": "aws.inspector2", "detail-type": "Inspector2 Scan"}) == Ignored(
        "Inspector2 Scan is no finding"
    )
    assert read_message({"event": "ASSESSMENT_RUN_STARTED"}) == Ignored("ASSESSMENT_RUN_STARTED is no finding")


@pytest.mark.parametrize("kind", [None, "", 7])
def test_what_inspector_sends_without_a_type_is_read_as_a_finding(kind: object) -> None:
    message = {"source": "aws.inspector2", "detail-type": kind, "detail": {}}
    read = read_message(message)
    assert isinstance(read, Finding)
    assert read.problems


def test_a_notification_needs_no_event_name() -> None:
    arn = classic_notification()["finding"]
    assert read_message({"finding": arn}) == ClassicNotification(arn, ACCOUNT, "us-east-1")


def pairs(**values: str | None) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def test_a_classic_finding_as_a_whole() -> None:
    raw = {**classic_port(), "updatedAt": "2024-09-05T13:06:56+00:00"}
    read = parse_classic(raw)
    assert read == Finding(
        service="inspector",
        arn=raw["arn"],
        type="NETWORK_REACHABILITY",
        status=FindingStatus.ACTIVE,
        severity="MEDIUM",
        title=raw["title"],
        account_id=ACCOUNT,
        region="us-east-1",
        server_id="i-0c10c2c7863d1a356",
        vpc_id="vpc-a0c2d7c7",
        tags={"Name": "kubectl"},
        ports=PortSet.parse(["tcp/22"]),
        path=("igw-e209d785", "acl-154b8273", "sg-0af64c8a5eb30ca75", "eni-078eac9d6ad9b20d1", "i-0c10c2c7863d1a356"),
        updated=datetime(2024, 9, 5, 13, 6, 56, tzinfo=UTC),
        problems=(),
        raw=raw,
    )


def test_a_classic_path_is_in_the_order_in_which_packets_pass() -> None:
    listed = pairs(ENI="eni-1", SECURITY_GROUP="sg-2", VPC="vpc-1", ACL="acl-1", ELB="elb-1", IGW="igw-1", PORT="22")
    listed += [{"key": "SECURITY_GROUP", "value": "sg-1"}, {"key": "PROTOCOL", "value": "TCP"}]
    read = parse_classic({**classic_port(), "attributes": [*listed, *pairs(INSTANCE_ID="i-1")]})
    assert read.path == ("igw-1", "elb-1", "acl-1", "sg-2", "sg-1", "eni-1", "i-1")


def test_a_classic_finding_names_its_instance_by_an_attribute_or_by_its_asset() -> None:
    asset = {"agentId": "i-2", "tags": None}
    named = {**classic_port(), "attributes": pairs(INSTANCE_ID="i-1", PORT="22", PROTOCOL="TCP")}
    by_asset = {**named, "attributes": pairs(PORT="22", PROTOCOL="TCP", VPC=None), "assetAttributes": asset}
    by_neither = {**by_asset, "assetAttributes": {"tags": []}}
    read = [parse_classic(raw) for raw in (named, by_asset, by_neither)]
    assert [(each.server_id, each.vpc_id, each.tags) for each in read[1:]] == [("i-2", "", {}), ("", "", {})]
    assert [each.server_id for each in read] == ["i-1", "i-2", ""]
    assert [each.problems for each in read] == [(), (), ("it does not name its instance",)]


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"severity": None}, ()),
        ({"assetAttributes": []}, ("it has no asset attributes",)),
        ({"attributes": pairs(INSTANCE_ID="i-1")}, ("it names no ports",)),
        ({"attributes": pairs(INSTANCE_ID="i-1", PORT="22")}, ("it has a port, but not one protocol",)),
        (
            {"attributes": pairs(INSTANCE_ID="i-1", TCP_PORTS="[[70 - 65536]]")},
            ("TCP_PORTS: '70 - 65536' is not a range of ports",),
        ),
        (
            {"attributes": pairs(INSTANCE_ID="i-1", TCP_PORTS="x" * 300)},
            ("TCP_PORTS: '" + "x" * 199 + " is not a list of ports",),
        ),
        (
            {"assetAttributes": {"agentId": "i-1", "tags": [{"key": 7}]}},
            ("its tags are not a list of keys and values",),
        ),
    ],
)
def test_every_problem_of_a_classic_finding_is_told_in_full(changes: dict[str, Any], problems: tuple[str, ...]) -> None:
    read = parse_classic({**classic_port(), **changes})
    assert read.problems == problems
    assert read.severity == ("UNKNOWN" if "severity" in changes else "MEDIUM")


def test_a_classic_finding_of_another_kind_has_no_ports_and_no_path() -> None:
    read = parse_classic({**CVE, "attributes": [*CVE["attributes"], *pairs(PACKAGE="x")]})
    assert (read.type, read.ports, read.path, read.problems) == ("OTHER", PortSet(), (), ())
    # The rule's name counts as well as the title.
    assert parse_classic({**CVE, "id": "Recognized port reachable from internet"}).is_about_ports
