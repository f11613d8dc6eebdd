"""An emulated AWS with groups and issues to remediate, and the jobs' real command lines in front of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import botocore.session
from moto import mock_aws
from typer.testing import CliRunner, Result

from hammer.bootstrap import bootstrap
from library.aws.conditional_writes import serialized
from library.aws.ec2 import PrefixListReader
from library.aws.issue_table import IssueTable
from library.aws.lock import Lock
from library.aws.session import Sessions
from library.config import Configuration, load_configuration
from library.documents.document import plain_text
from library.issues.change_notifications import ChangeNotification
from library.issues.issue import Issue, IssueDetails
from library.issues.times import format_time
from library.jobs.command_line import Selection
from library.notifications.change_delivery import Delivery, notification_document
from library.security_groups.exposure import Exposure
from library.security_groups.group import parse_security_group, rule_key
from remediation import clean_security_groups, restore_security_groups
from remediation.backups import Backups
from remediation.context import Prompt, RemediationContext
from remediation.eligibility import account_policy
from remediation.notify import Notifier
from remediation.restore import RestoreJob
from remediation.restore_plan import RestoreTarget
from remediation.rules import single_permissions
from remediation.runs import BatchRun, InteractiveRun, RemediationSummary

MAIN, MEMBER = "123456789012", "210987654321"
REGION = "eu-west-1"
TABLE, BUCKET = "issues", "hammer-backup-bucket"
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
ANYWHERE = "0.0.0.0/0"


def permission(protocol: str, ports: tuple[int, int] | None, *sources: str, about: str = "") -> dict[str, Any]:
    """A permission as AuthorizeSecurityGroupIngress takes it. A source is a CIDR, a pl- or an sg-."""
    kinds: dict[str, tuple[str, Callable[[str], bool]]] = {
        "IpRanges": ("CidrIp", lambda source: "." in source),
        "Ipv6Ranges": ("CidrIpv6", lambda source: ":" in source),
        "PrefixListIds": ("PrefixListId", lambda source: source.startswith("pl-")),
        "UserIdGroupPairs": ("GroupId", lambda source: source.startswith(("sg-", "self"))),
    }
    described = {"Description": about} if about else {}
    made: dict[str, Any] = {"IpProtocol": protocol}
    if ports is not None:
        made |= {"FromPort": ports[0], "ToPort": ports[1]}
    for kind, (key, takes) in kinds.items():
        if chosen := [{key: source, **described} for source in sources if takes(source)]:
            made[kind] = chosen
    return made


@dataclass
class People(Notifier, Prompt):
    """Who is told, and who is asked. `while_asked` is what others do before the answer."""

    said: list[str] = field(default_factory=list)
    comments: list[tuple[str, str]] = field(default_factory=list)
    alerts: list[tuple[str, str]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    while_asked: Callable[[], object] = lambda: None

    def show(self, text: object) -> None:
        self.said.append(str(text))

    def confirm(self, question: str) -> str:
        self.said.append(question)
        self.while_asked()
        return self.answers.pop(0) if self.answers else "q"

    @property
    def has_webhook(self) -> bool:
        return False

    def queue_event(self, issue: Issue, notification: ChangeNotification, delivery: Delivery) -> None:
        raise NotImplementedError

    def comment(self, issue: Issue, notification: ChangeNotification, delivery: Delivery) -> str:
        if not delivery.begin():
            return ""  # the reporting job tells it
        self.comments.append((issue.issue_id, plain_text(notification_document(notification))))
        delivery.done()
        return ""

    def queue_alert(self, issue: Issue, notification: ChangeNotification, delivery: Delivery) -> None:
        if not delivery.begin():
            return  # the reporting job tells it
        delivery.done()
        lines = (issue.issue_id, notification.text, *notification.details)
        self.alerts.append((notification.heading, "\n".join(lines)))

    def alert_operators(self, heading: str, text: str) -> None:
        self.alerts.append((heading, text))

    def send(self) -> list[str]:
        return []


@dataclass
class World:
    """Two accounts, one region."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    whitelist: dict[str, Any] = field(default_factory=dict)
    clock: datetime = NOW
    slept: list[float] = field(default_factory=list)
    people: People = field(default_factory=People)
    _groups: int = 0

    def __post_init__(self) -> None:
        self.sessions = Sessions(MAIN, REGION, "hammer-ec2", base=quick_session())
        self.configure()
        for _ in bootstrap(self.config, self.sessions.client):
            pass
        self.table = IssueTable(self.sessions.client("dynamodb"), TABLE)
        self.backups = Backups(self.sessions.client("s3"), BUCKET)
        self.vpcs: dict[str, str] = {}

    def configure(self, whitelist: Mapping[str, Any] | None = None, **settings: Any) -> None:
        """Write the configuration, with these keys of the section `secgrp_unrestricted_access` changed."""
        self.settings |= settings
        self.whitelist = dict(whitelist) if whitelist is not None else self.whitelist
        section = {
            "ddb.table_name": TABLE,
            "remediation": True,
            "restricted_ports": [22, 3389],
            "remediation_retention_period": 0,
            **self.settings,
        }
        config = {
            "aws": {
                "main_account_id": MAIN,
                "region": REGION,
                "accounts": {MAIN: "main", MEMBER: "member"},
                "role_name_identification": "hammer-id",
                "role_name_reporting": "hammer-ec2",
                "s3_backup_bucket": BUCKET,
            },
            "secgrp_unrestricted_access": section,
        }
        (self.folder / "config.json").write_text(json.dumps(config))
        (self.folder / "whitelist.json").write_text(json.dumps({"secgrp_unrestricted_access": self.whitelist}))

    @property
    def config(self) -> Configuration:
        return load_configuration(str(self.folder))

    def ec2(self, account: str = MAIN) -> Any:
        return self.sessions.client("ec2", account, REGION)

    def group(self, *permissions: Mapping[str, Any], account: str = MAIN, name: str = "") -> str:
        """A group with these rules. A source `self` stands for the group."""
        if account not in self.vpcs:
            self.vpcs[account] = self.ec2(account).create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        self._groups += 1
        group_id: str = self.ec2(account).create_security_group(
            GroupName=name or f"group {self._groups}", Description="test", VpcId=self.vpcs[account]
        )["GroupId"]
        if permissions:
            text = json.dumps(permissions).replace('"self"', json.dumps(group_id))
            self.ec2(account).authorize_security_group_ingress(GroupId=group_id, IpPermissions=json.loads(text))
        return group_id

    def prefix_list(self, *cidrs: str, account: str = MAIN) -> str:
        answer = self.ec2(account).create_managed_prefix_list(
            PrefixListName="list",
            MaxEntries=max(len(cidrs), 1),
            AddressFamily="IPv4",
            Entries=[{"Cidr": cidr} for cidr in cidrs],
        )
        return str(answer["PrefixList"]["PrefixListId"])

    def described(self, group_id: str, account: str = MAIN) -> dict[str, Any]:
        """A group as EC2 describes it, in an order that does not depend on how it came about."""
        (raw,) = self.ec2(account).describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
        return normal(raw)

    def rules(self, group_id: str, account: str = MAIN) -> set[tuple[str, int | None, int | None, str]]:
        (raw,) = self.ec2(account).describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
        return {tuple(rule_key(rule)) for rule in parse_security_group(raw).ingress}  # type: ignore[misc]

    def issue(self, group_id: str, account: str = MAIN, reported_days: float | None = 30, **more: Any) -> Issue:
        """An issue of a group in the table, as other tooling might have written it."""
        item = {
            "account_id": account,
            "issue_id": group_id,
            "status": "open",
            "open_region": REGION,
            "issue_details": IssueDetails(group_id, REGION, "vpc-1", "open_completely", {}, ()).to_item(),
            "timestamps": {
                "identified": format_time(NOW - timedelta(days=40)),
                "updated": None,
                "reported": None if reported_days is None else format_time(NOW - timedelta(days=reported_days)),
                "remediated": None,
                "resolved": None,
                "closed": None,
            },
            "jira_details": {"ticket": "SEC-1"},
            **more,
        }
        self.sessions.client("dynamodb").put_item(TableName=TABLE, Item=serialized(item))
        return self.stored(group_id, account)

    def stored(self, group_id: str, account: str = MAIN) -> Issue:
        issue = self.table.get(account, group_id)
        assert issue is not None
        return issue

    def exposures(self, group_id: str, account: str = MAIN) -> tuple[Exposure, ...]:
        """What a group exposes now, exemptions taken out."""
        (raw,) = self.ec2(account).describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
        group = parse_security_group(raw)
        policy = account_policy(self.config, account)
        lists = PrefixListReader(self.ec2(account))
        lists.read(policy.evaluator.prefix_lists_named(group))
        found = policy.evaluator.evaluate(group, lists.entries, policy.exemptions, self.clock.date())
        return () if found.whitelisted else found.exposures

    def exposed(self, group_id: str, account: str = MAIN) -> set[tuple[str, str]]:
        """(source, status) of what a group exposes now, exemptions taken out."""
        return {(e.cidr, e.status) for e in self.exposures(group_id, account)}

    def backups_of(self, group_id: str, account: str = MAIN) -> list[dict[str, Any]]:
        """The group's backups, the newest first."""
        return [self.backups.read(backup.key, group_id) for backup in self.backups.list(account, REGION, group_id)]

    def lock(self, who: str = "somebody") -> Lock:
        return Lock(self.sessions.client("dynamodb"), TABLE, MAIN, who, self.now)

    def now(self) -> datetime:
        self.clock += timedelta(milliseconds=1)
        return self.clock

    def sleep(self, seconds: float) -> None:
        """A wait that passes on the world's clock alone."""
        self.slept.append(seconds)
        self.clock += timedelta(seconds=seconds)

    def tools(self) -> RemediationContext:
        """Tools of a run whose clock and sleep are the test's."""
        lock = self.lock()
        lock.acquire()
        return RemediationContext(
            sessions=self.sessions,
            table=self.table,
            backups=self.backups,
            lock=lock,
            notifier=self.people,
            who="tester",
            now=self.now,
            sleep=self.sleep,
        )

    def batch(self, *groups: str) -> RemediationSummary:
        """What `hammer remediate --batch` does, with the test's clock, sleep and people."""
        tools = self.tools()
        try:
            return BatchRun(tools, lambda: self.config, Selection.of(None, None, groups), self.people).run()
        finally:
            tools.lock.release()

    def by_hand(self, *answers: str, include_not_due: bool = False) -> RemediationSummary:
        """What `hammer remediate` does at a terminal, where a person gives these answers."""
        tools = self.tools()
        self.people.answers = list(answers)
        try:
            selection = Selection.of(None, None, None)
            run = InteractiveRun(tools, lambda: self.config, selection, self.people)
            return run.run(include_not_due=include_not_due)
        finally:
            tools.lock.release()

    def restore_quietly(self, group_id: str, account: str = MAIN, backup: str = "") -> list[str]:
        """What `hammer restore --batch` does, with the test's clock, sleep and people. Returns what it could not do."""
        tools = self.tools()
        try:
            job = RestoreJob(tools, self.config, RestoreTarget(account, REGION, group_id), self.people)
            return job.restore(backup, batch=True)
        finally:
            tools.lock.release()

    def remediate(self, *options: str, answers: str | None = None) -> Result:
        """`hammer remediate`."""
        return _run(clean_security_groups.app, "--config", str(self.folder), *options, answers=answers)

    def restore(self, group_id: str, *options: str, account: str = MAIN, answers: str | None = None) -> Result:
        """`hammer restore`."""
        location = ("--account", account, "--region", REGION, "--group", group_id)
        return _run(restore_security_groups.app, "--config", str(self.folder), *location, *options, answers=answers)


def _run(app: Any, *arguments: str, answers: str | None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=answers, catch_exceptions=False)


def normal(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A description without what its order says."""
    singles = sorted(
        json.dumps([rule._replace(rule_id=""), single], sort_keys=True)
        for rule, single in single_permissions(raw["IpPermissions"])
    )
    return {**raw, "IpPermissions": singles}


@contextmanager
def world(folder: Path, **settings: Any) -> Iterator[World]:
    """An empty world."""
    # Thousands of machine images, made for every account and region that is asked anything.
    with patch.dict(os.environ, {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}), mock_aws():
        yield World(folder, settings)


def quick_session() -> botocore.session.Session:
    """A session of the SDK that does not read services' models again."""
    base = botocore.session.get_session()
    base.register_component("data_loader", _loader())
    return base


@lru_cache
def _loader() -> Any:
    """Reads each service's model once for all tests."""
    return botocore.session.get_session().get_component("data_loader")
