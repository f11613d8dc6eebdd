"""Hammer's jobs, with the world's clients, clock and sleep. The only module that knows how they are put together."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

import identification.describe_security_groups as describe
from identification.messages import ScanTarget
from identification.runtime import Runtime
from library.aws.issue_table import IssueTable
from library.aws.lock import REPORTING_LOCK_ID, Lock, LockedError
from library.errors import ConflictError
from library.jobs.command_line import Selection
from library.notifications.jira_connection import JiraError
from remediation.backups import Backups
from remediation.change import GROUP_ERRORS
from remediation.context import Prompt, RemediationContext
from remediation.notify import Notifier
from remediation.restore import RestoreJob
from remediation.restore_plan import CannotRestoreError, RestoreTarget
from remediation.runs import BatchRun
from reporting.run import Reporter, Services
from tests.simulation.clients import Jira, Slack
from tests.simulation.ec2 import HOME
from tests.simulation.use import read_flow_logs

if TYPE_CHECKING:
    from tests.simulation.world import World

TABLE = "issues"
_PACKAGES = ("identification.", "library.", "remediation.", "reporting.")
MAY_RAISE = (
    ClientError,
    BotoCoreError,
    ConflictError,
    LockedError,
    JiraError,
    CannotRestoreError,
    *GROUP_ERRORS,
)
"""What ends a job, so that it is tried again or runs again later."""


class _SerialExecutor:
    """Runs what it is given at once, one after the other: the seed alone decides the order of calls."""

    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> _SerialExecutor:
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments))
        except Exception as error:  # noqa: BLE001 - the caller asks the future
            future.set_exception(error)
        return future

    def map(self, work: Callable[..., Any], *arguments: Iterable[Any]) -> Iterator[Any]:
        return map(work, *arguments)


@contextmanager
def serial() -> Iterator[None]:
    """Have the jobs run without threads of their own."""
    before: Any = ThreadPoolExecutor
    modules = [
        module
        for name, module in sorted(sys.modules.items())
        if name.startswith(_PACKAGES) and getattr(module, "ThreadPoolExecutor", None) is before
    ]
    for module in modules:
        vars(module)["ThreadPoolExecutor"] = _SerialExecutor
    try:
        yield
    finally:
        for module in modules:
            vars(module)["ThreadPoolExecutor"] = before


class _Runtime(Runtime):
    """A Lambda's surroundings with the world's clock and sleep."""

    clock: Callable[[], Any]
    wait: Callable[[float], None]

    def now(self) -> Any:
        return self.clock()

    def sleep(self, seconds: float) -> None:
        self.wait(seconds)


class Agreeing(Prompt):
    """Somebody who agrees to everything."""

    def show(self, text: object) -> None:
        """Nobody reads it."""

    def confirm(self, question: str) -> str:
        """Yes."""
        del question
        return "y"


def runtime_of(world: World) -> Runtime:
    """What the functions of identification work with."""
    sessions: Any = world.sessions
    runtime = _Runtime(world.settings.configuration(), sessions, _table(world))
    object.__setattr__(runtime, "clock", world.clock)
    object.__setattr__(runtime, "wait", world.scheduler.sleep)
    return runtime


def scan(world: World, account_id: str, group_ids: Sequence[str] = (), region: str = HOME) -> None:
    """The describe function, on a message of the topic."""
    describe.scan_target(ScanTarget(account_id, region, tuple(group_ids)), runtime_of(world))


def usage(world: World, account_id: str) -> None:
    """`hammer usage`."""
    read_flow_logs(world, _table(world), account_id)


def report(world: World) -> None:
    """The reporting job."""
    lock = _lock(world, REPORTING_LOCK_ID)
    sessions: Any = world.sessions
    services = Services(
        sessions=sessions,
        table=_table(world),
        jira=Jira(world),
        slack=Slack(world),
        now=world.clock,
        sleep=world.scheduler.sleep,
        renew=lock.renew,
        show_text=lambda _: None,
    )
    lock.acquire()
    try:
        Reporter(world.settings.configuration(), services).run(Selection.of(None, None, None), dry_run=False)
    finally:
        lock.release()


def remediate(world: World) -> None:
    """`hammer remediate --batch`."""
    context = _context(world)
    context.lock.acquire()
    try:
        BatchRun(context, world.settings.configuration, Selection.of(None, None, None), Agreeing()).run()
        context.notifier.send()
    finally:
        context.lock.release()


def restore(world: World, account_id: str, group_id: str, backup: str = "") -> None:
    """`hammer restore --batch`, with `--backup` where one is named."""
    with _restore(world, account_id, group_id) as job:
        job.restore(backup, batch=True)


def release(world: World, account_id: str, group_id: str) -> None:
    """`hammer restore --release`."""
    with _restore(world, account_id, group_id) as job:
        job.release()


@contextmanager
def _restore(world: World, account_id: str, group_id: str) -> Iterator[RestoreJob]:
    context = _context(world)
    target = RestoreTarget(account_id, world.region_of(account_id, group_id), group_id)
    context.lock.acquire()
    try:
        yield RestoreJob(context, world.settings.configuration(), target, Agreeing())
    finally:
        context.lock.release()


def _table(world: World) -> IssueTable:
    return IssueTable(world.sessions.client("dynamodb"), TABLE)


def _lock(world: World, lock_id: str = "") -> Lock:
    actor = world.scheduler.current
    holder = actor.name if actor else "the world"
    more = {"lock_id": lock_id} if lock_id else {}
    return Lock(world.sessions.client("dynamodb"), TABLE, world.main_account, holder, world.clock, **more)


def _context(world: World) -> RemediationContext:
    actor = world.scheduler.current
    sessions: Any = world.sessions
    name = actor.name if actor else "the world"
    return RemediationContext(
        sessions=sessions,
        table=_table(world),
        backups=Backups(world.sessions.client("s3"), "backups"),
        lock=_lock(world),
        notifier=Notifier(world.settings.configuration(), Jira(world), Slack(world)),
        who=name,
        now=world.clock,
        sleep=world.scheduler.sleep,
        run=name,
    )
