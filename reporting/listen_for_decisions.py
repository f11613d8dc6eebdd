"""The command `hammer listen`: the service that takes decisions from Slack.

Also `python -m reporting.listen_for_decisions`: the module's path is contractual. It holds a Socket Mode connection
(`reporting.slack_socket`), acknowledges what comes, and then does what somebody pressed (`reporting.decision_inbox`).
It runs until it is told to stop by SIGTERM or SIGINT, and ends

- with 2 where decisions or Slack are off, or the secret has no `app_token`;
- with 1 where Slack refuses the token or Socket Mode is switched off: to connect again would not help.

More than one may run; Slack gives each press to one of them. All state is in the issue table.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer

from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import IssueTable
from library.aws.lock import this_process
from library.aws.records import ListenerRecords
from library.aws.secrets import SecretError, SecretReader
from library.aws.session import Sessions
from library.config import Configuration, ConfigurationError
from library.config.loader import with_organization
from library.documents.text import printable
from library.issues.issue import Issue, Status
from library.jobs.command_line import ConfigOption, Exit, WrongUsageError, application, read_configuration, run, utc_now
from library.jobs.host_logs import host_logging, logs_client
from library.notifications.clients import open_channels
from library.notifications.slack_connection import SlackClient, SlackConnection
from reporting.decision_inbox import Inbox, Press, acknowledgement, read_press
from reporting.slack_socket import Hello, Listening, SlackSession, SocketStoppedError

if TYPE_CHECKING:
    from library.aws.secrets import SlackSecret

STREAM = "reporting.listen_for_decisions"
_log = logging.getLogger(__name__)

_RELOAD_EVERY = timedelta(minutes=1)
_LEFT_EVERY = timedelta(minutes=10)
_LOOKED_AT = 100  # issues at a time: an account may have a hundred thousand
_ACCOUNTS_EVERY = timedelta(hours=1)  # those of the organization, which takes a call for each twenty of them
_WORKERS = 4
_QUICK_WAIT_S = 0.2  # a person waits for the answer
_RESTORE_TIMEOUT_S = 3600
_CANNOT_CONNECT = (
    "the secret of Slack has no app_token: decisions in Slack need an app-level token (xapp-…) with the scope "
    "connections:write"
)


def command(config: ConfigOption = None) -> None:
    """Take decisions about issues from Slack (Socket Mode). Runs until it is stopped."""
    configuration = read_configuration(config)
    if reason := why_not_listening(configuration):
        raise WrongUsageError(reason)
    aws = configuration.aws
    sessions = Sessions(aws.main_account_id, aws.region, aws.role_name_reporting, aws.external_id, read_only=True)
    secrets = SecretReader(lambda: sessions.client("secretsmanager"), os.environ)
    try:
        secret = secrets.slack(configuration.slack.secret)
    except SecretError as error:
        raise WrongUsageError(str(error)) from error
    if not secret.app_token:
        raise WrongUsageError(_CANNOT_CONNECT)
    configuration = with_organization(configuration, sessions)
    with host_logging(STREAM, lambda: logs_client(aws.region)):
        service = Service(configuration, config, sessions, secrets, secret)
        try:
            service.run()
        except SocketStoppedError as error:
            service.note(str(error))
            _log.error("%s", error)
            typer.echo(f"hammer: {error}", err=True)
            raise typer.Exit(Exit.INCOMPLETE) from None
        except WrongUsageError as error:
            service.note(error.message)
            raise


def why_not_listening(config: Configuration) -> str:
    """Why a configuration has nothing to listen to; empty: it has."""
    if not config.decisions.enabled:
        return "decisions are off (decisions.enabled): nobody decides in Slack"
    if not config.slack.enabled:
        return "Slack is off (slack.enabled): nobody decides in Slack"
    return ""


@dataclass(slots=True)
class Service:
    """The service, in one process.

    Attributes:
        config: as it was read last.
        location: where it is read from; None: where the environment says.
        sessions: give the clients.
        secrets: give the logins of JIRA and Slack.
        secret: the login of Slack, as it was read last.
    """

    config: Configuration
    location: str | None
    sessions: Sessions
    secrets: SecretReader
    secret: SlackSecret
    stopping: threading.Event = field(default_factory=threading.Event)
    _app_id: str = ""
    _hello: Hello | None = None
    _table: IssueTable = field(init=False)
    _records: ListenerRecords = field(init=False)
    _inbox: Inbox = field(init=False)
    _workers: ThreadPoolExecutor = field(init=False)
    _restorer: ThreadPoolExecutor = field(init=False)
    _reloaded: datetime = field(init=False)
    _left_looked_for: datetime = field(init=False)
    _accounts_read: datetime = field(init=False)
    _waiting: dict[tuple[str, str], None] = field(default_factory=dict)
    _retrying: Future[None] | None = None
    _reading: Future[None] | None = None  # of the secret
    _looking: Future[None] | None = None  # for restores that another host left

    def __post_init__(self) -> None:
        self._table = IssueTable(self.sessions.client("dynamodb"), self.config.secgrp_unrestricted_access.table_name)
        self._records = ListenerRecords(self._table.items, self.config.aws.main_account_id, utc_now)
        self._workers = ThreadPoolExecutor(_WORKERS)
        # A restore may take as long as EC2 and another run of remediation let it: nobody else's press waits for it.
        self._restorer = ThreadPoolExecutor(1)
        self._reloaded = self._left_looked_for = self._accounts_read = utc_now()
        self._inbox = Inbox(
            config=self._fresh_config,
            table=self._table,
            connect=lambda quick: SlackConnection(
                self.config.slack, lambda: self.secret, _quick_sleep if quick else time.sleep
            ),
            slack=SlackClient,
            jira=lambda config: open_channels(config, self.secrets, time.sleep).jira,
            restore=self._restore_then,
            now=utc_now,
        )

    def run(self) -> None:
        """Listen until a signal stops it.

        Raises:
            SocketStoppedError: no further connection makes sense.
            WrongUsageError: decisions were switched off meanwhile, or the secret has no `app_token` any more.
        """
        listening = Listening(
            open_session=lambda: SlackSession(
                self.config.slack.base_url, self.secret.app_token, self._answer, self._acknowledged, self._greeted
            ),
            wait=self._wait,
            now=utc_now,
            connected=self._connected,
            failed=self._failed,
            tick=self._tick,
            stopping=self.stopping,
        )
        with _stopped_by_signals(self.stopping), self._restorer, self._workers:
            notify_systemd("READY=1")
            self._workers.submit(self._catch_up)
            try:
                listening.run()
            finally:
                notify_systemd("STOPPING=1")

    def note(self, problem: str) -> None:
        """Record why the service is not connected."""
        try:
            self._records.failed(problem)
        except AWS_ERRORS as error:
            _log.warning("could not be recorded: %s", explain(error))

    def _answer(self, kind: str, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if kind != "interactive":
            return None
        return acknowledgement(read_press(payload, self._app_id), self.config, utc_now().date())

    def _acknowledged(self, kind: str, payload: Mapping[str, Any]) -> None:
        press = read_press(payload, self._app_id) if kind == "interactive" else None
        if press is not None:
            self._workers.submit(self._handle, press)

    def _handle(self, press: Press) -> None:
        try:
            self._inbox.handle(press)
        except Exception:  # noqa: BLE001
            # One press must not keep the next from being handled; what the table says is true all the same.
            _log.exception("a press was not handled to its end")

    def _greeted(self, hello: Hello) -> None:
        self._app_id = hello.app_id or self._app_id

    def _connected(self, hello: Hello) -> None:
        # Counted by a metric, whose alarm goes off without it (deployment/terraform/modules/master/alarms.tf).
        _log.info("connected to Slack", extra={"connected_to_slack": True})
        if hello.connections > 1 and hello is not self._hello:  # once for each connection, not at each heartbeat
            _log.warning(
                "the app has %d connections to Slack: another host, or a laptop, gets a part of what people press",
                hello.connections,
            )
        self._hello = hello
        try:
            self._records.connected(this_process(), hello.connections)
        except AWS_ERRORS as error:
            _log.warning("that it is connected could not be recorded: %s", explain(error))

    def _failed(self, reason: str) -> None:
        _log.warning("not connected to Slack: %s", reason)
        self.note(reason)

    def _wait(self, seconds: float) -> None:
        self.stopping.wait(seconds)

    def _tick(self) -> None:
        notify_systemd("WATCHDOG=1")
        if utc_now() - self._reloaded < _RELOAD_EVERY:
            return
        self._reloaded = utc_now()
        if self._waiting and (self._retrying is None or self._retrying.done()):
            self._retrying = self._restorer.submit(self._restore_waiting)
        if reason := why_not_listening(self._fresh_config()):
            raise WrongUsageError(reason)
        if not self.secret.app_token:
            raise WrongUsageError(_CANNOT_CONNECT)
        # Not by this thread: AWS may take its time, while the watchdog waits for the heartbeat.
        if self._reading is None or self._reading.done():
            self._reading = self._workers.submit(self._read_secret)
        is_looking = self._looking is not None and not self._looking.done()
        if not is_looking and utc_now() - self._left_looked_for >= _LEFT_EVERY:
            self._left_looked_for = utc_now()
            self._looking = self._workers.submit(self._take_over_restores)
        if utc_now() - self._accounts_read >= _ACCOUNTS_EVERY:
            self._accounts_read = utc_now()
            self._workers.submit(self._fresh_config, accounts=True)

    def _read_secret(self) -> None:
        """Read the login of Slack again: somebody may have replaced a token. As it was, where it cannot be read."""
        try:
            self.secret = self.secrets.slack(self.config.slack.secret)
        except SecretError as error:
            _log.warning("the secret of Slack stays as it was: %s", error)

    def _fresh_config(self, *, accounts: bool = False) -> Configuration:
        """The configuration as it is now; as it was last, where it cannot be read.

        `accounts`: whether those of the organization are read anew, too. Nobody who pressed waits for that.
        """
        try:
            fresh = read_configuration(self.location)
            if accounts:
                fresh = with_organization(fresh, self.sessions)
            elif fresh.needs_organization:
                fresh = fresh.with_accounts(self.config.aws.accounts)  # type: ignore[arg-type]
            self.config = fresh
        except (ConfigurationError, *AWS_ERRORS) as error:
            _log.warning("the configuration cannot be read, and stays as it was: %s", explain(error))
        return self.config

    def _catch_up(self) -> None:
        """Do what a process that died left: restores, comments, messages."""
        try:
            notification = self._inbox.notifier(self.config)
            for account_id in self.config.scanned_accounts():
                for issue in self._table.with_status(account_id, *Status, unreadable=lambda _: None):
                    if issue.decided.restore:
                        self._restore_then(issue, lambda: None)
                    elif issue.decided.outbox:
                        notification.notify(issue)
                notification.notify_all(account_id)
        except Exception:  # noqa: BLE001 - it goes on listening; the next reporting run does it
            _log.exception("what an earlier process left is not done yet")

    def _take_over_restores(self) -> None:
        """Carry out the restores that another host's process left, which died while this one was listening.

        Of one that is under way there the lock of remediation keeps this process.
        """
        try:
            messages = self._inbox.notifier(self.config).messages
            for account_id in self.config.scanned_accounts():
                groups = [each.group_id for each in messages.of_account(account_id)]
                for start in range(0, len(groups), _LOOKED_AT):
                    if self.stopping.is_set():
                        return
                    part = groups[start : start + _LOOKED_AT]
                    for issue in self._table.get_many(account_id, part, unreadable=lambda _: None).values():
                        if issue.decided.restore and (account_id, issue.issue_id) not in self._waiting:
                            self._restore_then(issue, lambda: None)
        except Exception:  # noqa: BLE001 - it goes on listening, and looks again
            _log.exception("what another process left is not looked for yet")

    def _restore_then(self, issue: Issue, then: Callable[[], None]) -> None:
        """Have the restore that is decided in an issue carried out, and `then` something after it."""
        self._waiting[issue.account_id, issue.issue_id] = None
        self._restorer.submit(self._restored, issue, then)

    def _restored(self, issue: Issue, then: Callable[[], None]) -> None:
        """Carry out a restore, tell people how it ended, and do what follows."""
        try:
            self._restore_and_notify(issue.account_id, issue.issue_id)
            then()
        except Exception:  # noqa: BLE001 - it is tried again in a minute
            _log.exception("%s: a restore that was decided is not carried out yet", issue.location)

    def _restore_waiting(self) -> None:
        """Try the restores again that another run of remediation kept from being carried out."""
        for account_id, group_id in list(self._waiting):
            try:
                self._restore_and_notify(account_id, group_id)
            except Exception:  # noqa: BLE001 - it is tried again in a minute
                _log.exception("%s in %s: a restore that was decided is not carried out yet", group_id, account_id)

    def _restore_and_notify(self, account_id: str, group_id: str) -> None:
        """Carry out the restore that is decided in an issue, if there is one, and show it only after it was done."""
        issue = self._table.get(account_id, group_id)
        if issue is not None and issue.decided.restore is not None:
            if self.stopping.is_set():
                return  # the process that comes next does it
            self._restore(issue)
            issue = self._table.get(account_id, group_id)
        if issue is None or issue.decided.restore is None:
            self._waiting.pop((account_id, group_id), None)
        for problem in self._inbox.notifier(self.config).notify(issue) if issue else ():
            _log.warning("%s", printable(problem))

    def _restore(self, issue: Issue) -> None:
        """Run the restore that is decided in an issue in a process of its own, with the lock of remediation."""
        module = ("-m", "remediation.restore_security_groups", "--decided")
        group = ("--account", issue.account_id, "--region", issue.details.region, "--group", issue.issue_id)
        location = ("--config", self.location) if self.location else ()
        done = subprocess.run(
            [sys.executable, *module, *location, *group],
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=_RESTORE_TIMEOUT_S,
        )
        _log.info("restore of %s ended with %d", issue.location, done.returncode)


def _quick_sleep(seconds: float) -> None:
    time.sleep(min(seconds, _QUICK_WAIT_S))


@contextmanager
def _stopped_by_signals(stopping: threading.Event) -> Iterator[None]:
    """Have SIGTERM and SIGINT stop the service in the block, after what is being done is done."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stopping.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def notify_systemd(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Tell systemd how the service is (sd_notify(3)); without systemd nobody is told."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to_systemd:
            to_systemd.sendto(state.encode(), address)
    except OSError as error:
        _log.warning("systemd could not be told %s: %s", state, error.strerror)


app = application(command)


def main() -> None:
    """Run the service."""
    run(app)


if __name__ == "__main__":
    main()
