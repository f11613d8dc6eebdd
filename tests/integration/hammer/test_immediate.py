"""`hammer immediate`: a request on the queue is reported first and remediated then, and nothing else is touched."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hammer import immediate
from library.aws.records import JobRecords
from library.issues.issue import Status
from library.issues.reachability import Reachability, Sources, Verdict
from library.jobs.command_line import application
from tests.worlds.remediation_world import ANYWHERE, MAIN, MEMBER, REGION, World, permission, quick_session, world

CRITICAL = Reachability.of(Verdict.INTERNET, Sources.ALL, "open_completely")
HIGH = Reachability.of(Verdict.UNKNOWN, None, "open_completely")
SSH = permission("tcp", (22, 22), ANYWHERE)
OPEN = {("0.0.0.0/0", "open_completely")}


class Queue:
    """The emulated queue, and the command in front of it."""

    def __init__(self, given: World) -> None:
        self.world = given
        self._client = given.sessions.client("sqs")
        self.url: str = self._client.create_queue(QueueName="hammer-immediate-remediation")["QueueUrl"]

    def asks(self, *group_ids: str, account: str = MAIN) -> None:
        for group_id in group_ids:
            self.send(json.dumps({"account_id": account, "region": REGION, "group_id": group_id}))

    def send(self, body: str) -> None:
        self._client.send_message(QueueUrl=self.url, MessageBody=body)

    def run(self) -> Result:
        options = ["--config", str(self.world.folder), "--queue", self.url, "--wait", "0"]
        return CliRunner().invoke(application(immediate.command), options, catch_exceptions=False)

    @property
    def left(self) -> int:
        """How many messages were not deleted: they come again when the visibility timeout is over."""
        names: list[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    # The jobs make sessions of their own, each of which would read the models of EC2 and others again.
    monkeypatch.setattr("library.aws.session.sdk_session", quick_session)
    section: dict[str, Any] = {
        "reporting": True,
        "remediation_retention_period": 21,
        "remediation_immediate": {"*": ["critical"]},
    }
    with world(tmp_path, **section) as made:
        yield Queue(made)


def a_group(given: World, reachability: Reachability = CRITICAL, account: str = MAIN, **more: Any) -> str:
    """An open group with an issue that nobody was told of yet."""
    group_id = given.group(SSH, account=account)
    issue = given.issue(group_id, account, **{"reported_days": None, **more})
    live = given.exposures(group_id, account)
    details = replace(issue.details, perms=live, reachability=reachability)
    return given.issue(
        group_id, account, **{"reported_days": None, "issue_details": details.to_item(), **more}
    ).issue_id


def test_what_is_asked_for_is_told_first_and_closed_then_and_nothing_else_is_touched(queue: Queue) -> None:
    given = queue.world
    asked, other, milder = a_group(given), a_group(given), a_group(given, HIGH)
    queue.asks(asked, asked, milder)
    result = queue.run()
    assert result.exit_code == 0
    assert "Hammer will replace this rule at its next run." in result.output
    assert result.output.endswith("2 groups asked for, 0 left for later\n")
    issue = given.stored(asked)
    assert issue.closing_notice is not None
    assert issue.timestamps.reported is not None
    assert issue.timestamps.remediated is not None
    assert issue.timestamps.reported <= issue.closing_notice.at <= issue.timestamps.remediated
    assert given.exposed(asked) == set()
    assert given.backups_of(asked)
    # The milder one was asked for, too: it is told its date, and left.
    assert (given.exposed(milder), given.stored(milder).closing_notice) == (OPEN, None)
    assert given.stored(milder).timestamps.reported is not None
    assert (given.exposed(other), given.stored(other).timestamps.reported) == (OPEN, None)
    assert queue.left == 0
    again = queue.run()
    assert (again.exit_code, again.output) == (0, "nothing was asked for\n")
    records = {run.job: run.outcome for run in JobRecords(given.table.items, MAIN).runs()}
    assert records == {"immediate": "done", "remediate": "done", "report": "done"}


def test_who_was_promised_a_date_is_told_before(queue: Queue) -> None:
    given = queue.world
    group = a_group(given, reported_days=0.001)
    # The mode alone closes nothing: nobody was told.
    assert given.remediate("--batch").exit_code == 0
    assert given.exposed(group) == OPEN
    queue.asks(group)
    assert queue.run().exit_code == 0
    assert given.exposed(group) == set()


def test_a_request_is_dropped_where_the_configuration_does_not_want_it_any_more(queue: Queue) -> None:
    given = queue.world
    group, before = a_group(given), dict(given.settings)
    unwanted: list[dict[str, Any]] = [
        {"remediation": False},
        {"reporting": False},
        {"remediation_immediate": {}},
        {"remediation_accounts": [MEMBER]},
    ]
    for settings in unwanted:
        given.configure(**{"remediation": True, "remediation_accounts": [MAIN], **before, **settings})
        queue.asks(group)
        assert (queue.run().exit_code, queue.left) == (0, 0), settings
    assert given.exposed(group) == OPEN
    assert given.stored(group).timestamps.reported is None


def test_what_another_run_keeps_from_being_done_comes_again(queue: Queue) -> None:
    given = queue.world
    group = a_group(given)
    lock = given.lock("another host")
    given.clock = datetime.now(UTC)
    lock.acquire()
    queue.asks(group)
    result = queue.run()
    assert result.exit_code == 1
    assert "remediation could not do everything" in result.output
    assert (given.exposed(group), queue.left) == (OPEN, 1)
    lock.release()
    queue.asks(group)  # in place of the one that comes again later
    assert (queue.run().exit_code, queue.left) == (0, 1)
    assert given.exposed(group) == set()


def test_an_exemption_that_cannot_be_read_is_named_and_the_request_comes_again(queue: Queue) -> None:
    """Nobody knows what is exempt then: nothing is told or closed."""
    given = queue.world
    group = a_group(given)
    given.table.items.update(MAIN, f"exemption#{group}#000001", {"until": "some day"})
    queue.asks(group)
    result = queue.run()
    assert (result.exit_code, queue.left) == (1, 1)
    named = f"exemption#{group}#000001 in {MAIN}: the exemption cannot be read: 'at' is missing"
    assert f"hammer: reporting could not do everything: {named}" in result.output
    assert (given.exposed(group), given.stored(group).timestamps.reported) == (OPEN, None)


def test_more_than_the_limit_at_once_changes_nothing_and_does_not_repeat_itself(queue: Queue) -> None:
    given = queue.world
    given.configure(remediation_limit_per_run=1)
    groups = [a_group(given), a_group(given)]
    queue.asks(*groups)
    result = queue.run()
    assert result.exit_code == 1
    assert "remediation_limit_per_run is 1: nothing was changed" in result.output
    assert [given.exposed(group) for group in groups] == [OPEN, OPEN]
    assert queue.left == 0


def test_groups_that_wait_for_a_person_are_left_and_their_requests_are_done_with(queue: Queue) -> None:
    given = queue.world
    restored = a_group(given, remediation_details={"restored": {"by": "ana", "at": "2026-11-22T00:00:00+00:00"}})
    resolved = a_group(given, status=Status.RESOLVED.value)
    queue.asks(restored, resolved, "sg-0123456789abcdef0")
    assert (queue.run().exit_code, queue.left) == (0, 0)
    assert (given.exposed(restored), given.exposed(resolved)) == (OPEN, OPEN)


def test_what_is_no_request_is_named_and_stays(queue: Queue) -> None:
    bodies = ["no json", "[]", "{}", '{"account_id": "1", "region": "x", "group_id": "../sg-1"}']
    nested = "[" * 100_000  # deeper than a reader of JSON goes
    for body in (*bodies, nested):
        queue.send(body)
    result = queue.run()
    assert result.exit_code == 1
    assert all(f"hammer: not a request for remediation at once: {body}\n" in result.output for body in bodies)
    assert f"hammer: not a request for remediation at once: {nested[:150]}" in result.output
    assert queue.left == len(bodies) + 1


def test_without_a_queue_it_says_how_to_name_one(queue: Queue) -> None:
    result = CliRunner().invoke(application(immediate.command), ["--config", str(queue.world.folder)])
    assert result.exit_code == 2
    assert "HAMMER_IMMEDIATE_QUEUE" in result.output


def test_a_later_run_of_the_jobs_themselves_does_the_same(queue: Queue) -> None:
    """Without any request, reporting and remediation at their own times are the net."""
    given = queue.world
    group, milder = a_group(given), a_group(given, HIGH)
    from reporting import create_security_groups_tickets

    runner = CliRunner()
    notified = runner.invoke(
        create_security_groups_tickets.app, ["--config", str(given.folder)], catch_exceptions=False
    )
    assert notified.exit_code == 0
    assert given.remediate("--batch").exit_code == 0
    assert (given.exposed(group), given.exposed(milder)) == (set(), OPEN)
    notice = given.stored(group).closing_notice
    assert notice is not None
    assert datetime.now(UTC) - notice.at < timedelta(minutes=5)


def test_a_signal_ends_all_of_it_and_the_request_comes_again(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    given = queue.world
    group = a_group(given, reported_days=30)
    queue.asks(group)

    def stopped(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("reporting.run.Reporter.run", stopped)
    result = queue.run()
    assert result.exit_code == 1
    assert "hammer: stopped by SIGTERM" in result.output
    assert (given.exposed(group), queue.left) == (OPEN, 1)
    (record,) = (run for run in JobRecords(given.table.items, MAIN).runs() if run.job == "immediate")
    assert (record.outcome, record.problems) == ("failed", ["stopped by SIGTERM"])
