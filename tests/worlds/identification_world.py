"""Two accounts with Hammer's table and topic in the emulated AWS, and its two Lambdas called as AWS calls them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from identification import describe_security_groups
from library.aws.conditional_writes import TABLE_DEFINITION
from library.aws.issue_table import IssueTable
from library.aws.records import CoverageRecords
from tests.builders.rules import permission
from tests.worlds.emulated_aws import EmulatedAws

MAIN, SLAVE, OTHER = "123456789012", "210987654321", "333333333333"
IRELAND, VIRGINIA = "eu-west-1", "us-east-1"
TABLE = "hammer-security-groups-unrestricted"
ROLE = "hammer-cloudsec-crossact-id"
EXTERNAL_ID = "a-shared-secret"
CONTRACT_ATTRIBUTES = ("account_id", "issue_id", "status", "issue_details", "timestamps", "jira_details")

_serialize, _deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize
_make_client: Any = boto3.client  # its types want the service's name as a literal


@dataclass
class World:
    """What a test works with.

    Attributes:
        folder: of the configuration.
        clock: the time that handlers see.
    """

    aws: EmulatedAws
    folder: Path
    clock: datetime = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
    section: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Configure, and make the table."""
        self.configure()
        self.dynamodb.create_table(TableName=TABLE, **TABLE_DEFINITION)
        self._clients: dict[tuple[str, str], Any] = {}

    @property
    def dynamodb(self) -> Any:
        return _main_client("dynamodb", self.aws.endpoint)

    def configure(self, **section: Any) -> None:
        """Write the file `config`, with these values in its section; `regions` are those of its section `aws`."""
        self.section |= section
        regions = self.section.pop("regions", [IRELAND, VIRGINIA])
        config: dict[str, Any] = {
            "aws": {
                "main_account_id": MAIN,
                "region": IRELAND,
                "accounts": {MAIN: "master", SLAVE: "slave1"},
                "role_name_identification": ROLE,
                "external_id": EXTERNAL_ID,
                **({"regions": regions} if regions else {}),
            },
            "secgrp_unrestricted_access": {
                "ddb.table_name": TABLE,
                "restricted_ports": [22, 3389],
                **self.section,
            },
        }
        (self.folder / "config.json").write_text(json.dumps(config))

    def whitelist(self, *exemptions: Any, account_id: str = SLAVE) -> None:
        """Write the file `whitelist`."""
        content = {"secgrp_unrestricted_access": {account_id: list(exemptions)}}
        (self.folder / "whitelist.json").write_text(json.dumps(content))

    def later(self, **by: float) -> datetime:
        """Let time pass, an hour unless told otherwise."""
        self.clock += timedelta(**(by or {"hours": 1}))
        return self.clock

    def ec2(self, account_id: str = SLAVE, region: str = IRELAND) -> Any:
        """A client of somebody who works in the account."""
        if (account_id, region) not in self._clients:
            self._clients[account_id, region] = _client("ec2", account_id, region, self.aws.endpoint)
        return self._clients[account_id, region]

    def group(self, *rules: str, name: str = "web", account_id: str = SLAVE, region: str = IRELAND) -> str:
        """Make a group with these rules in the default VPC, and return its id."""
        ec2 = self.ec2(account_id, region)
        group_id: str = ec2.create_security_group(GroupName=name, Description="for a test")["GroupId"]
        self.allow(group_id, *rules, account_id=account_id, region=region)
        return group_id

    def allow(self, group_id: str, *rules: str, account_id: str = SLAVE, region: str = IRELAND) -> None:
        """Add rules."""
        if rules:
            described = [_without_empty(permission(rule)) for rule in rules]
            self.ec2(account_id, region).authorize_security_group_ingress(GroupId=group_id, IpPermissions=described)

    def revoke(self, group_id: str, *rules: str, account_id: str = SLAVE, region: str = IRELAND) -> None:
        """Take rules away."""
        described = [_without_empty(permission(rule)) for rule in rules]
        self.ec2(account_id, region).revoke_security_group_ingress(GroupId=group_id, IpPermissions=described)

    def describe(self, *targets: Mapping[str, Any]) -> dict[str, int]:
        """Run the Lambda on these scan targets; none named: the second account in Ireland."""
        messages = targets or (target(),)
        return describe_security_groups.lambda_handler(sns_event(*map(json.dumps, messages)), None)

    def items(self, *, other: bool = False) -> dict[str, dict[str, Any]]:
        """The issues in the table by group id; `other`: what else is there, by `issue_id`."""
        found = self.dynamodb.scan(TableName=TABLE, ConsistentRead=True)["Items"]
        items = [{name: _deserialize(value) for name, value in item.items()} for item in found]
        return {item["issue_id"]: item for item in items if item["issue_id"].startswith("sg-") != other}

    def coverage(self, account_id: str = SLAVE, region: str = IRELAND) -> Any:
        """What the table says about the last scan of an account and region, or None."""
        scans = CoverageRecords(IssueTable(self.dynamodb, TABLE).items).of_account(account_id)
        return next((scan for scan in scans if scan.region == region), None)

    def set(self, group_id: str, account_id: str = SLAVE, **attributes: Any) -> None:
        """Set whole attributes of an item, as another job would."""
        self.dynamodb.update_item(
            TableName=TABLE,
            Key={"account_id": {"S": account_id}, "issue_id": {"S": group_id}},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
            ExpressionAttributeNames={f"#{name}": name for name in attributes},
            ExpressionAttributeValues={f":{name}": _serialize(value) for name, value in attributes.items()},
        )

    def issue_table(self) -> IssueTable:
        """The table, as the other jobs use it."""
        return IssueTable(self.dynamodb, TABLE)

    def written_issues(self) -> list[str]:
        """The ids of the groups whose issues were written since the calls were forgotten, one for each write."""
        written = [
            call.parameters for call in self.aws.calls if call.operation in ("PutItem", "UpdateItem", "DeleteItem")
        ]
        written += [
            each["Update"]
            for call in self.aws.calls
            if call.operation == "TransactWriteItems"
            for each in call.parameters["TransactItems"]
            if "Update" in each
        ]
        keys = [(each.get("Key") or each["Item"])["issue_id"]["S"] for each in written]
        assert "BatchWriteItem" not in self.aws.operations("dynamodb")
        return sorted(key for key in keys if key.startswith("sg-"))

    def items_read(self) -> int:
        """How many items DynamoDB read for the calls since they were forgotten."""
        return sum(
            answer.body["ScannedCount"]
            if answer.call.operation in ("Query", "Scan")
            else sum(map(len, answer.body["Responses"].values()))
            for answer in self.aws.answers
            if answer.call.operation in ("Query", "Scan", "BatchGetItem")
        )


def target(account_id: str = SLAVE, region: str = IRELAND, group_ids: Sequence[str] | None = None) -> dict[str, Any]:
    """A message as initiation publishes it."""
    message: dict[str, Any] = {"account_id": account_id, "account_name": "slave1", "region": region}
    return message if group_ids is None else {**message, "group_ids": list(group_ids)}


def sns_event(*messages: str) -> dict[str, Any]:
    """What Lambda gets from SNS: these messages, a record each."""
    return {
        "Records": [
            {"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"Type": "Notification", "Message": message}}
            for message in messages
        ]
    }


def one_time(operation: str, group_id: str, action: Callable[[], object]) -> Any:
    """A hook that does something right before the first write of a group's issue."""
    done: list[bool] = []

    def hook(call: Any) -> None:
        key = call.parameters.get("Key") or call.parameters.get("Item") or {}
        if call.operation == operation and key.get("issue_id") == {"S": group_id} and not done:
            done.append(True)
            action()

    return hook


def _without_empty(described: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described.items() if value != []}


@cache
def _main_client(service: str, endpoint: str) -> Any:
    return _make_client(service, region_name=IRELAND, endpoint_url=endpoint)


def _client(service: str, account_id: str, region: str, endpoint: str) -> Any:
    if account_id == MAIN:
        return _make_client(service, region_name=region, endpoint_url=endpoint)
    assumed = _main_client("sts", endpoint).assume_role(
        RoleArn=f"arn:aws:iam::{account_id}:role/somebody", RoleSessionName="test"
    )["Credentials"]
    return _make_client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=assumed["AccessKeyId"],
        aws_secret_access_key=assumed["SecretAccessKey"],
        aws_session_token=assumed["SessionToken"],
    )
