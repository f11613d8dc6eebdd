"""Single fields of a finding, as v2 and Classic share them.

Pure. Each function returns the value, or a neutral one and adds a reason to `problems`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from identification.inspector.finding import ARN, FindingStatus
from library.network.intervals import EMPTY, IntervalSet
from library.network.ports import PortSet

_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EVENT_TIME = re.compile(
    r"[A-Z][a-z]{2} (?P<month>[A-Z][a-z]{2}) (?P<day>[0-9]{2}) "
    r"(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?) UTC (?P<year>[0-9]{4})"
)


def read_ports(protocol: object, spans: IntervalSet, problems: list[str]) -> PortSet:
    """These ports of the protocol that a finding names, `TCP` or `UDP`."""
    name = protocol.upper() if isinstance(protocol, str) else ""
    if name not in ("TCP", "UDP"):
        problems.append(f"its protocol is not TCP or UDP: {protocol!r:.100}")
        return PortSet()
    return PortSet(tcp=spans) if name == "TCP" else PortSet(EMPTY, spans)


def read_arn(value: object, problems: list[str]) -> tuple[str, str, str]:
    """A finding's ARN with its account and region."""
    text = read_text(value)
    match = ARN.fullmatch(text)
    if match is None:
        problems.append(f"its ARN is none: {value!r:.200}")
        return text, "", ""
    return text, match["account"], match["region"]


def read_account(value: object, others: Iterable[object], problems: list[str]) -> str:
    """The account that a finding names, else the first of `others` that is one."""
    if isinstance(value, str) and _ACCOUNT.fullmatch(value):
        return value
    problems.append(f"its account is none: {value!r:.100}")
    return next((other for other in others if isinstance(other, str) and _ACCOUNT.fullmatch(other)), "")


def read_region(values: Iterable[object], problems: list[str]) -> str:
    """The first of these values that is a region."""
    for value in values:
        if isinstance(value, str) and _REGION.fullmatch(value):
            return value
    problems.append("it does not say its region")
    return ""


def read_status(value: object, problems: list[str]) -> FindingStatus:
    """The status of a finding; `ACTIVE` where it is unknown, so that the finding is not lost."""
    if isinstance(value, str) and value in FindingStatus.__members__:
        return FindingStatus[value]
    problems.append(f"its status is unknown: {value!r:.100}")
    return FindingStatus.ACTIVE


def read_text(value: object) -> str:
    """A text; empty for anything else."""
    return value if isinstance(value, str) else ""


def read_time(value: object) -> datetime | None:
    """A time in UTC, from what events hold (`Thu Sep 05 13:06:56.334 UTC 2024`), ISO 8601, or a datetime of the SDK.

    Returns:
        None where it cannot be read. The time only orders the events of one finding, so that is no problem of it.
    """
    if isinstance(value, str):
        match = _EVENT_TIME.fullmatch(value)
        if match and match["month"] in _MONTHS:
            value = f"{match['year']}-{_MONTHS.index(match['month']) + 1:02}-{match['day']}T{match['time']}+00:00"
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:  # the first and the last day of the calendar, in another zone
        return None
