"""People who press buttons: twice, late, together, while scans go on and processes die at any step.

In one thread, without a network: before each call of the table, of Slack and of JIRA the process may be killed, or
another one may do something meanwhile. What happens follows from the seed alone.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from library.aws.decision_messages import ButtonMessage, DecisionMessages
from library.aws.decision_store import exemption_records
from library.aws.issue_table import IssueTable
from library.config import Configuration
from library.errors import ConflictError
from library.issues.issue import Issue, IssueDetails
from library.issues.reconcile import Detection, reconcile
from library.security_groups.exposure import Exposure, ExposureKey, exposure_key
from reporting.decision_inbox import Inbox, acknowledgement, read_press
from reporting.decision_notifications import DecisionNotifications
from tests.builders.config_files import config_with, parse
from tests.worlds.memory_items import MemoryItems

ACCOUNT, GROUP, REGION, TEAM = "210987654321", "sg-1", "eu-west-1", "T1"
START = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
EXPOSURES = (
    Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely"),
    Exposure("tcp", 3389, 3389, "8.8.8.0/24", "open_partly"),
    Exposure("udp", 22, 22, "9.9.9.0/24", "open_partly"),
)


class KilledError(BaseException):
    """The process died."""


@dataclass
class _Message:
    text: str
    blocks: list[dict[str, Any]]

    @property
    def values(self) -> dict[str, str]:
        """The values of its buttons, by action id."""
        return {
            element["action_id"]: element["value"]
            for block in self.blocks
            if block["type"] == "actions"
            for element in block["elements"]
        }


@dataclass
class Simulation:
    """One history.

    Attributes:
        seed: all that happens follows from it.
        shown: the messages, by channel and time.
        waiting: what is still to happen.
        pressed: what a person who pressed saw: the exposures, and the end that the person wrote.
        comments: what the ticket was told.
        whispers: what single people were told.
        kills: how often a process may still die.
    """

    seed: int
    clock: datetime = START
    shown: dict[tuple[str, str], _Message] = field(default_factory=dict)
    waiting: list[Callable[[], None]] = field(default_factory=list)
    pressed: dict[str, tuple[frozenset[ExposureKey], date | None]] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    whispers: list[tuple[str, str]] = field(default_factory=list)
    kills: int = 3
    _depth: int = 0
    _users: int = 0
    _posts: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311 - a repeatable history
        self.items = MemoryItems(lambda _: self.step())
        self.table = IssueTable.__new__(IssueTable)
        self.table.items = cast(Any, self.items)
        self.quiet = True
        self._users = 0
        everybody = ["S0EVERYBODY"]
        self.config: Configuration = parse(
            config_with(
                {
                    "decisions/enabled": True,
                    "decisions/allow": everybody,
                    "decisions/allow_extend": everybody,
                    "secgrp_unrestricted_access/remediation": True,
                    "secgrp_unrestricted_access/restricted_ports": [22, 3389],
                }
            )
        )

    # What a process does.

    def step(self) -> None:
        """Before each call: another process may come in between, or this one die."""
        if self.quiet:
            return
        if self._depth < 3 and self.waiting and self.random.random() < 0.25:
            self._run(self.waiting.pop(self.random.randrange(len(self.waiting))))
        if self.kills and self._depth and self.random.random() < 0.04:
            self.kills -= 1
            raise KilledError

    def _run(self, action: Callable[[], None]) -> None:
        self._depth += 1
        try:
            action()
        except KilledError:
            self.waiting.append(self.catch_up)  # systemd starts it again
        finally:
            self._depth -= 1

    def notifications(self) -> DecisionNotifications:
        """The ways to reach people, of one process."""
        return DecisionNotifications(
            self.config, self.table, cast(Any, _Jira(self)), cast(Any, _Slack(self)), lambda: self.clock
        )

    def catch_up(self) -> None:
        """What a process does when it begins, and what a reporting run does."""
        notification = self.notifications()
        notification.notify_all(ACCOUNT)
        issue = self.table.get(ACCOUNT, GROUP)
        if issue and issue.decided.outbox:
            notification.notify(issue)

    def inbox(self) -> Inbox:
        """One process that listens."""
        return Inbox(
            config=lambda: self.config,
            table=self.table,
            connect=lambda _: cast(Any, _Connection(self)),
            slack=lambda _: cast(Any, _Slack(self)),
            jira=lambda _: cast(Any, _Jira(self)),
            restore=lambda _issue, _then: None,
            now=lambda: self.clock,
        )

    def receive(self, payload: Mapping[str, Any]) -> None:
        """A process gets an envelope: it acknowledges it, then does what it asks for."""
        press = read_press(payload, "A1")
        assert press is not None
        if acknowledgement(press, self.config, self.clock.date()) is None:
            self.inbox().handle(press)

    # What the world does.

    def scan(self) -> None:
        """Identification finds something exposed, or nothing."""
        perms = tuple(sorted(self.random.sample(EXPOSURES, self.random.randrange(4))))
        known = self.table.get(ACCOUNT, GROUP)
        worst = "open_completely" if any(perm.status == "open_completely" for perm in perms) else "open_partly"
        details = IssueDetails("web", REGION, "vpc-1", worst, {}, perms)  # type: ignore[arg-type]
        exempt = any(
            record.counts_on(self.clock.date()) and record.covers(perms)
            for record in exemption_records(cast(Any, self.items), ACCOUNT)
        )
        found = Detection(ACCOUNT, GROUP, details, exempt) if perms else None
        change = reconcile(known, found, self.clock)
        if change:
            with suppress(ConflictError):  # the next scan looks again
                self.table.write(change)

    def post(self) -> None:
        """A reporting run sends the message of the issue."""
        issue = self.table.get(ACCOUNT, GROUP)
        if issue is None:
            return
        quiet, self.quiet = self.quiet, True  # a message that nobody could record is rewritten when it is pressed
        message = self.notifications().message(issue)
        self._posts += 1
        ts = f"{self._posts}.0"
        self.shown["C1", ts] = _Message(message.text, copy.deepcopy(list(message.blocks)))
        DecisionMessages(cast(Any, self.items), lambda: self.clock).add(
            ACCOUNT, GROUP, ButtonMessage("C1", ts, message.digest)
        )
        self.quiet = quiet

    def press(self) -> None:
        """Somebody presses a button that a message shows now; the press may be late, and come twice."""
        buttons = [
            (location, action, value)
            for location, message in sorted(self.shown.items())
            for action, value in sorted(message.values.items())
        ]
        if not buttons:
            return
        (channel, ts), action, value = self.random.choice(buttons)
        issue = self._read_quietly()
        self._users += 1
        user = f"U{self._users:03}"
        self.pressed[user] = (self._seen_in(self.shown[channel, ts]), None)
        payload = {
            "type": "block_actions",
            "api_app_id": "A1",
            "user": {"id": user, "team_id": TEAM},
            "team": {"id": TEAM},
            "container": {"message_ts": ts, "channel_id": channel},
            "trigger_id": user,
            "actions": [{"action_id": action, "value": value, "action_ts": user}],
        }
        assert issue is not None
        self._deliver(payload)

    def _deliver(self, payload: Mapping[str, Any]) -> None:
        for _ in range(self.random.choice((1, 1, 2))):
            self.waiting.append(lambda: self.receive(payload))

    def open_view(self, user: str, view: Mapping[str, Any]) -> None:
        """A view was opened: the person fills it in, some time later."""
        fields: dict[str, str] = {"owner": f"{user}@example.com", "reason": f"because of {user}, really"}
        if view["callback_id"] == "hammer_exempt":
            # Of two views that are opened by a press that came twice the person fills in one.
            until = self.pressed[user][1] or self.clock.date() + timedelta(days=self.random.randrange(9))
            fields["until"] = until.isoformat()
            self.pressed[user] = (self.pressed[user][0], until)
        values = {name: {"x": {"value": text}} for name, text in fields.items()}
        payload = {
            "type": "view_submission",
            "api_app_id": "A1",
            "user": {"id": user, "team_id": TEAM},
            "team": {"id": TEAM},
            "view": {
                "id": f"V{user}",
                "callback_id": view["callback_id"],
                "private_metadata": view["private_metadata"],
                "state": {"values": values},
            },
        }
        self._deliver(payload)

    def time_passes(self) -> None:
        """Seconds, hours or days."""
        # No process hangs for minutes in the middle of a call: calls have time limits.
        longer = (timedelta(hours=3), timedelta(days=2)) if self._depth <= 1 else ()
        self.clock += self.random.choice((timedelta(seconds=5), *longer))

    def _read_quietly(self) -> Issue | None:
        quiet, self.quiet = self.quiet, True
        issue = self.table.get(ACCOUNT, GROUP)
        self.quiet = quiet
        return issue

    def _seen_in(self, message: _Message) -> frozenset[ExposureKey]:
        """The exposures that a message lists."""
        text = message.blocks[0]["text"]["text"]
        named = {
            "tcp/22 from 0.0.0.0/0": EXPOSURES[0],
            "tcp/3389 from 8.8.8.0/24": EXPOSURES[1],
            "udp/22 from 9.9.9.0/24": EXPOSURES[2],
        }
        return frozenset(exposure_key(exposure) for words, exposure in named.items() if f"    {words}" in text)

    def run(self) -> None:
        """Let it all happen, then let everybody finish."""
        while self._read_quietly() is None:
            self.scan()
        issue = self._read_quietly()
        assert issue is not None
        self.table.update(issue, {"jira_details": {"ticket": "SEC-1"}})
        self.post()
        self.quiet = False
        kinds = (self.scan, self.press, self.press, self.press, self.post, self.time_passes, self.catch_up)
        for _ in range(self.random.randrange(4, 14)):
            self.waiting.append(self.random.choice(kinds))
            if self.random.random() < 0.6:
                self._run(self.waiting.pop(self.random.randrange(len(self.waiting))))
        while self.waiting:
            self._run(self.waiting.pop(self.random.randrange(len(self.waiting))))
        self.quiet = True
        for _ in range(2):
            self.clock += timedelta(minutes=11)
            self.catch_up()

    # What must hold.

    def check(self) -> None:
        """Each decision once, messages right, no exemption wider or longer than what the person saw."""
        issue = self.table.get(ACCOUNT, GROUP)
        assert issue is not None
        decided = issue.decided.decisions
        assert not issue.decided.problem
        done = Counter(decision.by for decision in decided if decision.is_done)
        assert all(number == 1 for number in done.values()), done
        assert all(number <= 2 for number in Counter(decision.by for decision in decided).values())
        self._check_exemptions(issue)
        assert issue.decided.outbox == ()
        for decision in decided:
            notified = [text for text in self.comments if text.startswith(f"{decision.by} ")]
            assert len(notified) == len([other for other in decided if other.by == decision.by]), (decision, notified)
        message = self.notifications().message(issue)
        kept = {each.key for each in self.notifications().messages.of_issue(ACCOUNT, GROUP).messages}
        for location, shown in self.shown.items():
            # One that nobody could record, as the process died, has no buttons.
            if location in kept or shown.values:
                assert (shown.text, tuple(shown.blocks)) == (message.text, message.blocks), location

    def _check_exemptions(self, issue: Issue) -> None:
        records = list(exemption_records(cast(Any, self.items), ACCOUNT))
        exempted = [this for this in issue.decided.decisions if this.is_done and str(this.kind) == "exempt"]
        assert sorted(record.by for record in records) == sorted(decision.by for decision in exempted)
        for record in records:
            seen, until = self.pressed[record.by]
            assert record.exposures == seen
            assert record.until == until
            assert record.until <= record.at.date() + timedelta(days=7)


@dataclass
class _Connection:
    """Slack's Web API, as far as it is asked who somebody is."""

    simulation: Simulation

    def read(self, call: Callable[[Any], Any]) -> Any:
        self.simulation.step()
        return call(
            SimpleNamespace(
                users_info=lambda user: {"user": {"id": user, "team_id": TEAM}},
                auth_test=lambda: {"team_id": TEAM},
                usergroups_users_list=lambda **_: {"users": list(self.simulation.pressed)},
            )
        )


@dataclass
class _Slack:
    """Messages, views, and what single people are told."""

    simulation: Simulation
    has_app_token: bool = True

    def channel(self, name: str) -> str:
        return name

    def post(self, channel: str, text: str, blocks: Any, thread: Any = None) -> tuple[str, str]:
        del thread
        self.simulation.step()
        self.simulation._posts += 1
        ts = f"{self.simulation._posts}.0"
        # To a new owner. Nobody presses there before it is recorded.
        self.simulation.shown[channel, ts] = _Message(text, copy.deepcopy(list(blocks)))
        return channel, ts

    def update(self, channel: str, ts: str, text: str, blocks: Any) -> None:
        self.simulation.step()
        self.simulation.shown[channel, ts] = _Message(text, copy.deepcopy(list(blocks)))
        self.simulation.step()

    def post_ephemeral(self, channel: str, user: str, text: str, thread_ts: str = "") -> None:
        del channel, thread_ts
        self.simulation.step()
        self.simulation.whispers.append((user, text))

    def open_view(self, trigger_id: str, view: Any) -> None:
        self.simulation.step()
        self.simulation.open_view(trigger_id, view)


@dataclass
class _Jira:
    """One ticket."""

    simulation: Simulation

    @property
    def users(self) -> Any:
        return SimpleNamespace(assignable=lambda _project, _name: None)

    def url(self, key: str) -> str:
        return f"https://jira.example.com/browse/{key}"

    def has_comment(self, _key: str, marker: str) -> bool:
        self.simulation.step()
        return any(marker in body for body in self.simulation.comments)

    def comment(self, _key: str, body: str) -> None:
        self.simulation.step()
        self.simulation.comments.append(body)
        self.simulation.step()
