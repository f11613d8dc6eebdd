"""Whatever comes from outside: each parser understands it, or refuses it with the error that its callers expect.

`make soak` tries many more examples (FUZZ_EXAMPLES).
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from identification.cloudtrail import OwnRoles, parse_call
from identification.errors import MalformedEventError
from identification.events import hint_of
from identification.inspector.delivery import (
    FindingRecord,
    can_be_issue,
    compose,
    detection,
    issue_id,
    no_record,
    plan_delivery,
    record_id,
)
from identification.inspector.events import read_record, records
from identification.inspector.expected_ports import decide
from identification.inspector.finding import Finding, parse_classic
from identification.messages import Deliveries, parse_target
from library.config import ConfigurationError, parse_configuration
from library.issues.issue import Issue
from library.issues.reconcile import reconcile
from library.issues.scan_coverage import ScanCoverage
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exposure import Evaluator
from library.security_groups.group import ShapeError, parse_security_group
from remediation.backups import Backup, BackupError, Backups
from remediation.context import Prompt
from remediation.restore_plan import RestoreTarget, read_source
from tests.builders.api_calls import api_call, authorized
from tests.builders.inspector_samples import classic_aggregate, classic_notification, section, sns, v2_event
from tests.builders.issues import an_issue

FUZZED = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
# What the readers of the table's items catch.
UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)

_ODD = st.sampled_from(
    [
        "",
        "\x00",
        "\ud83d",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "Mon Jan 01 00:00:00 UTC 0001",
        "sg-",
        "0.0.0.0/0",
        "::/0",
        "1e999999",
        "-1",
        "true",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | _ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
# As the deserializer of DynamoDB gives them.
STORED = st.recursive(
    st.none()
    | st.booleans()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.sampled_from([Decimal("1E+125"), Decimal("-1E-130"), Decimal("1.5")])
    | st.text(max_size=20)
    | _ODD
    | st.frozensets(st.text(max_size=4), min_size=1, max_size=3).map(set),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _locations(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, Mapping):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(location for key, entry in inner for location in _locations(entry, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn, sample: Any, values: st.SearchStrategy[Any]) -> Any:
    """A sample of which a few parts are gone or something else."""
    changed = copy.deepcopy(sample)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(_locations(changed)))
        if not path:
            return draw(values)
        parent = changed
        for step in path[:-1]:
            parent = parent[step]
        if draw(st.booleans()):
            parent[path[-1]] = draw(values)
        else:
            del parent[path[-1]]
    return changed


def _published(finding: Finding) -> None:
    """Everything that the filter does with a finding that it has read."""
    decision = decide(finding, section(allowed_ports={"web": [22]}), PortSet.parse([22]), date(2026, 11, 22))
    plan_delivery(no_record("123456789012", record_id(finding)), decision, "one", NOW, NOW)
    message = json.loads(compose(decision, "main", PortSet.parse([22])).publish_arguments()["Message"])
    assert "default" in message
    if can_be_issue(finding):
        change = reconcile(None, detection(decision), NOW)
        if change is not None:
            assert Issue.from_item(change.issue.to_item()) == change.issue
        issue_id(finding).encode("ascii")


@FUZZED
@given(JSON | mutated(v2_event(), JSON) | mutated(sns(v2_event(), classic_notification(), "x"), JSON))
def test_events_of_inspector(event: Any) -> None:
    with suppress(MalformedEventError):
        for record in records(event):
            message = read_record(record)
            if isinstance(message, Finding):
                _published(message)


@FUZZED
@given(mutated(classic_aggregate("[[22 - 22]]", "[[53 - 53]]"), JSON).filter(lambda value: isinstance(value, dict)))
def test_findings_of_classic(raw: dict[str, Any]) -> None:
    _published(parse_classic(raw))


TARGET = {"account_id": "123456789012", "account_name": "main", "region": "eu-west-1", "group_ids": ["sg-1", "sg-2"]}


@FUZZED
@given(JSON | mutated(sns(TARGET, TARGET), JSON), st.booleans())
def test_scan_targets(event: Any, through_sqs: bool) -> None:
    if through_sqs:
        event = {"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": json.dumps(event)}]}
    with suppress(MalformedEventError):
        for record in Deliveries(event, "scan targets").records:
            with suppress(MalformedEventError):
                target = parse_target(record)
                assert all(isinstance(text, str) for text in (target.account_id, target.region, *target.group_ids))


OWN = OwnRoles(frozenset({"hammer-id"}), "123456789012", "hammer-host")
_RULE = {
    "groupId": "sg-7c228307",
    "ipPermissions": {
        "items": [
            {
                "ipProtocol": "tcp",
                "fromPort": 22,
                "toPort": 22,
                "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]},
                "prefixListIds": {"items": [{"prefixListId": "pl-12345678"}]},
            }
        ]
    },
}
_MODIFIED = {
    "ModifySecurityGroupRulesRequest": {
        "GroupId": "sg-7c228307",
        "SecurityGroupRule": {"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": {"IpProtocol": "tcp"}},
    }
}
CALLS = [
    api_call("AuthorizeSecurityGroupIngress", _RULE, {"_return": True}),
    authorized("sg-7c228307"),
    api_call("ModifySecurityGroupRules", _MODIFIED),
    api_call("ModifyManagedPrefixList", {"ModifyManagedPrefixListRequest": {"PrefixListId": "pl-12345678"}}),
    api_call("CreateRoute", {"routeTableId": "rtb-1"}),
]


@FUZZED
@given(JSON | st.sampled_from(CALLS).flatmap(lambda call: mutated(call, JSON)))
def test_events_of_cloudtrail(event: Any) -> None:
    with suppress(MalformedEventError):
        call = parse_call(event)
        if call.is_relevant:
            assert call.account_id == event["account"]
            json.dumps(hint_of(call, OWN).group_ids)


CONFIGURATION = {
    "aws": {
        "main_account_id": "123456789012",
        "region": "eu-west-1",
        "accounts": {"123456789012": "main"},
        "regions": ["eu-west-1"],
        "s3_backup_bucket": "backups",
    },
    "cronjobs": {"reporting": "55 * * * *"},
    "jira": {"enabled": True, "server": "https://jira.example.com"},
    "slack": {"enabled": "true", "base_url": "https://slack.com/api/"},
    "secgrp_unrestricted_access": {
        "ddb.table_name": "issues",
        "restricted_ports": [22, "8000-8100", "udp/161"],
        "trusted_cidrs": ["198.51.100.0/24"],
        "remediation_retention_period": 21,
    },
    "inspector": {"allowed_ports": {"web": ["tcp/80"]}},
}
WHITELIST = {
    "secgrp_unrestricted_access": {
        "123456789012": [
            "sg-7c228307",
            {"group": "sg-7c228308", "ports": ["tcp/22"], "cidrs": ["8.8.8.0/24"], "expires": "2027-03-01"},
        ]
    }
}
OWNERS = {"jira_project": "SEC", "account": {"123456789012": {"slack_owner": ["#ops"]}}}


@FUZZED
@given(
    mutated(CONFIGURATION, JSON),
    mutated(WHITELIST, JSON) | st.just(WHITELIST),
    mutated(OWNERS, JSON) | st.just(OWNERS),
    st.binary(max_size=30),
    st.sampled_from(["json", "yaml"]),
)
def test_configurations(config: Any, whitelist: Any, owners: Any, noise: bytes, kind: str) -> None:
    files = {
        name: (f"{name}.{kind}", json.dumps(content).encode() + (noise if len(noise) % 5 == 4 else b""))
        for name, content in (("config", config), ("whitelist", whitelist), ("ticket_owners", owners))
    }
    with suppress(ConfigurationError):
        parse_configuration(files)


@FUZZED
@given(mutated(an_issue().to_item(), STORED))
def test_rows_of_issues(item: Any) -> None:
    with suppress(*UNREADABLE):
        issue = Issue.from_item(item)
        issue.check()
        issue.to_item()


RECORD = no_record("123456789012", "inspector#1").to_item()
COVERAGE = {
    "account_id": "123456789012",
    "issue_id": "scan-coverage#eu-west-1",
    "region": "eu-west-1",
    "outcome": "complete",
    "started": "2026-11-22T03:00:00+00:00",
    "milliseconds": Decimal(7),
    "groups": Decimal(3),
    "reason": "",
}


@FUZZED
@given(mutated(RECORD, STORED), mutated(COVERAGE, STORED))
def test_other_rows(record: Any, coverage: Any) -> None:
    with suppress(*UNREADABLE):
        FindingRecord.from_item(record)
    with suppress(*UNREADABLE):
        ScanCoverage.from_item(coverage)


GROUP = {
    "GroupId": "sg-7c228307",
    "GroupName": "web",
    "Description": "web",
    "OwnerId": "123456789012",
    "VpcId": "vpc-1",
    "Tags": [{"Key": "Name", "Value": "web"}],
    "IpPermissions": [
        {
            "IpProtocol": "tcp",
            "FromPort": 22,
            "ToPort": 22,
            "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "all"}],
            "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
            "PrefixListIds": [{"PrefixListId": "pl-1"}],
            "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": "123456789012"}],
        }
    ],
    "IpPermissionsEgress": [],
}


@FUZZED
@given(mutated(GROUP, JSON).filter(lambda raw: _same_kind(raw, GROUP)))
def test_groups_of_ec2(raw: Any) -> None:
    """Botocore's parser sees to it that a list is a list and a map a map, whatever is in them."""
    with suppress(ShapeError):
        group = parse_security_group(raw)
        Evaluator(PortSet.parse([22]), AddressSet.of(())).evaluate(group, {}, (), date(2026, 11, 22))


class _NoOwner(Prompt):
    """Nobody reads along."""

    def show(self, text: object) -> None:
        del text

    def confirm(self, question: str) -> str:
        del question
        return "q"


class _StoredBackups(Backups):
    """One backup, which is whatever somebody stored."""

    def __init__(self, stored: Any) -> None:
        self.bucket = "backups"
        self._stored = stored

    def list(self, account_id: str, region: str, group_id: str) -> list[Backup]:
        return [Backup(NOW, BACKUP_KEY)]

    def _read(self, key: str) -> bytes:
        return json.dumps(self._stored).encode()


BACKUP_KEY = f"security_groups/123456789012/eu-west-1/{GROUP['GroupId']}_20261122T030000.000000Z.json"


@FUZZED
@given(mutated(GROUP["IpPermissions"], JSON))
@example([])
@example(None)
@example({"IpProtocol": "tcp"})
@example([{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}])
@example([{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": {"CidrIp": "8.8.8.8/32"}}])
@example([{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ["8.8.8.8/32"]}])
@example([{"IpProtocol": "50", "FromPort": "x", "IpRanges": [{"CidrIp": "8.8.8.8/32"}]}])
@example([{"IpProtocol": "tcp", "FromPort": True, "ToPort": 22, "IpRanges": [{"CidrIp": "8.8.8.8/32"}]}])
@example([{"IpProtocol": "tcp", "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": 1}]}])
def test_backups(permissions: Any) -> None:
    """Whoever can write to the bucket, and other tooling, may have stored anything."""
    backups = _StoredBackups({**GROUP, "IpPermissions": permissions})
    target = RestoreTarget("123456789012", "eu-west-1", "sg-7c228307")
    problem, source = "", None
    try:
        source = read_source(backups, target, BACKUP_KEY, _NoOwner(), {}, lambda: None)
    except BackupError as error:
        problem = str(error)
    if source is None:
        assert BACKUP_KEY in problem
    else:
        # Nothing of it is passed over, unless two of its rules are the same.
        assert isinstance(permissions, list)
        assert bool(source.permissions) == bool(permissions)


def _same_kind(value: Any, sample: Any) -> bool:
    if isinstance(sample, dict):
        return isinstance(value, dict) and all(_same_kind(entry, sample.get(key)) for key, entry in value.items())
    if isinstance(sample, list):
        return isinstance(value, list) and all(_same_kind(entry, sample[0] if sample else None) for entry in value)
    return sample is None or isinstance(value, type(sample))
