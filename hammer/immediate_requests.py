"""Requests for remediation at once: what identification sends to the queue, and when one is done with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from library.aws.chunks import chunks
from library.documents.text import flattened
from library.issues.issue import Issue, Status
from remediation.due import Policy, Why, why_not_due

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

_BATCH_SIZE = 10  # ReceiveMessage and DeleteMessageBatch
_TAKEN_AT_MOST = 1000
_LONGEST_WAIT_S = 20  # ReceiveMessage
_SHOWN_LIMIT = 200
_PLACE = re.compile(r"[0-9]{12} [a-z0-9-]{1,40} sg-[0-9a-f]{1,40}")


class RequestPlace(NamedTuple):
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

    receipts: dict[RequestPlace, list[str]] = field(default_factory=dict)
    malformed: list[str] = field(default_factory=list)


def take(client: SQSClient, queue_url: str, *, wait_s: int = _LONGEST_WAIT_S) -> Requests:
    """Take what is in the queue, so that one run is about all of it.

    Args:
        client: for SQS.
        queue_url: the queue.
        wait_s: how long to wait for the first message.

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
            if (place := _parsed(body)) is None:
                requests.malformed.append(f"not a request for remediation at once: {flattened(body, _SHOWN_LIMIT)}")
            else:
                requests.receipts.setdefault(place, []).append(message["ReceiptHandle"])
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
    refusal = why_not_due(issue, policy, now)
    if refusal is None:
        remediated = issue.timestamps.remediated
        return all_done or (remediated is not None and remediated >= began)
    # Not told yet, by a channel that was away, say.
    waits = refusal.why in (Why.NOT_REPORTED, Why.NOT_DUE) and policy.closing.is_immediate(issue)
    return not waits


def _parsed(body: str) -> RequestPlace | None:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, Mapping):
        return None
    place = RequestPlace(*(str(message.get(name)) for name in ("account_id", "region", "group_id")))
    return place if _PLACE.fullmatch(" ".join(place)) else None
