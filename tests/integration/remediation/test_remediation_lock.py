"""One lock keeps two runs apart, and outlives no one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError

from library.aws.issue_table import IssueTable
from library.aws.lock import LEASE, Lock, LockedError
from library.aws.session import Sessions
from library.errors import ConflictError
from remediation.journal import ChangeKind, Journal, JournalEntry, JournalStep
from tests.worlds.aws_faults import KilledError
from tests.worlds.remediation_world import (
    ANYWHERE,
    MAIN,
    NOW,
    REGION,
    TABLE,
    World,
    permission,
    quick_session,
    world,
)

SSH = permission("tcp", (22, 22), ANYWHERE)
LOCATION = (MAIN, "eu-west-1", "sg-1")


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def lock_of(world: World, holder: str, now: datetime = NOW) -> Lock:
    return Lock(world.sessions.client("dynamodb"), TABLE, MAIN, holder, lambda: now)


ANA, BO = "ana@host, process 7", "bo@host, process 8"


@pytest.mark.moto_table("about processes and logs")
@pytest.mark.parametrize("job", ["remediate", "restore"])
def test_the_second_of_two_runs_names_the_first_and_exits_with_1(world: World, job: str) -> None:
    group = world.group(SSH)
    world.issue(group)
    first = lock_of(world, ANA, datetime.now(UTC))
    first.acquire()
    result = world.remediate("--batch") if job == "remediate" else world.restore(group, "--batch")
    assert result.exit_code == 1
    assert "hammer: another run holds the lock: ana@host, process 7, until " in result.output
    assert world.rules(group) == {("tcp", 22, 22, ANYWHERE)}
    first.release()
    assert world.remediate("--batch").exit_code == 0


@pytest.mark.moto_table("about processes and logs")
def test_each_job_logs_to_a_stream_of_the_hosts_log_group_that_has_its_modules_name(world: World) -> None:
    group = world.group(SSH)
    world.issue(group)
    assert world.remediate("--batch").exit_code == 0
    assert world.restore(group, "--batch").exit_code == 0
    logs = boto3.client("logs", region_name="eu-west-1")
    streams = logs.describe_log_streams(logGroupName="/aws/ec2/hammer-reporting-remediation")["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == [
        "remediation.clean_security_groups",
        "remediation.restore_security_groups",
    ]


def test_a_dry_run_needs_no_lock(world: World) -> None:
    lock_of(world, ANA, datetime.now(UTC)).acquire()
    assert world.remediate("--dry-run").exit_code == 0


def test_a_holder_that_stopped_renewing_loses_it_when_the_lease_ends(world: World) -> None:
    ana = lock_of(world, ANA)
    ana.acquire()
    with pytest.raises(LockedError, match=r"ana@host, process 7, until 2026-11-22 03:08 UTC"):
        lock_of(world, BO, NOW + LEASE - timedelta(seconds=1)).acquire()
    bo = lock_of(world, BO, NOW + LEASE)
    bo.acquire()
    with pytest.raises(LockedError, match="taken over by another run"):
        ana.renew()
    ana.release()
    state = bo.read()
    assert state.holder == BO, "who lost the lock does not release it for its holder"


def test_renewing_keeps_it(world: World) -> None:
    clock = [NOW]
    ana = Lock(world.sessions.client("dynamodb"), TABLE, MAIN, ANA, lambda: clock[0])
    ana.acquire()
    clock[0] += LEASE / 2
    ana.renew()
    with pytest.raises(LockedError):
        lock_of(world, BO, NOW + LEASE).acquire()


def test_what_is_unfinished_survives_the_holder(world: World) -> None:
    ana = lock_of(world, ANA)
    ana.acquire()
    ana.mark_unfinished(*LOCATION)
    ana.release()
    bo = lock_of(world, BO)
    bo.acquire()
    assert bo.read().unfinished == {LOCATION}
    bo.mark_finished(*LOCATION)
    assert bo.read().unfinished == frozenset()


def an_entry(run: str, step: JournalStep = JournalStep.ADDING) -> JournalEntry:
    return JournalEntry(ChangeKind.REMEDIATION, step, "a-backup", run=run)


def stored(world: World, group: str) -> tuple[str, str, str]:
    """Which run wrote the journal last, by its own item and by the issue's; and the step there."""
    issue = world.stored(group)
    own = world.table.journal(issue.account_id, group)["journal"]
    summary = issue.remediation_details["journal"]
    return own["run"], summary["run"], summary["step"]


@pytest.mark.parametrize("begun", [True, False], ids=["a change that was begun", "the first change"])
def test_a_run_that_stalled_in_a_write_does_not_write_over_the_run_that_went_on(world: World, begun: bool) -> None:
    """A call may take effect long after it was sent, when the lock is another run's."""
    group = world.group(SSH)
    world.issue(group)
    if begun:
        Journal(world.table, world.stored(group), lambda: NOW).write(an_entry("before"))
    stalled = Journal(world.table, world.stored(group), lambda: NOW + timedelta(minutes=1))
    stalled.read_stamp()
    Journal(world.table, world.stored(group), lambda: NOW + 2 * LEASE).write(an_entry("other", JournalStep.DONE))
    with pytest.raises(ConflictError, match="another run went on with the change"):
        stalled.write(an_entry("stalled"))
    assert stored(world, group) == ("other", "other", "done")


def test_the_summary_of_a_run_that_stalled_between_its_writes_is_not_written(world: World) -> None:
    group = world.group(SSH)
    world.issue(group)
    stalled = Journal(world.table, world.stored(group), lambda: NOW)
    other = Journal(world.table, world.stored(group), lambda: NOW + 2 * LEASE)
    real = IssueTable.write_journal

    def stalls(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)
        with patch.object(IssueTable, "write_journal", real):
            other.write(an_entry("other", JournalStep.DONE))

    with (
        patch.object(IssueTable, "write_journal", stalls),
        pytest.raises(ConflictError, match="another run went on with the change"),
    ):
        stalled.write(an_entry("stalled"))
    assert stored(world, group) == ("other", "other", "done")


def test_a_write_whose_answer_was_lost_is_written_again(world: World) -> None:
    group = world.group(SSH)
    world.issue(group)
    journal = Journal(world.table, world.stored(group), lambda: NOW)
    real = IssueTable.write_journal

    def twice(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)
        real(*arguments, **named)

    with patch.object(IssueTable, "write_journal", twice):
        journal.write(an_entry("mine"))
    journal.write(an_entry("mine", JournalStep.DONE))
    assert stored(world, group) == ("mine", "mine", "done")


@pytest.mark.parametrize("lost", [IssueTable.write_journal, IssueTable.update], ids=["own item", "issue"])
@pytest.mark.parametrize("made", [True, False], ids=["made", "not made"])
def test_a_run_goes_on_after_a_write_that_is_not_known_to_be_made(world: World, lost: Any, made: bool) -> None:
    group = world.group(SSH)
    world.issue(group)
    seconds = itertools.count()
    journal = Journal(world.table, world.stored(group), lambda: NOW + timedelta(seconds=next(seconds)))

    def times_out(*arguments: Any, **named: Any) -> None:
        if made:
            lost(*arguments, **named)
        raise ReadTimeoutError(endpoint_url="https://dynamodb.example.com")

    with patch.object(IssueTable, lost.__name__, times_out), pytest.raises(ReadTimeoutError):
        journal.write(an_entry("mine"))
    journal.write(an_entry("mine", JournalStep.DONE))
    assert stored(world, group) == ("mine", "mine", "done")


@contextmanager
def asleep_in(
    world: World, is_asleep: Callable[[str, Mapping[str, Any]], bool], meanwhile: Callable[[], None]
) -> Iterator[None]:
    """The host sleeps for an hour before such a call of AWS, while something happens by way of another host."""
    real = BaseClient._make_api_call  # type: ignore[attr-defined]
    other_host = Sessions(MAIN, REGION, "hammer-ec2", base=quick_session())

    def call(client: Any, operation: str, arguments: Any) -> Any:
        if is_asleep(operation, arguments):
            with patch.object(BaseClient, "_make_api_call", real), patch.object(world, "sessions", other_host):
                world.clock += timedelta(hours=1)
                meanwhile()
        return real(client, operation, arguments)

    with patch.object(BaseClient, "_make_api_call", call):
        yield


@pytest.mark.parametrize("operation", ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"])
def test_a_host_that_sleeps_in_a_call_changes_nothing_when_it_wakes_up(world: World, operation: str) -> None:
    """Another run has done the same meanwhile, and a person has restored the group."""
    group = world.group(SSH)
    world.issue(group)
    before = world.rules(group)

    def closed_and_restored() -> None:
        assert world.batch().problems == []
        assert world.restore_quietly(group) == []

    with asleep_in(world, lambda called, _: called == operation, closed_and_restored), pytest.raises(LockedError):
        world.batch()
    assert world.rules(group) == before
    world.batch()
    assert world.rules(group) == before, "it is left alone until somebody decides"


def test_a_restore_that_stalled_and_failed_does_not_take_the_flag_of_the_next_one_away(world: World) -> None:
    """The host sleeps while it stores what it is about to close; somebody restores the group again meanwhile."""
    group = world.group(SSH)
    world.issue(group)
    before = world.rules(group)
    real = BaseClient._make_api_call  # type: ignore[attr-defined]

    def dies_before(client: Any, called: str, arguments: Any) -> Any:
        if called == "RevokeSecurityGroupIngress":
            raise KilledError(called)
        return real(client, called, arguments)

    with patch.object(BaseClient, "_make_api_call", dies_before), pytest.raises(KilledError):
        world.batch()
    world.clock += timedelta(hours=1)

    def stores_what_it_closes(called: str, arguments: Mapping[str, Any]) -> bool:
        return called == "PutObject" and arguments["Key"].startswith("closing/")

    def restored() -> None:
        assert world.restore_quietly(group) == []

    with asleep_in(world, stores_what_it_closes, restored):
        assert "another run went on with the change" in world.restore_quietly(group)[0]
    assert world.stored(group).remediation_details["restored"]
    world.clock += timedelta(hours=1)
    world.batch()
    assert world.rules(group) == before, "it is left alone until somebody decides"


FLAG = {"at": "2026-11-22T02:00:00+00:00", "by": "bo", "backup": "a-backup"}
FLAGS = pytest.mark.parametrize(
    "flag",
    [
        None,
        FLAG,
        pytest.param({"at": None, "by": "ana"}, id="other tooling's"),
        pytest.param("yes", id="no map"),
    ],
)


@FLAGS
@pytest.mark.parametrize("begun", [True, False], ids=["a change that was begun", "the first change"])
def test_a_run_that_stalled_does_not_take_away_the_flag_of_a_restore_made_meanwhile(
    world: World, flag: Any, begun: bool
) -> None:
    """A restore of a group that is as its backup says already writes its flag, and no journal."""
    group = world.group(SSH)
    more: dict[str, Any] = {"remediation_details": {"restored": flag}} if flag else {}
    world.issue(group, **more)
    if begun:
        Journal(world.table, world.stored(group), lambda: NOW).write(an_entry("before"))
    stalled = Journal(world.table, world.stored(group), lambda: NOW)
    Journal(world.table, world.stored(group), lambda: NOW + LEASE).note(restored={**FLAG, "by": "cy"})
    with pytest.raises(ConflictError, match="was restored, or given back, meanwhile"):
        stalled.write(an_entry("stalled"), restored=None)
    with pytest.raises(ConflictError, match="was restored, or given back, meanwhile"):
        stalled.note(restored=None)
    assert world.stored(group).remediation_details["restored"]["by"] == "cy"


@FLAGS
def test_a_run_that_knows_the_flag_writes_it_anew(world: World, flag: Any) -> None:
    group = world.group(SSH)
    more: dict[str, Any] = {"remediation_details": {"restored": flag}} if flag else {}
    world.issue(group, **more)
    journal = Journal(world.table, world.stored(group), lambda: NOW)
    for new in (None, FLAG, None):
        journal.note(restored=new)
        assert world.stored(group).remediation_details["restored"] == new
    journal.write(an_entry("mine"), restored=FLAG)
    journal.write(an_entry("mine", JournalStep.DONE))
    journal.note(restored=None)
    assert world.stored(group).remediation_details["restored"] is None


def test_a_note_of_a_run_that_stalled_does_not_replace_the_journal_of_the_first_change(world: World) -> None:
    group = world.group(SSH)
    world.issue(group)
    stalled = Journal(world.table, world.stored(group), lambda: NOW)
    Journal(world.table, world.stored(group), lambda: NOW + LEASE).write(an_entry("other", JournalStep.DONE))
    with pytest.raises(ConflictError, match="another run went on with the change"):
        stalled.note(restored=FLAG)
    assert stored(world, group) == ("other", "other", "done")


@pytest.mark.parametrize("made", [True, False], ids=["made", "not made"])
def test_a_run_knows_the_flag_that_it_left_after_a_first_write_whose_answer_was_lost(world: World, made: bool) -> None:
    """What it writes next is the whole map again: there is no flag in it."""
    group = world.group(SSH)
    world.issue(group)
    journal = Journal(world.table, world.stored(group), lambda: NOW)
    real = IssueTable.update

    def times_out(*arguments: Any, **named: Any) -> None:
        if made:
            real(*arguments, **named)
        raise ReadTimeoutError(endpoint_url="https://dynamodb.example.com")

    with patch.object(IssueTable, "update", times_out), pytest.raises(ReadTimeoutError):
        journal.note(restored=FLAG)
    journal.write(an_entry("mine"))
    journal.note(restored={**FLAG, "by": "cy"})
    assert world.stored(group).remediation_details["restored"]["by"] == "cy"
