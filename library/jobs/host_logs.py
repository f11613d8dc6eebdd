"""Logs of the reporting and remediation host: JSON lines to CloudWatch Logs.

A job goes on when the log service is away; then its lines are on standard error instead.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from watchtower import CloudWatchLogHandler

from library.aws.failures import AWS_ERRORS, explain
from library.jobs.process import json_formatter

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

LOG_GROUP = "/aws/ec2/hammer-reporting-remediation"

_SEND_EVERY_S = 5
# A job must not wait long for a log service that does not answer.
_CLIENT = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})
_QUIET = ("boto3", "botocore", "jira", "slack_sdk", "urllib3", "watchtower")


def log_group() -> str:
    """The log group of the host: another one where HAMMER_LOG_GROUP names it, as a deployment with a prefix does."""
    return os.environ.get("HAMMER_LOG_GROUP") or LOG_GROUP


def logs_client(region: str) -> CloudWatchLogsClient:
    """A client for the main account's log service that gives up soon."""
    return boto3.client("logs", region_name=region, config=_CLIENT)


@contextmanager
def host_logging(stream: str, client: Callable[[], CloudWatchLogsClient]) -> Iterator[None]:
    """Log to a stream of the host's log group until the block ends; what was logged is sent by then.

    The stream is named as the job's module is, such as `reporting.create_security_groups_tickets`.
    """
    root = logging.getLogger()
    handler: logging.Handler
    lost = ""
    try:
        handler = _Handler(client(), stream)
    except AWS_ERRORS as error:
        lost = explain(error)
        handler = logging.StreamHandler(sys.stderr)
        # The job tells a person itself what could not be done.
        handler.setLevel(logging.WARNING if sys.stderr.isatty() else logging.INFO)
    before = root.level, {name: logging.getLogger(name).level for name in _QUIET}
    root.setLevel(logging.INFO)
    for name in _QUIET:
        # The SDK says at every client where it found credentials; the others log the requests that we retry, and `jira`
        # whole answers that are no JSON.
        logging.getLogger(name).setLevel(logging.CRITICAL if name == "jira" else logging.WARNING)
    handler.setFormatter(json_formatter())
    root.addHandler(handler)
    if lost:
        root.warning("no log is kept in CloudWatch Logs: %s", lost)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
        root.setLevel(before[0])
        for name, level in before[1].items():
            logging.getLogger(name).setLevel(level)


class _Handler(CloudWatchLogHandler):  # type: ignore[misc, unused-ignore]
    """Watchtower's queue, sending in a way that neither warns nor repeats itself when the service is away."""

    def __init__(self, client: CloudWatchLogsClient, stream: str) -> None:
        group = log_group()
        super().__init__(
            log_group_name=group,
            log_stream_name=stream,
            boto3_client=client,
            create_log_group=False,
            send_interval=_SEND_EVERY_S,
        )
        self._logs = client
        self._away = False
        # They are there already, or who may only write needs a group and stream that somebody else made; writing tells.
        with suppress(ClientError):
            client.create_log_group(logGroupName=group)
        with suppress(ClientError):
            client.create_log_stream(logGroupName=group, logStreamName=stream)

    def _submit_batch(self, batch: list[Any], log_stream_name: str, max_retries: int = 1) -> None:
        """Send a batch, in watchtower's own thread."""
        del max_retries
        if not batch:
            return
        events = sorted(batch, key=lambda event: event["timestamp"])
        try:
            self._logs.put_log_events(logGroupName=self.log_group_name, logStreamName=log_stream_name, logEvents=events)
        except AWS_ERRORS as error:
            if not self._away:
                print(f"hammer: logs could not be sent to CloudWatch Logs: {explain(error)}", file=sys.stderr)  # noqa: T201
            self._away = True
            for event in events:
                print(event["message"], file=sys.stderr)  # noqa: T201
