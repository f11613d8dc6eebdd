"""The remediation and restore jobs on an eventually consistent EC2, in memory and on a virtual clock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from library.config import load_configuration
from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.jobs.command_line import Selection
from library.network.addresses import RFC_1918
from library.security_groups.group import IngressRule, SecurityGroup
from remediation.backups import Backups
from remediation.context import RemediationContext
from remediation.eligibility import account_policy
from remediation.journal import JournalEntry, read_details
from remediation.restore import RestoreJob
from remediation.restore_plan import RestoreTarget
from remediation.rules import lets_in_all_of
from remediation.runs import BatchRun, RemediationSummary
from tests.worlds.lagging_ec2 import Clock, LaggingEc2, MemoryBucket, State
from tests.worlds.memory_table import MemoryLock, MemoryTable
from tests.worlds.remediation_world import People

ACCOUNT, REGION, BUCKET = "123456789012", "eu-west-1", "hammer-backup-bucket"


@dataclass
class EventualWorld:
    """One account and region."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    people: People = field(default_factory=People)
    settings: dict[str, Any] = field(default_factory=dict)
    whitelist: dict[str, Any] = field(default_factory=dict)
    quota: float = 60.0

    def __post_init__(self) -> None:
        self.notes: list[str] = []  # of the last batch run
        self.ec2 = LaggingEc2(self.clock)
        self.table = MemoryTable()
        self.lock = MemoryLock()
        self.bucket = MemoryBucket(self.clock)
        self.configure()

    def configure(self, whitelist: Mapping[str, Any] | None = None, **settings: Any) -> None:
        """Write the configuration, with these keys of the section changed."""
        self.settings |= settings
        self.whitelist = dict(whitelist) if whitelist is not None else self.whitelist
        section = {
            "ddb.table_name": "issues",
            "remediation": True,
            "restricted_ports": [22, 3389],
            "remediation_retention_period": 0,
            **self.settings,
        }
        config = {
            "aws": {
                "main_account_id": ACCOUNT,
                "region": REGION,
                "accounts": {ACCOUNT: "main", "210987654321": "member"},
                "role_name_identification": "hammer-id",
                "role_name_reporting": "hammer-ec2",
                "s3_backup_bucket": BUCKET,
            },
            "secgrp_unrestricted_access": section,
        }
        (self.folder / "config.json").write_text(json.dumps(config))
        (self.folder / "whitelist.json").write_text(json.dumps({"secgrp_unrestricted_access": self.whitelist}))
        self._config = load_configuration(str(self.folder))

    def group(self, *rules: IngressRule) -> str:
        """A group with these rules, and its due issue."""
        group_id = self.ec2.create(*rules)
        details = IssueDetails("web", REGION, "vpc-1", "open_completely", {}, ())
        reported = Timestamps(reported=self.clock.time - timedelta(days=30))
        self.table.put(Issue(ACCOUNT, group_id, Status.OPEN, details, reported))
        return group_id

    def batch(self, *groups: str) -> RemediationSummary:
        """What `hammer remediate --batch` does."""
        return self.new_batch(*groups).run()

    def new_batch(self, *groups: str) -> BatchRun:
        """The same, not begun."""
        context = self.context()
        self.notes = context.notes
        return BatchRun(context, lambda: self._config, Selection.of(None, None, groups), self.people)

    def restore(self, group_id: str, backup: str = "", *, exact: bool = False) -> list[str]:
        """What `hammer restore --batch` does. Returns what it could not do."""
        target = RestoreTarget(ACCOUNT, REGION, group_id)
        return RestoreJob(self.context(), self._config, target, self.people, exact=exact).restore(backup, batch=True)

    def release(self, group_id: str) -> list[str]:
        """What `hammer restore --release` does."""
        return RestoreJob(self.context(), self._config, RestoreTarget(ACCOUNT, REGION, group_id), self.people).release()

    def context(self) -> RemediationContext:
        """A run's context."""
        self.ec2.dead = False
        quotas = SimpleNamespace(get_service_quota=lambda **_: {"Quota": {"Value": self.quota}})
        sessions = SimpleNamespace(
            client=lambda service, *_: self.ec2 if service == "ec2" else quotas,
            role_arn=lambda account_id: f"arn:aws:iam::{account_id}:role/hammer-ec2",
        )
        return RemediationContext(
            sessions=cast(Any, sessions),
            table=cast(Any, self.table),
            backups=Backups(cast(Any, self.bucket), BUCKET),
            lock=cast(Any, self.lock),
            notifier=self.people,
            who="tester",
            now=self.clock.now,
            sleep=self.clock.sleep,
        )

    def stored(self, group_id: str) -> Issue:
        issue = self.table.get(ACCOUNT, group_id)
        assert issue is not None
        return issue

    def backups(self, group_id: str) -> list[str]:
        """The keys of a group's backups, the oldest first."""
        return sorted(key for key in self.bucket.objects if key.startswith("security_groups/") and group_id in key)

    def entry(self, group_id: str) -> JournalEntry | None:
        return read_details(cast(Any, self.table), self.stored(group_id)).entry

    def exposed(self, group_id: str) -> bool:
        """Whether the group exposes anything in scope, truly."""
        rules = tuple(self.ec2.rules(group_id).values())
        policy = account_policy(self._config, ACCOUNT)
        found = policy.evaluator.evaluate(
            SecurityGroup(group_id, "web", "vpc-1", "", {}, rules), {}, policy.exemptions, self.clock.time.date()
        )
        return any(exposure.status in policy.scope for exposure in found.exposures) and not found.whitelisted

    def hold_to_the_contract(self, *, restoring: bool = False) -> None:
        """Check at each change of Hammer's: no private access is cut, and nothing but a restore exposes anything.

        Args:
            restoring: somebody asked for a restore.
        """
        policy = account_policy(self._config, ACCOUNT)

        def check(operation: str, before: State, after: State) -> None:
            for group_id, rules in after.items():
                cut = _private_access(before[group_id]) - _private_access(rules)
                gone = [rule for rule in before[group_id] if rule not in rules]
                assert not cut or restoring or not any(map(_is_public, gone)), f"{operation} cut {sorted(cut)}"
                for rule in set(rules) - set(before[group_id]):
                    found = policy.evaluator.evaluate(SecurityGroup(group_id, "", "", "", {}, (rule,)), {})
                    assert restoring or not found.exposures, f"{operation} opened {rule}"

        self.ec2.watch = check


def _is_public(rule: IngressRule) -> bool:
    return rule.cidr not in RFC_1918


def _private_access(rules: Iterable[IngressRule]) -> set[tuple[str, int | None, str]]:
    """Which private range reaches which port, as a whole."""
    return {
        (protocol, port, cidr)
        for protocol, port in (("tcp", 22), ("tcp", 3389), ("tcp", 443), ("udp", 22), ("50", None))
        for cidr in RFC_1918
        if any(lets_in_all_of(rule, IngressRule(protocol, port, port, cidr=cidr)) for rule in rules)
    }
