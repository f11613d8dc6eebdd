"""Times as the issue table keeps them and as people read them.

Pure.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def format_time(time: datetime | None) -> str | None:
    """ISO 8601 in UTC. What happens within one second is still told apart: fractions are kept where there are any.

    The texts sort as the times do, so that conditions of DynamoDB compare them: "+", where one has no fraction, comes
    before ".".

    >>> format_time(datetime(2026, 11, 22, 3, 0, tzinfo=UTC))
    '2026-11-22T03:00:00+00:00'
    """
    return time.astimezone(UTC).isoformat() if time else None


def shown_time(time: datetime | None) -> str:
    """The same for people, to the minute; empty for None.

    >>> shown_time(datetime(2026, 11, 22, 3, 5, 59, tzinfo=UTC))
    '2026-11-22 03:05 UTC'
    """
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if time else ""


def shown_day(time: datetime | None) -> str:
    """The day in UTC for people; empty for None."""
    return time.astimezone(UTC).date().isoformat() if time else ""


def stored_time(value: object) -> datetime | None:
    """A time as a record has it; None where it has none, or something that is no time, which somebody else wrote."""
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None


def required_time(value: Any, what: str = "the record") -> datetime:
    """The time that a record must have. Raises TypeError or ValueError where it has none; `what` it is, for the text.

    >>> required_time("", "a decision")
    Traceback (most recent call last):
    ValueError: a decision has no time
    """
    time = parse_time(value)
    if time is None:
        raise ValueError(f"{what} has no time")
    return time


def parse_time(text: str | None) -> datetime | None:
    """Read ISO 8601; a time without a zone is in UTC. Raises ValueError on anything else."""
    if not text:
        return None
    time = datetime.fromisoformat(text)
    if time.tzinfo is UTC:
        return time
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError as error:  # the first or the last day of the calendar, in another zone
        raise ValueError(f"{text} is out of range in UTC") from error
