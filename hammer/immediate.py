"""`hammer immediate`: what immediate mode asks for now: reports the groups that are named, then remediates them.

Runs on the host every minute: take the requests that identification sent to the queue, choose the groups, run the
reporting and the remediation job for them, delete the requests that are done. Where the queue is empty it ends without
reading even the configuration. The jobs keep their own locks, limits and records. What could not be done stays in the
queue and comes again; after an hour it is in the dead-letter queue, and the hourly jobs still do it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from library.aws.failures import AWS_ERRORS, chunks, explain
from library.aws.issue_table import IssueTable, UnreadableIssueError
from library.aws.lock import this_process
from library.aws.records import JobRecords
from library.aws.session import sdk_client, sdk_session
from library.config import Configuration, ConfigurationError
from library.config.models import remediation_terms
from library.documents.text import counted, flattened
from library.errors import HammerError
from library.issues.issue import Issue, Status
from library.issues.schedule import SkipReason
from library.jobs.command_line import ConfigOption, Exit, end, open_table, read_configuration, utc_now
from library.jobs.run import InterruptedRunError
from remediation.eligibility import Policy, account_policy, why_not_due

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

_BATCH_SIZE = 10  # ReceiveMessage and DeleteMessageBatch
_TAKEN_AT_MOST = 1000
_LONGEST_WAIT_S = 20  # ReceiveMessage
_SHOWN_LIMIT = 200
_GROUP_LOCATION = re.compile(r"[0-9]{12} [a-z0-9-]{1,40} sg-[0-9a-f]{1,40}")


class RequestLocation(NamedTuple):
    """A group that is to be remediated at once."""

    account_id: str
    region: str
    group_id: str


@dataclass(slots=True)
class Requests:
    """What was taken off the queue.

    Attributes:
        receipts: of the messages that name a group, by group.
        malformed: what else was in the queue, one line each. It stays there, and ends in the dead-letter queue.
    """

    receipts: dict[RequestLocation, list[str]] = field(default_factory=dict)
    malformed: list[str] = field(default_factory=list)


def take(client: SQSClient, queue_url: str, *, wait_s: int = _LONGEST_WAIT_S) -> Requests:
    """Take what is in the queue, so that one run is about all of it.

    Raises:
        ClientError, BotoCoreError: the queue could not be read.
    """
    requests, taken = Requests(), 0
    while taken < _TAKEN_AT_MOST:
        answer = client.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=_BATCH_SIZE, WaitTimeSeconds=min(1, wait_s) if taken else wait_s
        )
        messages = answer.get("Messages", [])
        if not messages:
            break
        taken += len(messages)
        for message in messages:
            body = message.get("Body", "")
            if (location := _parsed(body)) is None:
                requests.malformed.append(f"not a request for remediation at once: {flattened(body, _SHOWN_LIMIT)}")
            else:
                requests.receipts.setdefault(location, []).append(message["ReceiptHandle"])
    return requests


def remove(client: SQSClient, queue_url: str, receipts: Iterable[str]) -> None:
    """Delete messages from the queue. One that SQS does not delete comes again, which does no harm.

    Raises:
        ClientError, BotoCoreError: SQS could not be asked.
    """
    for batch in chunks(list(receipts), _BATCH_SIZE):
        client.delete_message_batch(
            QueueUrl=queue_url,
            Entries=[{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(batch)],
        )


def is_done(issue: Issue | None, policy: Policy, began: datetime, now: datetime, *, all_done: bool) -> bool:
    """Whether nothing is left to be done at once about an issue. Pure.

    Args:
        issue: the issue after the runs; None: there is none.
        policy: what the configuration says about remediation in its account.
        began: when the runs began, in UTC.
        now: the time in UTC.
        all_done: whether the runs could do everything, so that what is still due was left for a reason.
    """
    if issue is None or issue.status is not Status.OPEN:
        return True
    skipped = why_not_due(issue, policy, now)
    if skipped is None:
        remediated = issue.timestamps.remediated
        return all_done or (remediated is not None and remediated >= began)
    # Not told yet, by a channel that was away, say.
    waits = skipped.reason in (SkipReason.NOT_REPORTED, SkipReason.NOT_DUE) and policy.terms.is_immediate(issue)
    return not waits


def _parsed(body: str) -> RequestLocation | None:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, Mapping):
        return None
    location = RequestLocation(*(str(message.get(name)) for name in ("account_id", "region", "group_id")))
    return location if _GROUP_LOCATION.fullmatch(" ".join(location)) else None


QUEUE_VARIABLE = "HAMMER_IMMEDIATE_QUEUE"

QueueOption = Annotated[
    str | None, typer.Option("--queue", metavar="URL", help=f"The queue of requests. Else ${QUEUE_VARIABLE}.")
]
WaitOption = Annotated[int, typer.Option("--wait", min=0, max=20, help="Seconds to wait for the first request.")]


def command(config: ConfigOption = None, queue: QueueOption = None, wait: WaitOption = 20) -> None:
    """Report and remediate at once the groups that identification asked for (remediation_immediate).

    Exits with 1 when something could not be done: the requests for it stay in the queue.
    """
    url = queue or os.environ.get(QUEUE_VARIABLE, "")
    if not url:
        raise typer.BadParameter(f"which queue? Say --queue, or set {QUEUE_VARIABLE}")
    client = _client(url)
    requests = take(client, url, wait_s=wait)
    if not requests.receipts and not requests.malformed:
        typer.echo("nothing was asked for")
        return
    configuration = read_configuration(config)
    aws = configuration.aws
    access = open_table(configuration)
    configuration, table = access.config, access.table
    records = JobRecords(table.items, aws.main_account_id)
    try:
        with records.recorded("immediate", this_process(), utc_now) as problems:
            problems += requests.malformed
            done = _carry_out(configuration, config, table, requests, problems)
            remove(client, url, [receipt for location in done for receipt in requests.receipts[location]])
    except InterruptedRunError as stopped:  # the job has said so
        raise typer.Exit(Exit.INCOMPLETE) from stopped
    left = len(requests.receipts) - len(done)
    typer.echo(f"{counted(len(requests.receipts), 'group')} asked for, {left} left for later")
    end(problems)


def _client(url: str) -> SQSClient:
    """A client in the queue's region, which its URL tells; else in the region of the environment."""
    found = re.search(r"//sqs\.([a-z0-9-]+)\.", url)
    return sdk_client(sdk_session(), "sqs", found[1] if found else None)  # type: ignore[no-any-return]


def _carry_out(
    configuration: Configuration, location: str | None, table: IssueTable, requests: Requests, problems: list[str]
) -> list[RequestLocation]:
    """Run both jobs on the groups that are asked for. Returns those that are done with; adds what could not be done."""
    # Not imported where nothing was asked for, which is most of the time.
    from remediation import clean_security_groups
    from reporting import create_security_groups_tickets

    began, section = utc_now(), configuration.secgrp_unrestricted_access
    known = [asked for asked in requests.receipts if _may_be_remediated(asked, configuration)]
    issues = _issues(table, known, problems)
    wanted = sorted(asked for asked in known if issues.get(asked) is not None)
    all_done = True
    if wanted:
        # Not the regions: one that this SDK does not know would keep both jobs from all the others. An account's groups
        # have ids of their own in all of them.
        options = {
            "config": location,
            "account": sorted({asked.account_id for asked in wanted}),
            "group": sorted({asked.group_id for asked in wanted}),
        }
        jobs: tuple[tuple[str, Callable[[], None]], ...] = (
            ("reporting", lambda: create_security_groups_tickets.command(**options)),  # type: ignore[arg-type]
            ("remediation", lambda: clean_security_groups.command(**options, batch=True)),  # type: ignore[arg-type]
        )
        for name, job in jobs:
            if reason := _failure(job):
                all_done = False
                problems.append(f"{name} could not do everything: {reason}")
        issues |= _issues(table, wanted, problems)
    if len(wanted) > section.remediation_limit_per_run:
        # The run stopped at its limit and said so. To repeat it would only repeat that: the next scan asks again.
        return list(requests.receipts)
    now = utc_now()
    return [
        asked
        for asked in requests.receipts
        if asked not in known
        or (
            asked in issues
            and is_done(issues[asked], account_policy(configuration, asked.account_id), began, now, all_done=all_done)
        )
    ]


def _may_be_remediated(asked: RequestLocation, configuration: Configuration) -> bool:
    """Whether the configuration still has immediate mode on in a request's account, and knows its region."""
    section, regions = configuration.secgrp_unrestricted_access, configuration.aws.regions_of(asked.account_id)
    return (
        section.reporting
        and section.remediation
        and asked.account_id in configuration.remediation_accounts()
        and asked.account_id in configuration.scanned_accounts()
        and bool(remediation_terms(configuration, asked.account_id).immediate)
        and (regions is None or asked.region in regions)
    )


def _issues(
    table: IssueTable, locations: Iterable[RequestLocation], problems: list[str]
) -> dict[RequestLocation, Issue | None]:
    """The issues of groups as they are now, or None: there is none in that region.

    One that cannot be read is left out, and named as a problem.
    """
    found: dict[RequestLocation, Issue | None] = {}
    for location in locations:
        try:
            issue = table.get(location.account_id, location.group_id)
            found[location] = issue if issue and issue.details.region == location.region else None
        except UnreadableIssueError as error:
            problems.append(str(error))
    return found


def _failure(job: Callable[[], None]) -> str:
    """Run a job in this process.

    Returns:
        Why it could not do everything; empty: it could.

    Raises:
        InterruptedRunError: a signal asked it to stop, and so all of this process.
    """
    try:
        job()
    except typer.Exit as ended:
        if isinstance(ended.__cause__, InterruptedRunError):
            raise ended.__cause__ from None
        return "its own lines say what" if ended.exit_code else ""
    except typer.BadParameter as error:
        return error.message
    except ConfigurationError as error:
        return str(error)
    except (HammerError, *AWS_ERRORS) as error:
        return explain(error)
    return ""
