"""What both jobs need of the machine they run on: clients, clock, lock, terminal, people.

The only place of this package where clients are built and the clock and the environment are read.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from typing import Protocol

from rich.console import Console
from rich.text import Text

from library.aws.issue_table import IssueTable
from library.aws.lock import Lock, login_name, this_process
from library.aws.session import Sessions
from library.config import Configuration
from library.jobs.command_line import WrongUsageError
from library.jobs.run import operator, renewing_sleep
from remediation.backups import Backups
from remediation.context import RemediationContext
from remediation.notifier import open_notifier


def build_context(config: Configuration) -> RemediationContext:
    """Build what a job works with."""
    if not config.aws.s3_backup_bucket:
        raise WrongUsageError("aws.s3_backup_bucket is not set: nothing is changed without a backup")
    aws = config.aws
    sessions = Sessions(aws.main_account_id, aws.region, aws.role_name_reporting, aws.external_id)
    table_name = config.secgrp_unrestricted_access.table_name
    dynamodb = sessions.client("dynamodb")
    lock = Lock(dynamodb, table_name, aws.main_account_id, this_process(), _now)
    return RemediationContext(
        sessions=sessions,
        table=IssueTable(dynamodb, table_name),
        backups=Backups(sessions.client("s3"), aws.s3_backup_bucket),
        lock=lock,
        notifier=open_notifier(config, sessions, os.environ, renewing_sleep(time.sleep, lock.renew)),
        who=operator(os.environ, login_name(), lambda: sessions.client("sts").get_caller_identity()["Arn"]),
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
