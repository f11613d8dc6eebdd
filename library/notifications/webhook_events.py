"""The events that the webhook gets: what happened to an issue, as JSON. Pure.

`issue_event` makes one. Its id is made of what it says and of how many the issue had before it, so that the run after
one that died sends the same event under the same id, and no two events share one. Every text is cut and spelled out
where it does not print; a receiver still has to escape it for the place where it shows it. docs/webhook.md describes
each field.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from library.documents.text import printable, shortened
from library.issues.change_notifications import COMPLETED, RELEASED, REMEDIATED, RESTORED, ChangeNotification
from library.issues.decision_record import Decision, Untold
from library.issues.issue import SECURITY_GROUP, Issue
from library.issues.times import format_time
from library.security_groups.exposure import Exposure

if TYPE_CHECKING:
    from library.config import Configuration
    from library.notifications.jira_client import JiraClient

MOST_BYTES = 65_536
"""The longest body. ServiceNow's and Power Automate's own limits are far above."""

_MOST_PERMS, _FEW_PERMS = 100, 10
_MOST_DETAILS = 20
_WORD_LIMIT, _NAME_LIMIT, _TAG_LIMIT, _TEXT_LIMIT = 64, 256, 256, 500
_MOST_TAGS = 50  # as many as a resource may have


class EventType(StrEnum):
    """What `webhook.events` names."""

    NEW = "new"
    CHANGED = "changed"
    REMINDER = "reminder"
    REMEDIATED = "remediated"
    REFUSED = "refused"
    RESOLVED = "resolved"
    DECIDED = "decided"


_TYPES_OF_CHANGES = {
    REMEDIATED: EventType.REMEDIATED,
    COMPLETED: EventType.REMEDIATED,
    RESTORED: EventType.DECIDED,
    RELEASED: EventType.DECIDED,
}


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """One event.

    Attributes:
        id: the same whenever the same event is sent.
        body: JSON in UTF-8, at most `MOST_BYTES`.
    """

    id: str
    type: EventType
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event says of its issue beyond the item.

    Attributes:
        ticket_url: where the ticket is; empty: there is none, or JIRA is off.
    """

    account_name: str
    ticket_url: str = ""
    console_url: str = ""


def subject_of(config: Configuration, jira: JiraClient | None, issue: Issue, console_url: str = "") -> Subject:
    """What events say of an issue beyond its item. `jira`: for the link to the ticket; None: off."""
    ticket = str(issue.jira_details.get("ticket") or "")
    return Subject(config.account_name(issue.account_id), jira.url(ticket) if jira and ticket else "", console_url)


def type_of_change(notification: ChangeNotification) -> EventType:
    """Which event tells what remediation did: what could not be done, or not completely, was refused."""
    return _TYPES_OF_CHANGES.get(notification.heading, EventType.REFUSED)


def issue_event(
    issue: Issue,
    subject: Subject,
    event_type: EventType,
    *,
    at: datetime,
    occurrence: int,
    key: Sequence[object],
    reason: str,
    text: str,
    more: Mapping[str, Any] | None = None,
) -> WebhookEvent:
    """An event about an issue.

    Args:
        issue: the issue as it is.
        subject: what else is known of it.
        event_type: what happened.
        at: when it happened, or was found, in UTC.
        occurrence: of the issue in which it happened: the issue may be in another by now.
        key: tells the event from all others of this type and issue.
        reason: what happened, in a few words of Hammer's own.
        text: the same as one sentence; may hold untrusted input.
        more: further members of the event.
    """
    about = (issue.account_id, issue.issue_id, occurrence, str(event_type), *map(str, key))
    event_id = f"evt_{hashlib.sha256(repr(about).encode('utf-8', 'backslashreplace')).hexdigest()[:32]}"
    event = {
        "version": 1,
        "id": event_id,
        "type": str(event_type),
        "time": format_time(at),
        "reason": reason,
        "text": _text(text, 2 * _TEXT_LIMIT),
        "issue": _issue(issue, subject, _MOST_PERMS),
        **(more or {}),
    }
    body = _body(event)
    if len(body) > MOST_BYTES:
        # What is long is left out, and said to be: the table and `hammer explain` have it.
        event["issue"] = {**_issue(issue, subject, _FEW_PERMS), "tags": {}, "shortened": True}
        body = _body(event)
    return WebhookEvent(event_id, event_type, body)


def change_event(issue: Issue, subject: Subject, notification: ChangeNotification) -> WebhookEvent:
    """The event about what remediation did to a group, or could not do."""
    change = {
        "heading": notification.heading,
        "details": [_text(detail, _TEXT_LIMIT) for detail in notification.details[:_MOST_DETAILS]],
    }
    kind = type_of_change(notification)
    return issue_event(
        issue,
        subject,
        kind,
        at=notification.at,
        occurrence=notification.occurrence,
        key=(notification.key,),
        reason=notification.heading,
        text=notification.text,
        more={"change": change},
    )


def decision_event(issue: Issue, subject: Subject, untold: Untold) -> WebhookEvent:
    """The event about what somebody decided, refused decisions among them."""
    decision = untold.decision
    done = "decided" if decision.is_done else "wanted to decide"
    refused = "" if decision.is_done else f", and was refused: {decision.rejection}"
    return issue_event(
        issue,
        subject,
        EventType.DECIDED,
        at=decision.at,
        occurrence=decision.occurrence,
        key=(untold.number, format_time(decision.at)),
        reason=str(decision.kind),
        text=f"{decision.by} {done} {decision.kind} in {decision.via}{refused}",
        more={"decision": _decision(decision)},
    )


def _decision(decision: Decision) -> dict[str, Any]:
    item = decision.to_item()
    return {name: _text(value, _TEXT_LIMIT) if isinstance(value, str) else value for name, value in item.items()}


def _issue(issue: Issue, subject: Subject, most_perms: int) -> dict[str, Any]:
    details, reachability = issue.details, issue.details.reachability
    return {
        "id": f"{issue.account_id}/{issue.issue_id}",
        "kind": issue.kind.name,
        "account_id": issue.account_id,
        "account_name": _text(subject.account_name, _NAME_LIMIT),
        "region": _text(details.region, _NAME_LIMIT),
        **({"group_id": issue.issue_id} if issue.kind is SECURITY_GROUP else {}),
        "name": _text(details.name, _NAME_LIMIT),
        "vpc_id": _text(details.vpc_id, _NAME_LIMIT),
        "status": str(issue.status),
        "exposure": details.status,
        "severity": str(details.severity),
        "verdict": str(reachability.verdict) if reachability else None,
        "occurrence": issue.occurrence,
        "timestamps": issue.timestamps.to_item(),
        "perms": [_perm(perm) for perm in details.perms[:most_perms]],
        "perms_total": details.perms_total or len(details.perms),
        "tags": {
            _text(name, _TAG_LIMIT): _text(value, _TAG_LIMIT)
            for name, value in sorted(details.tags.items())[:_MOST_TAGS]
        },
        "ticket": _text(str(issue.jira_details.get("ticket") or ""), _NAME_LIMIT) or None,
        "ticket_url": subject.ticket_url or None,
        "console_url": subject.console_url or None,
    }


def _perm(perm: Exposure) -> dict[str, Any]:
    return {
        "protocol": _text(perm.protocol, _WORD_LIMIT),
        "from_port": perm.from_port,
        "to_port": perm.to_port,
        "cidr": _text(perm.cidr, _WORD_LIMIT),
        "status": perm.status,
        **({"prefix_list_id": _text(perm.prefix_list_id, _WORD_LIMIT)} if perm.prefix_list_id else {}),
    }


def _text(text: str, limit: int) -> str:
    return shortened(printable(text), limit)


def _body(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
