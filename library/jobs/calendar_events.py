"""Cron expressions as systemd's calendar events: those of `cronjobs`, by which the host runs its jobs. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cronsim import CronSim

from library.errors import HammerError

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class TimerError(HammerError):
    """A cron expression that systemd cannot say."""


def on_calendar(cron: str) -> list[str]:
    """A cron expression in UTC as the values of `OnCalendar=` (systemd.time(7)) that together mean the same.

    Where cron restricts both the day of the month and the day of the week, either is enough; systemd asks for both, so
    that each gets a value of its own.

    Raises:
        TimerError: it has a last weekday of the month (`LW`), or a certain one in the last days (`5L`).
        CronSimError: it is no cron expression.

    >>> on_calendar("55 * * * *")
    ['*-*-* *:55:00 UTC']
    >>> on_calendar("0 6 1 * MON-FRI")
    ['*-*-01 06:00:00 UTC', 'Mon,Tue,Wed,Thu,Fri *-*-* 06:00:00 UTC']
    """
    parsed: Any = CronSim(cron, datetime(2000, 1, 1))  # noqa: DTZ001 - the fields alone are wanted
    months = _numbers(parsed.months, range(1, 13))
    time = f"{_numbers(parsed.hours, range(24))}:{_numbers(parsed.minutes, range(60))}:00 UTC"
    days = _days(parsed.days, months)
    weekdays = list(_weekdays(parsed.weekdays, months))
    any_day, any_weekday = parsed.days >= set(range(1, 32)), parsed.weekdays >= set(range(7))
    if (any_day and any_weekday) or ((any_day or any_weekday) and not parsed.day_and):
        return [f"*-{months}-* {time}"]
    if any_weekday:
        return [f"{date} {time}" for date in days]
    if any_day:
        return [f"{weekday}{date} {time}" for weekday, date in weekdays]
    if not parsed.day_and:
        return [*(f"{date} {time}" for date in days), *(f"{weekday}{date} {time}" for weekday, date in weekdays)]
    if any(not date.endswith("-*") for _, date in weekdays):
        raise TimerError(f"{cron}: systemd cannot say a numbered weekday together with days of the month")
    return [f"{weekday}{date} {time}" for weekday, _ in weekdays for date in days]


def _numbers(values: Iterable[int], whole: range) -> str:
    numbers = sorted(values)
    return "*" if numbers == list(whole) else ",".join(f"{number:02}" for number in numbers)


def _days(days: set[int], months: str) -> list[str]:
    if CronSim.LAST_WEEKDAY in days:
        raise TimerError("systemd cannot say the last weekday of the month (LW)")
    plain = {day for day in days if day > 0}
    dates = [f"*-{months}-{_numbers(plain, range(1, 32))}"] if plain else []
    return [*dates, *([f"*-{months}~01"] if CronSim.LAST in days else [])]


def _weekdays(weekdays: set[Any], months: str) -> Iterable[tuple[str, str]]:
    """Pairs of weekdays and date that hold together."""
    plain = sorted({day % 7 for day in weekdays if isinstance(day, int)})
    if plain:
        yield ",".join(_WEEKDAYS[day] for day in plain) + " ", f"*-{months}-*"
    for day, nth in sorted(entry for entry in weekdays if isinstance(entry, tuple)):
        if nth == CronSim.LAST:
            raise TimerError(f"systemd cannot say the last {_WEEKDAYS[day]} of the month")
        # The second Tuesday is the Tuesday from the 8th to the 14th.
        yield f"{_WEEKDAYS[day]} ", f"*-{months}-{7 * nth - 6:02}..{min(7 * nth, 31):02}"
