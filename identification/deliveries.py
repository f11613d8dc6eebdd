"""How messages come to a Lambda, and how it answers for each.

Pure. A message comes in a record of SNS, in one of SQS as its body, or in one of SQS within SNS's envelope (Amazon SNS
Developer Guide, "Fanout to Amazon SQS queues").
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from identification.errors import MalformedEventError


class Deliveries:
    """The records of one event, and which of them could not be handled.

    Args:
        event: what Lambda was called with.
        what: its records carry, for errors: `scan targets`.

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
    def come_again(self) -> bool:
        """Whether single records can be delivered again: SQS does that, SNS repeats only a whole event, two times."""
        return all(map(_sqs_message_id, self.records))

    def fail(self, error: Exception, *records: object) -> None:
        """Note that records could not be handled, all for the same reason."""
        self._failed |= dict.fromkeys(filter(None, map(_sqs_message_id, records)))
        self._errors.append(error)

    def answer(self, otherwise: Mapping[str, Any]) -> dict[str, Any]:
        """What the handler returns when every record has had its turn.

        Args:
            otherwise: the answer where the records are not of SQS and none failed.

        Returns:
            For SQS the records that failed, which come again while the others are done (AWS Lambda Developer Guide,
            "Implementing partial batch responses").

        Raises:
            Exception: a record failed that is not of SQS. Lambda knows only whole events there.
            ExceptionGroup: several did.
        """
        if self.come_again:
            return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in self._failed]}
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise ExceptionGroup(f"several {self._what} failed", self._errors)
        return dict(otherwise)


def message_of(record: Mapping[str, Any], what: str) -> Any:
    """The message that a record carries, parsed.

    Args:
        record: of SNS or SQS.
        what: it should be, for the error.

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
    if not isinstance(record, Mapping) or record.get("eventSource") != "aws:sqs":
        return ""
    return str(record.get("messageId") or "")
