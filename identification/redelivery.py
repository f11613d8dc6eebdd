"""When a message whose change EC2 did not show yet comes again: soon, not after the queue's visibility timeout."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from library.aws.failures import AWS_ERRORS, explain

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

    from identification.errors import NotShownYetError
    from identification.runtime import Runtime

_log = logging.getLogger(__name__)

_SOON = timedelta(seconds=30)  # most changes are shown by then


def redeliver_soon(error: NotShownYetError, records: Iterable[Any], runtime: Runtime) -> None:
    """Let records of SQS whose look was behind come again soon.

    A record of which that fails comes again all the same, when the queue's visibility timeout has passed.
    """
    settles = max(seen.settles for seen in error.groups.values())
    urls: dict[str, str] = {}
    for record in records:
        arn = str(record.get("eventSourceARN") or "").split(":")
        if record.get("eventSource") != "aws:sqs" or len(arn) != 6 or "receiptHandle" not in record:
            continue
        client: SQSClient = runtime.sessions.client("sqs", region=arn[3])
        try:
            url = urls.get(arn[5]) or client.get_queue_url(QueueName=arn[5], QueueOwnerAWSAccountId=arn[4])["QueueUrl"]
            urls[arn[5]] = url
            client.change_message_visibility(
                QueueUrl=url,
                ReceiptHandle=record["receiptHandle"],
                VisibilityTimeout=seconds_until_next(record, settles, runtime.now()),
            )
        except AWS_ERRORS as failure:
            _log.warning("the message comes again only after the queue's visibility timeout: %s", explain(failure))


def seconds_until_next(record: Mapping[str, Any], settles: datetime, now: datetime) -> int:
    """How long a record stays invisible: half a minute at first, then until its change counts as shown in any case.

    So a message comes three times at the most, and none ends in the dead-letter queue because EC2 is slow.

    Args:
        record: of SQS, with `ApproximateReceiveCount`.
        settles: when its change counts as shown, in UTC.
        now: the time in UTC.
    """
    attributes = record.get("attributes")
    count = attributes.get("ApproximateReceiveCount") if isinstance(attributes, Mapping) else None
    remaining = max(settles - now, timedelta(0)) + timedelta(seconds=1)
    return ceil((min(_SOON, remaining) if count in (None, "1") else remaining).total_seconds())
