"""What both jobs need of the machine they run on: clients, clock, lock, terminal, people.

The only place of this package where clients are built and the clock and the environment are read.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

import typer
from rich.console import Console
from rich.text import Text

from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import IssueTable
from library.aws.lock import Lock, LockedError, this_process
from library.aws.session import Sessions
from library.config import Configuration
from library.jobs.command_line import Exit
from library.jobs.host_logs import host_logging, logs_client
from remediation.backups import Backups
from remediation.notifier import open_notifier
from remediation.remediator import Tools


def build_tools(config: Configuration) -> Tools:
    """Build what a job works with."""
    if not config.aws.s3_backup_bucket:
        raise typer.BadParameter("aws.s3_backup_bucket is not set: nothing is changed without a backup")
    aws = config.aws
    sessions = Sessions(aws.main_account_id, aws.region, aws.role_name_reporting, aws.external_id)
    table_name = config.secgrp_unrestricted_access.table_name
    dynamodb = sessions.client("dynamodb")
    holder = this_process()
    return Tools(
        sessions=sessions,
        table=IssueTable(dynamodb, table_name),
        backups=Backups(sessions.client("s3"), aws.s3_backup_bucket),
        lock=Lock(dynamodb, table_name, aws.main_account_id, holder, _now),
        teller=open_notifier(config, sessions, os.environ, time.sleep),
        who=holder.who,
        now=_now,
        sleep=time.sleep,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def has_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


class Person(Protocol):
    """Who reads along and, by hand, answers."""

    def say(self, text: str | Text) -> None:
        """Show this."""

    def ask(self, question: str) -> str:
        """Ask this; `q` when there is no answer to come."""


class Screen:
    """Where a person reads and answers."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)

    def say(self, text: str | Text) -> None:
        """Print a line, or lines."""
        self._console.print(text, markup=False)

    def ask(self, question: str) -> str:
        """The answer, in small letters and without white space around it; `q` at the end of the input."""
        self._console.print(question, markup=False, end=" ")
        try:
            return input().strip().lower()
        except EOFError:
            return "q"


@contextmanager
def working(tools: Tools, config: Configuration, stream: str) -> Iterator[None]:
    """Hold the lock and log to a stream of the host's log group until the block ends.

    Exits with 1 when another run has the lock, and says which.
    """
    with host_logging(stream, lambda: logs_client(config.aws.region)):
        try:
            tools.lock.acquire()
            try:
                yield
            finally:
                _release(tools.lock)
        except LockedError as error:
            typer.echo(f"hammer: {error}", err=True)
            raise typer.Exit(Exit.INCOMPLETE) from error


def _release(lock: Lock) -> None:
    try:
        lock.release()
    except AWS_ERRORS as error:
        # Nothing else is lost: the next run sees that this process has ended, or waits for the lease to end.
        typer.echo(f"hammer: the lock could not be released: {explain(error)}", err=True)


def end(problems: Sequence[str]) -> None:
    """Name what could not be done, and exit with 1 if there is any."""
    for problem in problems:
        typer.echo(f"hammer: {problem}", err=True)
    if problems:
        raise typer.Exit(Exit.INCOMPLETE)
