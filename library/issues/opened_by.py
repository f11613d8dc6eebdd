"""Who opened a group: what CloudTrail told of the call that added an exposure of an issue.

Pure. Every text here comes from an account and is hostile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from library.issues.times import format_time, parse_time

_TEXTS = ("principal", "source_ip", "user_agent", "event_name", "event_id")


@dataclass(frozen=True, slots=True)
class OpenedBy:
    """The API call that opened a group, as CloudTrail recorded it.

    Attributes:
        principal: the caller's ARN, or the AWS service that called on somebody's behalf (`userIdentity.arn`, else
            `invokedBy`); empty: CloudTrail told neither.
        source_ip: the caller's address, or the name of an AWS service.
        user_agent: the program, such as Terraform, the console or an SDK.
        event_name: the API operation, such as `AuthorizeSecurityGroupIngress`.
        event_time: when CloudTrail says that the call was made, in UTC.
        event_id: CloudTrail's id of the event.
    """

    principal: str
    source_ip: str
    user_agent: str
    event_name: str
    event_time: datetime
    event_id: str

    def to_item(self) -> dict[str, str]:
        """The `opened_by` map of the table."""
        return {
            "principal": self.principal,
            "source_ip": self.source_ip,
            "user_agent": self.user_agent,
            "event_name": self.event_name,
            "event_time": format_time(self.event_time) or "",
            "event_id": self.event_id,
        }

    @classmethod
    def from_item(cls, item: object) -> OpenedBy | None:
        """Read the map of the table; None if there is none, or if it is not readable.

        The map is information for people. An issue whose other parts are sound must be reported and remediated even if
        something else wrote nonsense here.
        """
        if not isinstance(item, Mapping):
            return None
        texts: dict[str, Any] = {name: item.get(name, "") for name in _TEXTS}
        time = item.get("event_time")
        if not isinstance(time, str) or not all(isinstance(text, str) for text in texts.values()):
            return None
        try:
            event_time = parse_time(time)
        except ValueError:
            return None
        return None if event_time is None else cls(event_time=event_time, **texts)
