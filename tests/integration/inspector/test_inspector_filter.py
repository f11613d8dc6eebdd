"""The filter's handler on the emulated AWS: topic, queue, table and groups are moto's.

Inspector Classic, which moto does not have, is a stand-in behind the real client.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.handlers
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError
from moto import mock_aws

from identification.errors import MalformedEventError, UnknownAccountError
from identification.filter_inspector_findings import InProgressError, lambda_handler
from identification.runtime import Runtime
from library.aws.conditional_writes import TABLE_DEFINITION
from library.aws.session import Sessions
from tests.builders.inspector_samples import (
    ACCOUNT,
    V2_GROUP,
    classic_aggregate,
    classic_notification,
    classic_port,
    sns,
    v2_event,
)

MAIN, REGION, MEMBER = ACCOUNT, "eu-west-1", "210987654321"
ALLOWED = {"allowed_ports": {"webapps (Prod)": ["tcp/80", "tcp/443"]}}


def answer(status: int, body: object) -> AWSResponse:
    class Raw:
        def stream(self, **_: object) -> Iterator[bytes]:
            yield json.dumps(body).encode()

    return AWSResponse("https://stand-in", status, HTTPHeaders(), Raw())


@dataclass
class Aws:
    """What a test sees of AWS.

    Attributes:
        classic: Inspector Classic's findings, by ARN.
        classic_calls: region and number of ARNs of each call of DescribeFindings.
        faults: an operation such as `sns.Publish`, to the error codes of its next calls, which then do nothing;
            empty: a call that works.
    """

    queue: str
    config: Path
    classic: dict[str, dict[str, Any]] = field(default_factory=dict)
    classic_calls: list[tuple[str, int]] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)

    def handle(self, event: object, request_id: str = "request") -> dict[str, int]:
        return lambda_handler(event, SimpleNamespace(aws_request_id=request_id))

    def published(self) -> list[dict[str, Any]]:
        """The messages that came since the last time, as a program gets them."""
        sqs = boto3.client("sqs", region_name=REGION)
        found: list[dict[str, Any]] = []
        while messages := sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(json.loads(message["Body"])["Message"]))
                sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def items(self) -> list[dict[str, Any]]:
        return list(boto3.resource("dynamodb", region_name=REGION).Table("issues").scan()["Items"])

    def configure(self, inspector: dict[str, Any], **section: Any) -> None:
        config = {
            "aws": {"main_account_id": MAIN, "region": REGION, "accounts": {MAIN: "main", MEMBER: "member"}},
            "secgrp_unrestricted_access": {"ddb.table_name": "issues", **section},
            "inspector": inspector,
        }
        self.config.write_text(json.dumps(config))

    def fail(self, operation: str) -> tuple[Any, Any] | None:
        """What botocore takes in place of a call: the status, and the answer as it is parsed."""
        faults = self.faults.get(operation)
        code = faults.pop(0) if faults else ""
        return (SimpleNamespace(status_code=400), {"Error": {"Code": code, "Message": "no"}}) if code else None

    def describe_findings(self, request: AWSRequest) -> AWSResponse:
        arns = json.loads(request.body or "{}")["findingArns"]
        self.classic_calls.append((str(request.url).split(".")[1], len(arns)))
        if len(arns) > 10 or len(set(arns)) < len(arns):
            return answer(400, {"__type": "InvalidInputException", "message": "1 to 10 different ARNs"})
        missing = {"failureCode": "ITEM_DOES_NOT_EXIST", "retryable": False}
        return answer(
            200,
            {
                "findings": [self.classic[arn] for arn in arns if arn in self.classic],
                "failedItems": {arn: missing for arn in arns if arn not in self.classic},
            },
        )

    def add_classic(self, finding: dict[str, Any], number: int = 0, run: str = "0-9i0j1k2l") -> dict[str, Any]:
        """Let Classic have a finding. Returns the notification of it."""
        location = f"target/0-a12b3c4d/template/0-5e6f7g8h/run/{run}/finding/0-{number}"
        arn = f"arn:aws:inspector:us-east-1:{MAIN}:{location}"
        self.classic[arn] = {**finding, "arn": arn, "createdAt": 1554768001.0, "updatedAt": 1554768001.0}
        return classic_notification(arn)


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    with mock_aws():
        topic = boto3.client("sns", region_name=REGION).create_topic(Name="hammer-inspector-findings")["TopicArn"]
        sqs = boto3.client("sqs", region_name=REGION)
        queue = sqs.create_queue(QueueName="people")["QueueUrl"]
        queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        boto3.client("sns", region_name=REGION).subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
        boto3.client("dynamodb", region_name=REGION).create_table(TableName="issues", **TABLE_DEFINITION)
        world = Aws(queue, tmp_path / "config.json")
        world.configure(ALLOWED)
        monkeypatch.setenv("HAMMER_CONFIG", str(tmp_path))
        monkeypatch.setenv("FINDINGS_SNS_ARN", topic)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        handlers: list[tuple[str, Callable[..., Any]]] = [
            ("before-send.inspector.DescribeFindings", lambda request, **_: world.describe_findings(request)),
            *(
                (f"before-call.{name}", lambda name=name, **_: world.fail(name))
                for name in (
                    "dynamodb.GetItem",
                    "dynamodb.UpdateItem",
                    "ec2.DescribeNetworkInterfaces",
                    "ec2.DescribeSecurityGroups",
                    "inspector.DescribeFindings",
                    "sns.Publish",
                )
            ),
        ]
        for entry in handlers:
            botocore.handlers.BUILTIN_HANDLERS.insert(0, entry)
        yield world
        for entry in handlers:
            botocore.handlers.BUILTIN_HANDLERS.remove(entry)


def counts(**changed: int) -> dict[str, int]:
    return {"published": 0, "held_back": 0, "ignored": 0, "repeated": 0, **changed}


def opened(messages: list[dict[str, Any]]) -> list[list[tuple[str, int, int]]]:
    return [[(port["protocol"], port["from_port"], port["to_port"]) for port in sent["open"]] for sent in messages]


WEBAPPS = {"Name": "webapps (Prod)"}


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda event: event, id="EventBridge"),
        pytest.param(sns, id="SNS"),
        pytest.param(lambda event: sns(event)["Records"][0]["Sns"], id="dead letter of SNS"),
    ],
)
def test_v2_is_published_less_what_is_expected(aws: Aws, wrap: Callable[[object], object]) -> None:
    assert aws.handle(wrap(v2_event((442, 444), tags=WEBAPPS))) == counts(published=1)
    (message,) = aws.published()
    assert opened([message]) == [[("tcp", 442, 442), ("tcp", 444, 444)]]
    assert message["held_back"] == [
        {
            "ports": [{"protocol": "tcp", "from_port": 443, "to_port": 443}],
            "reason": 'allowed_ports "webapps (Prod)"',
        }
    ]
    assert (message["account_name"], message["server_name"], message["filtered"]) == ("main", "webapps (Prod)", True)


def test_what_is_expected_is_held_back(aws: Aws) -> None:
    assert aws.handle(v2_event((443, 443), tags=WEBAPPS)) == counts(held_back=1)
    assert aws.published() == []


def test_attributes_and_text_reach_the_topics_subscribers(aws: Aws) -> None:
    aws.handle(v2_event())
    sqs = boto3.client("sqs", region_name=REGION)
    (message,) = sqs.receive_message(QueueUrl=aws.queue)["Messages"]
    body = json.loads(message["Body"])
    assert body["Subject"] == "[MEDIUM] tcp/22 on web, main, eu-central-1"
    assert {name: value["Value"] for name, value in body["MessageAttributes"].items()} == {
        "account_id": MAIN,
        "filtered": "true",
        "protocols": '["tcp"]',
        "region": "eu-central-1",
        "restricted": "true",
        "server_id": "i-12345678901234567",
        "server_name": "web",
        "severity": "MEDIUM",
        "type": "NETWORK_REACHABILITY",
    }


def test_an_unchanged_finding_is_told_once_in_both_accounts(aws: Aws) -> None:
    first = v2_event(account=MEMBER, receiver=MEMBER)
    again = v2_event(
        account=MEMBER,
        receiver=MAIN,
        tags={"Name": "web", "patched": "yes"},
        updatedAt="Fri Sep 06 13:06:56.334 UTC 2024",
        lastObservedAt="Fri Sep 06 13:06:56.334 UTC 2024",
    )
    administrators = v2_event(account=MEMBER, receiver=MAIN)
    administrators["detail"]["findingArn"] = first["detail"]["findingArn"].replace(MEMBER, MAIN)
    assert aws.handle(first, "1") == counts(published=1)
    assert aws.handle(sns(again, administrators), "2") == counts(repeated=2)
    assert len(aws.published()) == 1


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(v2_event((22, 23)), id="ports"),
        pytest.param(v2_event(protocol="UDP"), id="protocol"),
        pytest.param(v2_event(severity="HIGH"), id="severity"),
        pytest.param(v2_event(groups=("sg-1",)), id="path"),
        pytest.param(v2_event(finding_id="ANOTHER"), id="another finding"),
        pytest.param(v2_event(account=MEMBER), id="another account"),
    ],
)
def test_a_changed_finding_is_told_again(aws: Aws, changed: dict[str, Any]) -> None:
    aws.handle(v2_event(), "1")
    assert aws.handle(changed, "2") == counts(published=1)
    assert aws.handle(changed, "3") == counts(repeated=1)


def test_a_finding_that_comes_back_is_told_again(aws: Aws) -> None:
    aws.handle(v2_event(), "1")
    assert aws.handle(v2_event(status="CLOSED", updatedAt="Sat Sep 07 00:00:00 UTC 2024"), "2") == counts(ignored=1)
    # The copy for the other account, which took its time, is no news.
    assert aws.handle(v2_event(), "3") == counts(repeated=1)
    assert aws.handle(v2_event(updatedAt="Sun Sep 08 00:00:00 UTC 2024"), "4") == counts(published=1)


def test_an_older_end_changes_nothing(aws: Aws) -> None:
    """The same events, and the same result, as in the test of `hammer inspector --replay`."""
    aws.handle(v2_event(), "1")
    assert aws.handle(v2_event(status="CLOSED", updatedAt="Wed Sep 04 00:00:00 UTC 2024"), "2") == counts(ignored=1)
    assert aws.handle(v2_event(), "3") == counts(repeated=1)
    assert len(aws.published()) == 1


def test_a_finding_that_was_expected_for_a_while_is_told_again(aws: Aws) -> None:
    aws.handle(v2_event(), "1")
    aws.configure({"allowed_ports": {"web": [22]}})
    assert aws.handle(v2_event(), "2") == counts(held_back=1)
    aws.configure({})
    assert aws.handle(v2_event(), "3") == counts(published=1)


def test_the_record_expires_and_is_no_issue(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.handle(v2_event(), "1")
    (item,) = aws.items()
    assert item["account_id"] == MAIN
    assert item["issue_id"].startswith("inspector#")
    assert not {"status", "open_region"} & item.keys()
    left = int(item["expires_at"]) - datetime.now(UTC).timestamp()
    assert timedelta(days=89).total_seconds() < left < timedelta(days=91).total_seconds()
    # DynamoDB deletes in its own time: what has expired counts as gone before.
    later = datetime.now(UTC) + timedelta(days=91)
    monkeypatch.setattr(Runtime, "now", lambda _: later)
    assert aws.handle(v2_event(), "2") == counts(published=1)
    assert aws.handle(v2_event(), "3") == counts(repeated=1)


def test_malformed_records_are_raised_when_the_others_are_told_and_a_retry_tells_nobody_twice(aws: Aws) -> None:
    event = sns("not JSON", v2_event((22, 22)), v2_event((23, 23), finding_id="2"))
    for _ in range(3):
        with pytest.raises(MalformedEventError, match="not an SNS record with JSON"):
            aws.handle(event)
    assert opened(aws.published()) == [[("tcp", 22, 22)], [("tcp", 23, 23)]]


@pytest.mark.parametrize("event", [None, {}, {"Records": []}, {"source": "aws.ec2"}], ids=repr)
def test_malformed_events_are_raised(aws: Aws, event: object) -> None:
    with pytest.raises(MalformedEventError):
        aws.handle(event)


def test_several_failures_are_raised_together(aws: Aws) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        aws.handle(sns("x", "y", v2_event()))
    assert len(raised.value.exceptions) == 2
    assert len(aws.published()) == 1


@pytest.mark.parametrize(
    "updated", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "Mon Jan 01 00:00:00 UTC 0001", "0", 7, None]
)
def test_an_odd_time_drops_no_other_record(aws: Aws, updated: object) -> None:
    odd = v2_event((80, 80), finding_id="2", updatedAt=updated)
    assert aws.handle(sns(odd, v2_event())) == counts(published=2)
    assert aws.handle(sns(odd, v2_event())) == counts(repeated=2)


def test_what_is_not_understood_is_passed_on_whole(aws: Aws) -> None:
    event = v2_event((443, 443), "ALL", WEBAPPS)
    assert aws.handle(event, "1") == counts(published=1)
    assert aws.handle(event, "2") == counts(repeated=1)
    (message,) = aws.published()
    assert (message["filtered"], message["problems"]) == (False, ["its protocol is not TCP or UDP: 'ALL'"])
    assert message["finding"] == event["detail"]
    assert "not filtered, because it was not understood" in message["text"]


def test_a_finding_without_anything_is_passed_on_too(aws: Aws) -> None:
    assert aws.handle({"detail-type": "Inspector2 Finding", "id": "1"}, "1") == counts(published=1)
    assert aws.handle({"detail-type": "Inspector2 Finding", "id": "1"}, "2") == counts(repeated=1)
    assert aws.handle({"detail-type": "Inspector2 Finding", "id": "2"}, "3") == counts(published=1)


def test_other_findings_as_configured(aws: Aws) -> None:
    event = v2_event(type="PACKAGE_VULNERABILITY", networkReachabilityDetails=None)
    assert aws.handle(event) == counts(ignored=1)
    aws.configure({"other_findings": "pass"})
    assert aws.handle(event, "1") == counts(published=1)
    assert aws.handle(event, "2") == counts(repeated=1)
    assert aws.published()[0]["type"] == "PACKAGE_VULNERABILITY"


def test_off_means_off(aws: Aws) -> None:
    aws.configure({"enabled": False})
    assert aws.handle(sns("not JSON", v2_event())) == counts()
    assert aws.published() == []


def test_a_failed_publication_is_raised_and_told_by_any_retry(aws: Aws) -> None:
    aws.faults["sns.Publish"] = ["InternalError"]
    with pytest.raises(ClientError):
        aws.handle(sns(v2_event(), v2_event((23, 23), finding_id="2")), "1")
    assert len(aws.published()) == 1
    assert aws.handle(v2_event(), "2") == counts(published=1)


def test_a_crash_between_publishing_and_recording_tells_twice_rather_than_never(aws: Aws) -> None:
    aws.faults["dynamodb.UpdateItem"] = ["", "InternalServerError"]
    with pytest.raises(ClientError):
        aws.handle(v2_event(), "1")
    # Another invocation cannot know whether the finding was published, and comes back for it.
    with pytest.raises(InProgressError):
        aws.handle(v2_event(), "2")
    # A retry of the one that crashed has the same id.
    assert aws.handle(v2_event(), "1") == counts(published=1)
    assert aws.handle(v2_event(), "3") == counts(repeated=1)
    assert len(aws.published()) == 2


def test_a_claim_that_nobody_comes_back_to_runs_out(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.faults["sns.Publish"] = ["InternalError"]
    aws.faults["dynamodb.UpdateItem"] = ["", "InternalServerError"]
    with pytest.raises(ClientError):
        aws.handle(v2_event(), "1")
    later = datetime.now(UTC) + timedelta(minutes=16)
    monkeypatch.setattr(Runtime, "now", lambda _: later)
    assert aws.handle(v2_event(), "2") == counts(published=1)


def test_a_dead_letter_that_is_redriven_while_a_claim_holds_is_not_consumed(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.faults["sns.Publish"] = ["InternalError"]
    aws.faults["dynamodb.UpdateItem"] = ["", "InternalServerError"]
    crashing = SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=lambda: 30_000)
    with pytest.raises(ClientError):
        lambda_handler(v2_event(), crashing)
    other = v2_event((80, 80), finding_id="2")
    with pytest.raises(InProgressError, match=r"another invocation is publishing arn:aws:inspector2:.*FINDING_ID"):
        aws.handle(sns(v2_event(), other), "2")
    assert opened(aws.published()) == [[("tcp", 80, 80)]]
    # The claim holds for as long as the function could still run.
    later = datetime.now(UTC) + timedelta(seconds=31)
    monkeypatch.setattr(Runtime, "now", lambda _: later)
    assert aws.handle(sns(v2_event(), other), "3") == counts(published=1, repeated=1)


def test_a_lost_race_is_decided_again(aws: Aws) -> None:
    aws.faults["dynamodb.UpdateItem"] = ["ConditionalCheckFailedException"]
    assert aws.handle(v2_event()) == counts(published=1)
    assert len(aws.published()) == 1


def test_without_its_memory_nothing_is_told_and_nothing_lost(aws: Aws) -> None:
    aws.faults["dynamodb.GetItem"] = ["AccessDeniedException"]
    with pytest.raises(ClientError):
        aws.handle(v2_event())
    assert aws.handle(v2_event()) == counts(published=1)


# Ports whose groups admit only trusted addresses.


def open_group(account: str = "", cidr: str = "8.8.8.0/24", name: str = "ssh") -> str:
    """A group with port 22 open to this source, in the finding's region and account."""
    arguments: dict[str, Any] = {}
    if account:
        role = boto3.client("sts", region_name=REGION).assume_role(
            RoleArn=f"arn:aws:iam::{account}:role/hammer-cloudsec-crossact-id", RoleSessionName="test"
        )["Credentials"]
        arguments = {
            "aws_access_key_id": role["AccessKeyId"],
            "aws_secret_access_key": role["SecretAccessKey"],
            "aws_session_token": role["SessionToken"],
        }
    ec2 = boto3.client("ec2", region_name="eu-central-1", **arguments)
    group_id = ec2.create_security_group(GroupName=name, Description="ssh")["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group_id,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": cidr}]}],
    )
    return group_id


@pytest.mark.parametrize("account", ["", MEMBER], ids=["main account", "member account"])
@pytest.mark.parametrize(("cidr", "result"), [("8.8.8.0/24", "held_back"), ("8.8.0.0/16", "published")])
def test_groups_are_read_in_the_findings_account_and_region(aws: Aws, account: str, cidr: str, result: str) -> None:
    aws.configure({}, trusted_cidrs=["8.8.8.0/24"])
    event = v2_event(groups=(open_group(account, cidr),), account=account or MAIN)
    assert aws.handle(event) == counts(**{result: 1})


@pytest.mark.parametrize(("cidr", "result"), [("8.8.8.0/24", "held_back"), ("0.0.0.0/0", "published")])
def test_all_groups_of_the_paths_interface_count(aws: Aws, cidr: str, result: str) -> None:
    """A path names one group. EC2 lets in what any group of the interface admits."""
    aws.configure({}, trusted_cidrs=["8.8.8.0/24"])
    named, other = open_group(), open_group(cidr=cidr, name="other")
    event = v2_event(groups=(named,))
    for step in event["detail"]["networkReachabilityDetails"]["networkPath"]["steps"]:
        if step["componentId"].startswith("eni-"):
            step["componentId"] = an_interface(named, other)
    assert aws.handle(event) == counts(**{result: 1})


def test_an_interface_that_cannot_be_read_holds_nothing_back(aws: Aws) -> None:
    aws.configure({}, trusted_cidrs=["8.8.8.0/24"])
    aws.faults["ec2.DescribeNetworkInterfaces"] = ["UnauthorizedOperation"]
    aws.handle(v2_event(groups=(open_group(),)))
    (message,) = aws.published()
    assert "denied: the role or user may not call DescribeNetworkInterfaces" in message["notes"][0]


def an_interface(*group_ids: str) -> str:
    """A network interface with these groups, in the finding's region."""
    ec2 = boto3.client("ec2", region_name="eu-central-1")
    subnet_id = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    made = ec2.create_network_interface(SubnetId=subnet_id, Groups=group_ids)
    return str(made["NetworkInterface"]["NetworkInterfaceId"])


@pytest.mark.parametrize(("cidr", "result"), [("8.8.8.0/24", "held_back"), ("8.8.0.0/16", "published")])
def test_a_prefix_list_in_a_group_counts_as_its_entries(aws: Aws, cidr: str, result: str) -> None:
    aws.configure({}, trusted_cidrs=["8.8.8.0/24"])
    ec2 = boto3.client("ec2", region_name="eu-central-1")
    made = ec2.create_managed_prefix_list(
        PrefixListName="office", AddressFamily="IPv4", MaxEntries=1, Entries=[{"Cidr": cidr}]
    )
    prefix_list_id = made["PrefixList"]["PrefixListId"]
    group_id = ec2.create_security_group(GroupName="ssh", Description="ssh")["GroupId"]
    rule: Any = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "PrefixListIds": [{"PrefixListId": prefix_list_id}]}
    ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[rule])
    assert aws.handle(v2_event(groups=(group_id,))) == counts(**{result: 1})


def test_a_port_is_left_of_a_range(aws: Aws) -> None:
    aws.configure({}, trusted_cidrs=["8.8.8.0/24"])
    group_id = open_group()
    aws.handle(v2_event((21, 23), groups=(group_id,)))
    (message,) = aws.published()
    assert opened([message]) == [[("tcp", 21, 21), ("tcp", 23, 23)]]
    assert message["held_back"][0]["reason"] == f"{group_id} admits only trusted_cidrs"


def test_groups_that_cannot_be_read_hold_nothing_back(aws: Aws) -> None:
    aws.configure({}, trusted_cidrs=["8.8.8.0/24"])
    aws.handle(v2_event())
    aws.faults["ec2.DescribeSecurityGroups"] = ["UnauthorizedOperation"]
    aws.handle(v2_event(finding_id="2", groups=(open_group(),)))
    gone, refused = aws.published()
    assert gone["notes"] == [
        f"security groups could not be read, so none of it is held back for trusted_cidrs: {V2_GROUP} does not exist"
    ]
    assert "denied: the role or user may not call DescribeSecurityGroups" in refused["notes"][0]
    assert refused["notes"][0] in refused["text"]
    assert opened([gone, refused]) == [[("tcp", 22, 22)]] * 2


# Inspector Classic.


def test_classic_is_described_where_the_finding_is(aws: Aws) -> None:
    assert aws.handle(sns(aws.add_classic(classic_port()))) == counts(published=1)
    assert aws.classic_calls == [("us-east-1", 1)]
    (message,) = aws.published()
    assert (message["service"], message["server_name"], message["severity"]) == ("inspector", "kubectl", "MEDIUM")
    assert opened([message]) == [[("tcp", 22, 22)]]


def test_classic_at_most_ten_a_call_and_each_once(aws: Aws) -> None:
    notifications = [
        aws.add_classic(classic_aggregate(f"[[80 - 80], [{port} - {port}]]"), port) for port in range(8000, 8023)
    ]
    assert aws.handle(sns(*notifications, *notifications)) == counts(published=23)
    assert aws.classic_calls == [("us-east-1", 10), ("us-east-1", 10), ("us-east-1", 3)]
    assert sorted(opened(aws.published())) == [[("tcp", port, port)] for port in range(8000, 8023)]


def test_classic_findings_that_fail_are_raised_and_the_others_told(aws: Aws) -> None:
    there = aws.add_classic(classic_port())
    gone = classic_notification("arn:aws:inspector:us-east-1:123456789012:target/0-a/template/0-b/run/0-c/finding/0-d")
    with pytest.raises(Exception, match="finding/0-d: ITEM_DOES_NOT_EXIST"):
        aws.handle(sns(gone, there))
    assert len(aws.published()) == 1


def test_a_classic_call_that_fails_is_raised_and_v2_is_told(aws: Aws) -> None:
    aws.faults["inspector.DescribeFindings"] = ["AccessDeniedException"]
    with pytest.raises(ClientError):
        aws.handle(sns(aws.add_classic(classic_port()), v2_event()))
    assert len(aws.published()) == 1


def test_classic_every_run_finds_anew_and_is_told_once(aws: Aws) -> None:
    monday = [aws.add_classic(classic_port(), 1, "0-monday"), aws.add_classic(classic_port(), 2, "0-monday")]
    # Two findings of one run are two, even if they look alike.
    assert aws.handle(sns(*monday), "1") == counts(published=2)
    assert aws.handle(sns(aws.add_classic(classic_port(), 3, "0-tuesday")), "2") == counts(repeated=1)


def test_classic_notifications_about_runs_are_ignored(aws: Aws) -> None:
    event = sns({"event": "ASSESSMENT_RUN_COMPLETED"}, {"event": "ENABLE_ASSESSMENT_NOTIFICATIONS"})
    assert aws.handle(event) == counts()
    assert aws.classic_calls == []


def test_without_a_table_a_finding_is_told_all_the_same(aws: Aws) -> None:
    boto3.client("dynamodb", region_name=REGION).delete_table(TableName="issues")
    for _ in range(2):
        assert aws.handle(v2_event()) == counts(published=1)
        assert len(aws.published()) == 1


STRANGER = "333333333333"


def test_no_role_is_assumed_in_an_account_that_is_not_configured(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    client = Sessions.client

    def receive(sessions: Sessions, service: str, account_id: str = "", region: str = "") -> Any:
        asked.append(account_id)
        return client(sessions, service, account_id, region)

    monkeypatch.setattr(Sessions, "client", receive)
    aws.configure(ALLOWED, trusted_cidrs=["198.51.100.0/24"])
    notification = aws.add_classic(classic_port())
    notification["finding"] = notification["finding"].replace(MAIN, STRANGER)
    with pytest.raises(UnknownAccountError, match=f"^the configuration does not name account {STRANGER}$"):
        aws.handle(sns(notification, v2_event(account=STRANGER)))
    [message] = aws.published()
    assert message["notes"] == [
        "security groups could not be read, so none of it is held back for trusted_cidrs: the configuration does not "
        f"name account {STRANGER}"
    ]
    assert STRANGER not in asked
