"""What Inspector sends: v2's events on EventBridge, and Classic's notifications on its SNS topic.

Pure. Only a record that cannot be told to be about a finding raises; `identification.inspector.finding` reads what is
in a finding.

Shapes: the Inspector user guide, "EventBridge event schema for Amazon Inspector events"; the Inspector Classic user
guide, "Setting up an SNS topic for Amazon Inspector notifications".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from identification.errors import MalformedEventError
from identification.inspector.finding import ARN, Finding, parse_v2

_FINDING_EVENT = "Inspector2 Finding"
_V2_SOURCE = "aws.inspector2"
_REPORTED = "FINDING_REPORTED"


@dataclass(frozen=True, slots=True)
class ClassicNotification:
    """Inspector Classic reports a finding by its ARN alone. DescribeFindings tells the rest."""

    finding_arn: str
    account_id: str
    region: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A record that is not about a finding: a test notification, an assessment run's start or end."""

    reason: str


Message = Finding | ClassicNotification | Ignored


def records(event: object) -> Sequence[Any]:
    """The records of a Lambda event: SNS's, or the one event that EventBridge sent.

    Raises:
        MalformedEventError: the event holds no records.
    """
    if not isinstance(event, Mapping):
        raise MalformedEventError(f"not an event: {event!r:.500}")
    if "Records" not in event:
        return (event,)
    if not isinstance(event["Records"], list) or not event["Records"]:
        raise MalformedEventError("the event has no SNS records")
    return event["Records"]


def read_record(record: object) -> Message:
    """Read one of `records`.

    Raises:
        MalformedEventError: the record is not a message of Inspector.
    """
    if not isinstance(record, Mapping):
        raise MalformedEventError(f"not a record: {record!r:.500}")
    # A dead letter of the topic's is its notification, which a person hands over as it is.
    is_notification = record.get("Type") == "Notification"
    if not is_notification and "Sns" not in record:
        return read_message(record)
    try:
        message = json.loads((record if is_notification else record["Sns"])["Message"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise MalformedEventError(f"not an SNS record with JSON in it: {record!r:.500}") from error
    return read_message(message)


def read_message(message: object) -> Message:
    """Read what Inspector sends to EventBridge (v2) or to its SNS topic (Classic).

    Raises:
        MalformedEventError: the record is not a message of Inspector.
    """
    if not isinstance(message, Mapping):
        raise MalformedEventError(f"not an Inspector message: {message!r:.500}")
    kind, detail = message.get("detail-type"), message.get("detail")
    # A forwarder cannot keep the source: PutEvents refuses one that begins with "aws.".
    if kind == _FINDING_EVENT or (isinstance(detail, Mapping) and "findingArn" in detail):
        return parse_v2(message)
    if message.get("source") == _V2_SOURCE:
        return Ignored(f"{kind} is no finding") if isinstance(kind, str) and kind else parse_v2(message)
    if "finding" in message or message.get("event") == _REPORTED:
        return _notification(message)
    if isinstance(message.get("event"), str):
        return Ignored(f"{message['event']} is no finding")
    raise MalformedEventError(f"not an Inspector message: {message!r:.500}")


def _notification(message: Mapping[str, Any]) -> ClassicNotification:
    arn = message.get("finding")
    match = ARN.fullmatch(arn) if isinstance(arn, str) else None
    if match is None or match["service"] != "inspector":
        raise MalformedEventError(f"an Inspector Classic notification without a finding's ARN: {message!r:.500}")
    return ClassicNotification(match[0], match["account"], match["region"])
