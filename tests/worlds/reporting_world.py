"""An issue table in an emulated AWS, stand-ins for JIRA, Slack and the webhook, and the reporting job between them."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from unittest.mock import patch

from moto import mock_aws

from library.aws.conditional_writes import TABLE_DEFINITION, serialized
from library.aws.issue_table import IssueTable
from library.aws.lock import REPORTING_LOCK_ID, Lock
from library.aws.secrets import SecretReader
from library.aws.session import Sessions
from library.config import Configuration, parse_configuration
from library.issues.issue import Issue, IssueDetails
from library.issues.reconcile import Detection, reconcile
from library.jobs.command_line import Selection
from library.jobs.run import Lease, renewing_sleep
from library.notifications.clients import open_channels
from library.security_groups.exposure import Exposure
from reporting.read import ReportSummary
from reporting.run import Reporter, Services
from tests.standins.jira import JiraStandIn, User
from tests.standins.slack import SlackStandIn
from tests.standins.webhook import WebhookStandIn

MAIN, MEMBER = "123456789012", "210987654321"
REGION = "eu-west-1"
TABLE = "issues"
START = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)

SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
RDP = Exposure("tcp", 3389, 3389, "8.8.8.0/24", "open_partly")


@dataclass
class World:
    """Everything around the job.

    Attributes:
        clock: what time it is; sleeping moves it.
        slept: how long the job slept, each time.
        more_accounts: ids and names, beyond those that are always there.
        groups: the ids of all groups that were found exposed.
        webhook: runs only in a test that starts it.
        sections: of the file `config`, beyond what is always there.
        aws_sections: of its section `aws`.
        ticket_owners: the file.
        exemptions: the main account's, of the file `whitelist`.
    """

    jira: JiraStandIn
    slack: SlackStandIn
    table: IssueTable
    clock: datetime = START
    slept: list[float] = field(default_factory=list)
    sections: dict[str, Any] = field(default_factory=dict)
    aws_sections: dict[str, Any] = field(default_factory=dict)
    ticket_owners: dict[str, Any] = field(default_factory=lambda: {"jira_project": "SEC"})
    exemptions: list[Any] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    more_accounts: dict[str, str] = field(default_factory=dict)
    groups: dict[str, None] = field(default_factory=dict)
    webhook: WebhookStandIn = field(default_factory=WebhookStandIn)

    def configuration(self) -> Configuration:
        whitelist = {"secgrp_unrestricted_access": {MAIN: self.exemptions}}
        return parse_configuration(
            {
                "whitelist": ("whitelist.json", json.dumps(whitelist).encode()),
                "config": ("config.json", json.dumps(self.config_file()).encode()),
                "ticket_owners": ("ticket_owners.json", json.dumps(self.ticket_owners).encode()),
            }
        )

    def config_file(self) -> dict[str, Any]:
        return {
            "aws": {
                "main_account_id": MAIN,
                "region": REGION,
                "accounts": {MAIN: "master", MEMBER: "shop", **self.more_accounts},
                "s3_backup_bucket": "hammer-backup-bucket",
                **self.aws_sections,
            },
            "jira": {"enabled": True, "server": self.jira.url, **self.sections.get("jira", {})},
            "slack": {"enabled": True, "base_url": f"{self.slack.url}/api/", **self.sections.get("slack", {})},
            "webhook": self.sections.get("webhook", {}),
            "decisions": self.sections.get("decisions", {}),
            "usage": self.sections.get("usage", {}),
            "whitelisting_procedure_url": "https://wiki.example.com/exemptions",
            "secgrp_unrestricted_access": {
                "ddb.table_name": TABLE,
                "reporting": True,
                "remediation": True,
                **self.sections.get("secgrp_unrestricted_access", {}),
            },
        }

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock += timedelta(seconds=seconds)

    def replace_row(self, item: Mapping[str, Any]) -> None:
        """Have an issue's row be this, as other tooling may write it."""
        kept_sessions().client("dynamodb").put_item(TableName=TABLE, Item=serialized(item))

    def lock(self, who: str = "a host") -> Lock:
        """The lock of reporting, for one process."""
        client = kept_sessions().client("dynamodb")
        return Lock(client, TABLE, MAIN, who, lambda: self.clock, REPORTING_LOCK_ID)

    def report(
        self,
        *groups: str,
        dry_run: bool = False,
        said: list[str] | None = None,
        lock: Lock | None = None,
        left: Sequence[str] = (),
    ) -> ReportSummary:
        """Run the job once, as a new process would.

        Args:
            groups: the groups that are selected.
            dry_run: whether nothing is sent.
            said: gets what is shown.
            lock: one that is held, and is to be kept.
            left: the accounts that left the configuration.
        """
        config = self.configuration()
        secrets = SecretReader(
            lambda: kept_sessions().client("secretsmanager"),
            {
                "HAMMER_JIRA_SECRET": json.dumps(self.jira.secret),
                "HAMMER_SLACK_SECRET": json.dumps(self.slack.secret),
                "HAMMER_WEBHOOK_SECRET": json.dumps(self.webhook.secret),
                **self.secrets,
            },
        )
        lease = Lease(lock, lambda: self.clock) if lock else None
        before_write = lease.renew_now if lease else _nothing
        sleep = renewing_sleep(self.sleep, before_write) if lease else self.sleep
        channels = open_channels(config, secrets, sleep, before_write, lambda: self.clock)
        services = Services(
            sessions=kept_sessions(),
            table=self.table,
            jira=channels.jira,
            slack=channels.slack,
            webhook=channels.webhook,
            now=lambda: self.clock,
            sleep=sleep,
            renew=lease.renew if lease else _nothing,
            show_text=(said if said is not None else []).append,
            left_accounts=left,
        )
        return Reporter(config, services).run(Selection(groups=frozenset(groups)), dry_run=dry_run)

    def passes(self, **time: float) -> None:
        self.clock += timedelta(**time)

    def found(
        self,
        group_id: str = "sg-1",
        *perms: Exposure,
        name: str = "web",
        tags: Mapping[str, str] | None = None,
        account_id: str = MAIN,
        exempt: bool = False,
    ) -> Issue:
        """Identification found a group exposed."""
        self.groups[group_id] = None
        status = "open_partly" if perms and all(p.status == "open_partly" for p in perms) else "open_completely"
        details = IssueDetails(name, REGION, "vpc-1", status, dict(tags or {}), perms or (SSH,))  # type: ignore[arg-type]
        return self._reconciled(group_id, account_id, Detection(account_id, group_id, details, exempt))

    def fixed(self, group_id: str = "sg-1", account_id: str = MAIN) -> Issue:
        """Identification found a group safe."""
        return self._reconciled(group_id, account_id, None)

    def issue(self, group_id: str = "sg-1", account_id: str = MAIN) -> Issue:
        issue = self.table.get(account_id, group_id)
        assert issue is not None
        return issue

    def _reconciled(self, group_id: str, account_id: str, detection: Detection | None) -> Issue:
        change = reconcile(self.table.get(account_id, group_id), detection, self.clock)
        assert change is not None
        self.table.write(change)
        return change.issue


def _nothing() -> None:
    pass


class _KeptSessions(Sessions):
    """Keeps its clients from one test to the next: to make one takes longer than most tests."""

    def forget(self, account_id: str, region: str) -> None:
        del account_id, region


@cache
def kept_sessions() -> Sessions:
    return _KeptSessions(MAIN, REGION, "hammer-cloudsec-crossact-ec2")


@contextmanager
def reporting_world(*, cloud: bool = True, tls: ssl.SSLContext | None = None) -> Iterator[World]:
    """A fresh world. `tls`: what JIRA and Slack speak TLS with."""
    with ExitStack() as stack:
        # Thousands of images that nobody asks for are most of what a fresh EC2 costs.
        stack.enter_context(patch.dict(os.environ, {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}))
        stack.enter_context(mock_aws())
        jira, slack = JiraStandIn(cloud=cloud), SlackStandIn()
        jira.tls = slack.tls = tls
        stack.enter_context(jira.running())
        stack.enter_context(slack.running())
        jira.users = [User("5b10a2844c20165700ede21g" if cloud else "ana", "Ana Lima", "ana@example.com")]
        jira.users.append(User("5b10ac8d82e05b22cc7d4ef5" if cloud else "sec", "Security Team", "sec@example.com"))
        slack.people = {"U000000001": ("ana", "ana@example.com"), "U000000002": ("bo", "bo@example.com")}
        client = kept_sessions().client("dynamodb")
        client.create_table(TableName=TABLE, **TABLE_DEFINITION)
        yield World(jira, slack, IssueTable(client, TABLE))
