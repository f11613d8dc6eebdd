"""Messages: the scan targets that functions send each other, and how records bring messages and are answered for.

A scan target is one account and region to scan, as a whole or only some of its groups. Initiation and the receiving
function publish targets to a topic (`publish`). The receiving function also sends each to the queue of the describing
function, to come five minutes later (`send_delayed`).

A message comes to a function in a record of SNS, in one of SQS as its body, or in one of SQS within SNS's envelope
(Amazon SNS Developer Guide, "Fanout to Amazon SQS queues"). `Deliveries` answers for each record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from identification.errors import MalformedEventError
from library.config.types import REGION
from library.errors import HammerError
from library.issues.opening_calls import OpeningCall, opened_from_item
from library.issues.times import format_time, stored_time

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient
    from types_boto3_sqs import SQSClient

NAMED_AT_MOST = 500
"""Of more groups than this the whole region is read, which takes fewer calls than to read each group."""

BATCH_SIZE = 10  # PublishBatch and SendMessageBatch: at most 10 entries,
BATCH_BYTES = 256 * 1024  # and at most 256 KiB of all their messages
_CONCURRENT_BATCHES = 8


@dataclass(frozen=True, slots=True)
class ScanTarget:
    """One account and region to scan.

    Attributes:
        group_ids: scan these groups only; empty: all.
        openings: calls that opened these groups, as events told them, each with the group's id.
        events: when calls about these groups were made, in UTC, each with the group's id.
        earliest_start_to_take_away: a scan that began before this time, in UTC, takes nothing away from an issue; None:
            any may.
        only_interfaces: whether calls that only touch network interfaces asked for it.
    """

    account_id: str
    region: str
    group_ids: tuple[str, ...] = ()
    openings: tuple[tuple[str, OpeningCall], ...] = ()
    events: tuple[tuple[str, datetime], ...] = ()
    earliest_start_to_take_away: datetime | None = None
    only_interfaces: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the whole region is scanned."""
        return not self.group_ids or len(self.group_ids) > NAMED_AT_MOST


def parse_target(record: Mapping[str, Any]) -> ScanTarget:
    """Read one record's scan target.

    Raises:
        MalformedEventError: it does not carry an account, a region and, if it names groups, their ids.
    """
    message = message_of(record, "a scan target")
    try:
        account_id, region, group_ids = message["account_id"], message["region"], message.get("group_ids") or []
    except (AttributeError, KeyError, TypeError) as error:
        raise MalformedEventError(f"not a scan target: {message!r:.500}") from error
    texts = [account_id, region] if isinstance(group_ids, list) else [None]
    is_read = all(isinstance(text, str) and text for text in texts) and all(map(_is_group_id, group_ids))
    # Of what is no region's name, a failed scan would be on record for ever.
    if not is_read or not re.fullmatch(REGION, region):
        raise MalformedEventError(f"not a scan target: {message!r:.500}")
    return ScanTarget(
        account_id,
        region,
        tuple(dict.fromkeys(group_ids)),
        tuple(opened for opened in opened_from_item(message.get("opened")) if _is_group_id(opened[0])),
        tuple(_events_from_item(message.get("events"))),
        stored_time(message.get("takes_away_from")),
        message.get("only_interfaces") is True,
    )


def merge(targets: Sequence[ScanTarget]) -> ScanTarget:
    """One target that asks for all that these ask for. They are of one account and region.

    What one of them may take away, the merged one may: the table knows the newest event of each group.
    """
    group_ids = tuple(dict.fromkeys(group_id for target in targets for group_id in target.group_ids))
    times = [target.earliest_start_to_take_away for target in targets]
    return replace(
        targets[0],
        group_ids=group_ids if all(target.group_ids for target in targets) else (),
        openings=tuple(dict.fromkeys(opened for target in targets for opened in target.openings)),
        events=tuple(dict.fromkeys(event for target in targets for event in target.events)),
        earliest_start_to_take_away=None if None in times else min(time for time in times if time),
        only_interfaces=all(target.only_interfaces for target in targets),
    )


def events_item(events: Mapping[str, datetime]) -> list[list[Any]]:
    """When calls about groups were made as JSON values for a message: a time that many have in common is there once."""
    groups: dict[datetime, list[str]] = {}
    for group_id, time in events.items():
        groups.setdefault(time, []).append(group_id)
    return [[format_time(time), group_ids] for time, group_ids in groups.items()]


def _events_from_item(item: object) -> Iterator[tuple[str, datetime]]:
    """Read what `events_item` made. What is malformed is left out: an event is a hint."""
    for entry in item if isinstance(item, list) else ():
        if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], list):
            time = stored_time(entry[0])
            yield from ((group_id, time) for group_id in entry[1] if time and _is_group_id(group_id))


def _is_group_id(value: object) -> bool:
    # The table keeps other records under ids that begin otherwise.
    return isinstance(value, str) and value.startswith("sg-")


class PublishError(HammerError):
    """Not every message could be sent."""


def publish(client: SNSClient, topic_arn: str, messages: Sequence[Mapping[str, Any]]) -> None:
    """Publish messages, each below 256 KiB as JSON, to a topic in concurrent batches. `client` is for its region.

    Raises:
        PublishError: an entry failed; AWS answers 200 all the same (SNS API Reference, PublishBatch).
        ClientError: a batch failed as a whole. The other batches are published nevertheless.
    """

    def send(batch: Sequence[str]) -> Any:
        entries: Any = [{"Id": str(number), "Message": text} for number, text in enumerate(batch)]
        return client.publish_batch(TopicArn=topic_arn, PublishBatchRequestEntries=entries)

    _send(send, messages, "published")


def send_delayed(client: SQSClient, queue_url: str, messages: Sequence[Mapping[str, Any]], delay_s: int) -> None:
    """Send messages, each below 256 KiB as JSON, to a queue in concurrent batches, to be delivered only later.

    They may be received after `delay_s` seconds: 900 at most.

    Raises:
        PublishError: an entry failed; AWS answers 200 all the same (SQS API Reference, SendMessageBatch).
        ClientError: a batch failed as a whole. The other batches are sent nevertheless.
    """

    def send(batch: Sequence[str]) -> Any:
        entries: Any = [
            {"Id": str(number), "MessageBody": text, "DelaySeconds": delay_s} for number, text in enumerate(batch)
        ]
        return client.send_message_batch(QueueUrl=queue_url, Entries=entries)

    _send(send, messages, "sent")


def _send(send: Callable[[Sequence[str]], Any], messages: Sequence[Mapping[str, Any]], done: str) -> None:
    with ThreadPoolExecutor(_CONCURRENT_BATCHES) as pool:
        # Not pool.map: its first error cancels what has not begun.
        sent = [(batch, pool.submit(send, batch)) for batch in _batches([json.dumps(each) for each in messages])]
    failures = [
        f"{batch[int(failed['Id'])]:.500}: {failed.get('Code')} {failed.get('Message', '')}".strip()
        for batch, answer in sent
        for failed in answer.result().get("Failed", ())
    ]
    if failures:
        raise PublishError(f"{len(failures)} of {len(messages)} messages were not {done}: {'; '.join(failures)}")


def _batches(texts: Iterable[str]) -> Iterator[Sequence[str]]:
    """Texts in their order, as many at a time as a call takes. They are ASCII: a character is a byte."""
    batch: list[str] = []
    for text in texts:
        if batch and (len(batch) == BATCH_SIZE or sum(map(len, batch)) + len(text) > BATCH_BYTES):
            yield batch
            batch = []
        batch.append(text)
    if batch:
        yield batch


class Deliveries:
    """The records of one event, and which of them could not be handled.

    `what` they carry, such as `scan targets`, is for errors.

    Attributes:
        records: as they came.

    Raises:
        MalformedEventError: it has no records.
    """

    def __init__(self, event: object, what: str) -> None:
        records = event.get("Records") if isinstance(event, Mapping) else None
        if not isinstance(records, list) or not records:
            raise MalformedEventError("the event has no SNS records, and none of SQS")
        self.records: list[Any] = records
        self._what = what
        self._errors: list[Exception] = []
        self._failed: dict[str, None] = {}

    @property
    def supports_partial_failure(self) -> bool:
        """Whether single records can be delivered again: SQS does that, SNS repeats only a whole event, two times."""
        return all(map(_sqs_message_id, self.records))

    def fail(self, error: Exception, *records: object) -> None:
        """Note that records could not be handled, all for the same reason."""
        self._failed |= dict.fromkeys(filter(None, map(_sqs_message_id, records)))
        self._errors.append(error)

    def answer(self, otherwise: Mapping[str, Any]) -> dict[str, Any]:
        """What the handler returns when every record has had its turn: `otherwise` if none failed and none is of SQS.

        Returns:
            For SQS the records that failed, which come again while the others are done (AWS Lambda Developer Guide,
            "Implementing partial batch responses").

        Raises:
            Exception: a record failed that is not of SQS. Lambda knows only whole events there.
            ExceptionGroup: several did.
        """
        if self.supports_partial_failure:
            return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in self._failed]}
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise ExceptionGroup(f"several {self._what} failed", self._errors)
        return dict(otherwise)


def message_of(record: Mapping[str, Any], what: str) -> Any:
    """The message that a record of SNS or SQS carries, parsed; `what` it should be is for the error.

    Raises:
        MalformedEventError: it carries no JSON.
    """
    try:
        if "Sns" in record:
            return json.loads(record["Sns"]["Message"])
        body = json.loads(record["body"])
        if isinstance(body, Mapping) and body.get("Type") == "Notification" and "Message" in body:
            return json.loads(body["Message"])
        return body
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise MalformedEventError(f"not {what}: {record!r:.500}") from error


def _sqs_message_id(record: object) -> str:
    """The id by which a record of SQS is reported as failed; empty: it is not one of SQS."""
    if not isinstance(record, Mapping):
        return ""
    # An event that somebody wrote by hand, to send a record again, may lack the name of the service.
    if record.get("eventSource", "aws:sqs" if "body" in record else "") != "aws:sqs":
        return ""
    return str(record.get("messageId") or "")
