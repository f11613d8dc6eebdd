"""One simulated organization: its groups, Hammer's table and bucket, JIRA, Slack, and what is always true of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from library.config import Configuration, parse_configuration
from library.notifications.jira_client import NewTicket, Ticket
from library.notifications.jira_connection import JiraError
from reporting.plan import Update
from reporting.slack import _HEADINGS
from tests.simulation.access import EXEMPT_PORT, RESTRICTED_PORTS, Cell, cells, exposed, is_private, private
from tests.simulation.clients import Sessions, throttled
from tests.simulation.ec2 import HOME, PREFIX_LISTS, QUOTA, Ec2, Group, Rule, change_list, parse
from tests.simulation.expressions import Item
from tests.simulation.faults import Fault, Faults
from tests.simulation.scheduler import Actor, KilledError, Scheduler
from tests.simulation.storage import EPOCH, Bucket, Table

MAIN, MEMBER, REGION = "123456789012", "210987654321", HOME
_BEGUN = tuple(f"*{_HEADINGS[update]}*" for update in (Update.NEW, Update.FOUND_AGAIN))
_REPORTED = re.compile(r"\u2022 (?:\*\w+\* )?(sg-\w+)")
_DENIES_TAGS = 0.25
_AUTHORIZE = "authorize_security_group_ingress"
_READS = ("get", "describe", "batch_get", "query", "list", "read")


class InvariantError(AssertionError):
    """Something that must always be true is not."""


@dataclass(slots=True)
class KeptTicket:
    """A ticket of JIRA.

    Attributes:
        key: the one that it has now: whoever moves a ticket gives it another, and the old one still leads to it.
        body: what it says.
        set_by_person: whether a person closed or reopened it last.
        found_from: from when the search finds it, in virtual seconds.
    """

    key: str
    title: str
    labels: list[str]
    found_from: float
    body: str = ""
    is_done: bool = False
    set_by_person: bool = False
    comments: list[str] = field(default_factory=list)

    def set_status(self, *, is_done: bool, by_person: bool = False) -> None:
        """Close or reopen it."""
        self.is_done, self.set_by_person = is_done, by_person

    @property
    def project(self) -> str:
        """The project that it is in."""
        return self.key.rpartition("-")[0]

    def shown(self) -> Ticket:
        """As JIRA shows it."""
        return Ticket(self.key, self.is_done, tuple(self.labels))


@dataclass(slots=True)
class Settings:
    """What people have configured."""

    exemptions: dict[str, list[Any]] = field(default_factory=lambda: {MAIN: [], MEMBER: []})
    remediation_accounts: tuple[str, ...] = (MAIN, MEMBER)
    scope: tuple[str, ...] = ("open_completely", "open_partly")
    strategy: str = "replace_rule"
    retention: int = 0
    immediate: tuple[str, ...] = ()
    wait_days: int = 0
    project: str = "SEC"
    ports: tuple[int, ...] = tuple(RESTRICTED_PORTS)
    limit: int = 50
    regions: tuple[str, ...] = (REGION,)

    def configuration(self) -> Configuration:
        """The configuration as a job reads it."""
        remediated = [self.remediation_accounts, self.scope, self.strategy, self.retention, self.immediate]
        remediated += [self.wait_days, self.project, self.ports, self.limit, self.regions]
        return _configuration(json.dumps([self.exemptions, *remediated]))


@lru_cache(maxsize=2000)
def _configuration(text: str) -> Configuration:
    exemptions, accounts, scope, strategy, retention, immediate, wait_days, project, ports, limit, regions = json.loads(
        text
    )
    config = {
        "aws": {
            "main_account_id": MAIN,
            "region": REGION,
            "accounts": {MAIN: "main", MEMBER: "member"},
            "regions": regions,
            "s3_backup_bucket": "backups",
        },
        "jira": {"enabled": True, "server": "https://jira.example.com"},
        "slack": {"enabled": True, "base_url": "https://slack.example.com/api/"},
        "secgrp_unrestricted_access": {
            "ddb.table_name": "issues",
            "reporting": True,
            "remediation": True,
            "remediation_retention_period": retention,
            "remediation_immediate": {"*": immediate},
            "remediation_wait_in_use_days": wait_days,
            "remediation_accounts": accounts,
            "remediation_scope": scope,
            "remediation_strategy": strategy,
            "restricted_ports": ports,
            "remediation_limit_per_run": limit,
        },
    }
    whitelist = {"secgrp_unrestricted_access": {account: listed for account, listed in exemptions.items() if listed}}
    return parse_configuration(
        {
            "config": ("config.json", json.dumps(config).encode()),
            "whitelist": ("whitelist.json", json.dumps(whitelist).encode()),
            "ticket_owners": ("ticket_owners.json", json.dumps({"jira_project": project}).encode()),
        }
    )


class World:
    """One organization.

    Args:
        seed: decides everything that happens.
        regions: where each account has groups.

    Attributes:
        history: what happened, one line each.
        longest_lag: how late EC2 shows a change at most, in seconds.
        busiest: the group that most is done with; empty: none.
        longest_lag: how late EC2 may show a change, in seconds.
        days: whether groups have changes that are days apart, and people restore older ones.
        services: further services that clients call, by their names: objects with their operations.
        watchers: each is told of every change of a group: account, operation, group id, added and removed rules.
        kind: what else happens (`tests.simulation.kinds`); empty: the history is of another sort.
        tickets: by the keys that they were filed with.
        archived: the projects of which JIRA changes no ticket any more.
        index_lag: within so many seconds a new ticket is found.
        is_weak: whether EC2 is later than AWS says: then nothing need be complete at rest.
        is_paged: whether describes of groups and rules have two pages.
        poisoned: the groups whose rows somebody wrote who is not Hammer.
        claimed: the tickets that such a row names as its own, so that Hammer tells them of that group.
        before_quiet: called when nothing fails any more, before the healthy runs.
        has_lost_threads: whether Slack did not take a part of a thread, which is sent once only.
        readers: each is told of every text that people get: where, and the text.
    """

    main_account = MAIN

    def __init__(self, seed: int, regions: tuple[str, ...] = (REGION,)) -> None:
        self.seed = seed
        change_list()
        self.random = Random(seed)  # noqa: S311 - a simulation, not a secret
        self.history: list[str] = []
        self.scheduler = Scheduler(self.random)
        self.faults = Faults(self.random)
        self.settings = Settings(regions=regions)
        # Drawn apart, so that histories with one region stay as they are.
        self._region_random = Random(f"region {seed}")  # noqa: S311 - a simulation, not a secret
        self.table = Table()
        self.table.watch = self._watch_table
        self.bucket = Bucket(lambda: self.now)
        self.tickets: dict[str, KeptTicket] = {}
        self.archived: set[str] = set()
        self.index_lag = 10.0
        self.messages: list[tuple[str, str]] = []
        self.services: dict[str, Any] = {}
        self.watchers: list[Callable[[str, str, str, tuple[Rule, ...], tuple[Rule, ...]], None]] = []
        self.readers: list[Callable[[str, str], None]] = []
        # Who reported which occurrence of a group's issue to Slack, and at which step.
        self.reported: dict[tuple[str, str], tuple[Actor, int]] = {}
        self.sessions = Sessions(self)
        self.ec2 = {
            account_id: Ec2(account_id, lambda: self.now, self.random, self._watching(account_id))
            for account_id in (MAIN, MEMBER)
        }
        # The rules that owners made and did not take away, and the private access that they took away themselves.
        self._added: set[str] = set()
        apart = Random(f"tags {seed}")  # noqa: S311 - drawn apart, so that histories stay as they are
        for ec2 in self.ec2.values():
            ec2.denies_tags = apart.random() < _DENIES_TAGS
            ec2.wrong_region = self._wrong_region
        self.skew = 0.0
        self.longest_lag = 60.0
        self.busiest = ""
        self.longest_lag = 0.0
        self.days = False
        self.kind = ""
        self.is_weak = False
        self.is_paged = False
        self.poisoned: set[str] = set()
        self.claimed: set[str] = set()
        self.before_quiet: list[Callable[[], object]] = []
        self.broken = ""
        self.trace: BaseException | None = None
        self.created = 0
        self.exempted: set[str] = set()
        self.owned: dict[str, set[Rule]] = {}
        self.cut: dict[str, set[Cell]] = {}
        # The rules that EC2 told a run to be there, each with that run.
        self.relied_on: dict[str, dict[Rule, Actor]] = {}
        # Of `tests.simulation.use`: the occurrence of which a worker is known, and since when; what people were told.
        self.known_workers: dict[str, tuple[int, float]] = {}
        self.texts: list[tuple[str, str]] = []
        self.has_lost_threads = False
        self.waits_since = 0.0

    @property
    def now(self) -> float:
        """The virtual time, in seconds."""
        return self.scheduler.now

    def clock(self) -> datetime:
        """The time that the machine of the running actor shows."""
        actor = self.scheduler.current
        return EPOCH + timedelta(seconds=self.now + (actor.skew if actor else 0.0))

    def note(self, text: str) -> None:
        """Add a line to the history."""
        actor = self.scheduler.current
        self.history.append(f"{self.now:9.2f} {actor.name if actor else 'world':14} {text}")

    def exemptions_of(self, account_id: str, group: Group) -> list[Any]:
        """The configured exemptions that count for a group now."""
        today = (EPOCH + timedelta(seconds=self.now)).date().isoformat()
        names = (group.group_id, f"{group.vpc_id}:{group.name}")
        return [
            each
            for each in self.settings.exemptions[account_id]
            if (each in names if isinstance(each, str) else each["group"] in names and each.get("expires", "9") > today)
        ]

    # Regions.

    @property
    def regions(self) -> tuple[str, ...]:
        """Where each account has groups."""
        return self.settings.regions

    def some_region(self, usual: str = "", often: float = 0.0) -> str:
        """One of the regions: with a usual one mostly that."""
        if len(self.regions) == 1:
            return self.regions[0]
        is_usual = usual and self._region_random.random() < often
        return usual if is_usual else self._region_random.choice(self.regions)

    def region_of(self, account_id: str, group_id: str) -> str:
        """Where a group is or was."""
        return self.ec2[account_id].region_of(group_id) or REGION

    # Calls.

    def call(
        self,
        service: str,
        operation: str,
        effect: Callable[[], Any],
        arguments: Any = None,
        *,
        refused: Callable[[], Exception] | None = None,
        lost: Callable[[], Exception] | None = None,
        can_repeat: bool = True,
    ) -> Any:
        """Something that the running actor calls."""
        self.scheduler.step()
        actor = self.scheduler.current
        writes = not operation.startswith(_READS)
        fault = self.faults.draw(writes=writes) if actor else Fault.NONE
        if fault is not Fault.NONE or writes:
            self.note(f"{service}.{operation} {_short(arguments)}{f' {fault.name}' if fault is not Fault.NONE else ''}")
        if actor and fault is not Fault.NONE:
            actor.trouble = self.scheduler.steps
        if fault is Fault.REFUSED:
            raise refused() if refused else throttled(service)
        if actor and fault is Fault.KILLED_BEFORE:
            actor.is_killed = True
            raise KilledError
        if operation == _AUTHORIZE and actor and not actor.is_person:
            self.relied_on.setdefault(arguments["GroupId"], {}).update(
                (rule, actor) for permission in arguments["IpPermissions"] for rule in parse(permission)
            )
        result = effect()
        if fault is Fault.REPEATED and can_repeat:
            try:
                result = effect()
            except ClientError as error:
                error.response["ResponseMetadata"]["RetryAttempts"] = 1  # as botocore tells it
                raise
        if actor and fault is Fault.KILLED_AFTER:
            actor.is_killed = True
            raise KilledError
        if fault is Fault.LOST:
            raise lost() if lost else ReadTimeoutError(endpoint_url=f"https://{service}.example.com")
        return result

    def file_ticket(self, ticket: NewTicket) -> str:
        """File a ticket, which the search finds a little later."""
        if ticket.project in self.archived:
            raise JiraError(f"{ticket.project} is archived", 400, {"project": "is archived"}, is_own=True)
        key = f"{ticket.project}-{len(self.tickets) + 1}"
        found_from = self.now + self.random.uniform(0, self.index_lag)
        self.tickets[key] = KeptTicket(key, ticket.title, list(ticket.labels), found_from, ticket.body)
        for reader in self.readers:
            reader("JIRA", f"{ticket.title}\n{ticket.body}")
        return key

    def ticket(self, key: str) -> KeptTicket | None:
        """The ticket that a key leads to; None: there is none."""
        moved = (ticket for ticket in self.tickets.values() if ticket.key == key)
        return self.tickets.get(key) or next(moved, None)

    def comment(self, ticket: KeptTicket, body: str) -> None:
        """Comment on a ticket."""
        ticket.comments.append(body)
        for reader in self.readers:
            reader("JIRA", f"{ticket.title}\n{body}")

    def send(self, channel: str, text: str, sections: Iterable[str]) -> None:
        """Show a message in Slack. Only if something went wrong after a report was sent may it be sent again."""
        self.messages.append((channel, f"{text} {' '.join(sections)}"))
        for reader in self.readers:
            reader("Slack", self.messages[-1][1])
        actor = self.scheduler.current
        begun = (section for section in sections if section.startswith(_BEGUN))
        assert actor is not None
        for group_id in _REPORTED.findall(" ".join(begun)):
            if group_id in self.poisoned:
                continue
            accounts = [account for account, issue_id in self.table.items if issue_id == group_id]
            occurrence = self.table.attribute(accounts[0], group_id, "occurrence")["N"]
            before = self.reported.get((group_id, occurrence))
            is_once = before is None or before[0].trouble >= before[1]
            self.check(is_once, f"Slack was told twice of occurrence {occurrence} of {group_id}")
            self.reported[group_id, occurrence] = actor, self.scheduler.steps

    # What is always true.

    def _watching(self, account_id: str) -> Any:
        def watch(
            operation: str,
            group_id: str,
            before: Group,
            after: Group | None,
            added: tuple[Rule, ...],
            removed: tuple[Rule, ...],
        ) -> None:
            self.note(f"   {operation} {group_id}: +[{_listed(added)}] -[{_listed(removed)}]")
            for watcher in self.watchers:
                watcher(account_id, operation, group_id, added, removed)
            actor = self.scheduler.current
            if actor is None or actor.is_person:
                self._by_owner(account_id, group_id, after, added, removed)
                return
            assert after is not None
            opened = exposed(cells(after.rules)) - exposed(cells(before.rules))
            if group_id in self.exempted:  # carving leaves exempt ports as they are
                opened -= {cell for cell in opened if cell[:2] == EXEMPT_PORT}
            self.check(
                not opened or bool(actor.facts.get("restores")), f"{group_id} was opened by Hammer: {sorted(opened)}"
            )
            self._added.update(rule.rule_id for rule in added)
            for rule in added if actor.facts.get("restores") else ():
                is_back = not exposed(cells([rule])) or self._is_backed_up(account_id, group_id, rule)
                self.check(is_back, f"{group_id}: a restore added {rule}, which is in no backup of the group")
            for rule in removed:
                is_safe = rule.rule_id in self._added or self._is_backed_up(account_id, group_id, rule)
                self.check(is_safe, f"{group_id}: {rule} is in no backup when it is revoked")
            missing = self.expected(group_id) - cells(after.rules)
            self.check(not missing, f"{group_id}: private access was cut: {sorted(missing)}")

        return watch

    def _by_owner(
        self, account_id: str, group_id: str, after: Group | None, added: tuple[Rule, ...], removed: tuple[Rule, ...]
    ) -> None:
        if after is None:
            self.owned.pop(group_id, None)
            return
        owned = self.owned.setdefault(group_id, set())
        owned |= set(added)
        owned -= set(removed)
        cut = self.cut.setdefault(group_id, set())
        relied_on = self.relied_on.get(group_id, {})
        for rule in removed:
            left: Iterable[Rule] = after.rules
            if self.ec2[account_id].quota < QUOTA:
                # Where rules had no room, what Hammer adds depends on wider ones as EC2 shows them.
                left = ()
            elif rule in relied_on and not relied_on[rule].is_done:
                # A run asked EC2 whether this rule is there, and closes the public rule next: who takes the rule away
                # in between takes the access away.
                left = [other for other in left if is_private(other.source)]
            if self.is_hammers(rule):
                # Who takes away a rule of Hammer's takes its access away, though another of Hammer's, which may stand
                # in for nothing and is withdrawn then, gives it for now (seed 52250 at lag 280).
                left = [other for other in left if not self.is_hammers(other)]
            if self.kind == "settings":
                # What a list gives for now goes when its owner changes the list (seed 521).
                left = [other for other in left if other.source not in PREFIX_LISTS]
            cut |= private(cells([rule])) - cells(left)
        for rule in added:
            cut -= cells([rule])

    def expected(self, group_id: str) -> frozenset[Any]:
        """The private access that the group's owners have."""
        return private(cells(self.owned.get(group_id, ()))) - self.cut.get(group_id, set())

    def is_hammers(self, rule: Rule) -> bool:
        """Whether Hammer added a rule."""
        return rule.rule_id in self._added

    def _is_backed_up(self, account_id: str, group_id: str, rule: Rule) -> bool:
        prefix = f"security_groups/{account_id}/{self.region_of(account_id, group_id)}/{group_id}_"
        return any(rule in _rules_of(body) for key, (body, _) in self.bucket.objects.items() if key.startswith(prefix))

    def _wrong_region(self, group_id: str, region: str) -> None:
        actor = self.scheduler.current
        is_job = actor is not None and not actor.is_person
        self.check(not is_job, f"EC2 was asked in {region} to change {group_id}, which is elsewhere")

    def _watch_table(self, before: Item, after: Item) -> None:
        """An issue is resolved only where EC2 may have shown the group harmless, or not at all, since the job began."""
        status, was = (item.get("status", {}).get("S", "") for item in (after, before))
        account_id, group_id = after["account_id"]["S"], after["issue_id"]["S"]
        actor = self.scheduler.current
        if status != "resolved" or was not in ("open", "whitelisted") or actor is None or actor.is_person:
            return
        # What is restricted, and who is in a prefix list, is not always what it was then.
        if group_id in self.poisoned or self.kind == "settings":
            return
        possible = self.ec2[account_id].could_show(group_id, float(actor.facts["begins"]))
        is_right = any(group is None or not exposed(cells(group.rules)) for group in possible)
        self.check(is_right, f"{group_id} was resolved, and EC2 showed it exposed all the time")

    def check(self, is_true: bool, text: str) -> None:
        """End the simulation unless something is true."""
        if is_true:
            return
        self.note(f"BROKEN: {text}")
        self.broken = self.broken or text
        actor = self.scheduler.current
        if actor is None:
            raise InvariantError(text)
        actor.is_killed = True
        raise KilledError


@lru_cache(maxsize=200)
def _rules_of(body: bytes) -> frozenset[Rule]:
    """The rules of a backup."""
    return frozenset(known for permission in json.loads(body)["IpPermissions"] for known in parse(permission))


def _listed(rules: tuple[Rule, ...]) -> str:
    return ", ".join(f"{rule} ({rule.rule_id[-3:]})" for rule in rules)


def _short(arguments: Any) -> str:
    if not arguments:
        return ""
    kept = {key: value for key, value in arguments.items() if key not in ("TableName", "Body", "Item")}
    return str(kept)[:160]
