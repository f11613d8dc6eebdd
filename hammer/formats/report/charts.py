"""The report's charts as values: bars with a label and a number each. The template draws them. Pure.

docs/decisions/0008-charts-without-a-library.md says why no chart library does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType

from hammer.listing.issue import SEVERITIES, ListedIssue
from library.documents.text import counted, printable, shortened

_BARS = 10
_LABEL_LIMIT = 17
_PLOT_WIDTH = 170  # of the longest bar, in the units of the drawing
# The line of the trend, in the units of the drawing.
_LEFT, _BOTTOM, _LINE_WIDTH, _LINE_HEIGHT = 30, 100, 320, 80
_AGES = ((1, "today"), (7, "1 to 6 days"), (30, "7 to 29 days"), (90, "30 to 89 days"))
_OLDER = "90 days or more"
_OTHERS = " others"
_FILTERS = frozenset({"severity", "port", "account", "owner"})


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        label: what it counts, short enough to be drawn.
        full: the same as long as it is.
        number: how many.
        width: how long it is, in the units of the drawing.
        kind: how it is coloured: a severity, or empty.
        value: what the list's filter of the chart's name is set to when it is chosen; None: there is no such filter.
    """

    label: str
    full: str
    number: int
    width: float
    kind: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Trend:
    """How many issues were open, day by day.

    Attributes:
        points: of the line, as SVG writes them.
        highest: the number at the top.
        first: the first day.
        last: the last day.
        x: of the last point.
        y: of the last point.
        label: what it shows.
        summary: the same in words.
    """

    points: str
    highest: int
    first: str
    last: str
    x: float
    y: float
    label: str
    summary: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    Attributes:
        id: unique on the page.
        title: what it shows.
        summary: the same in words, for those who do not see it.
        note: what its numbers do not tell by themselves; empty: nothing.
    """

    id: str
    title: str
    summary: str
    bars: tuple[Bar, ...]
    note: str


def charts(issues: Sequence[ListedIssue], now: datetime) -> tuple[Chart, ...]:
    """Open issues by severity, account, port, age and owner. Without times, as in a scan, there is no chart of ages."""
    severities = Counter(str(issue.severity) for issue in issues)
    ages = Counter(_age_group(days) for issue in issues if (days := issue.age(now)) is not None)
    shown = [
        _chart("severity", "Severity", [(str(severity), severities[severity]) for severity in SEVERITIES], kinds=True),
        _chart("port", "Port", _most(port for issue in issues for port in issue.ports), names=_PORT_NAMES),
        _chart("account", "Account", _most(issue.account_name for issue in issues)),
        _chart("owner", "Owner", _most(issue.owner for issue in issues), names=_OWNER_NAMES),
    ]
    if ages:
        names = [*(name for _, name in _AGES), _OLDER]
        shown.insert(1, _chart("age", "Age", [(name, ages[name]) for name in names]))
    return tuple(shown)


def trend(days: Sequence[tuple[date, int]], today: date) -> Trend | None:
    """The line of a trend; None: fewer than two days make none.

    >>> trend([(date(2026, 11, 20), 4), (date(2026, 11, 22), 2)], date(2026, 11, 22)).points
    '30.0,20.0 350.0,60.0'
    """
    if len(days) < 2:
        return None
    first, last = days[0][0], days[-1][0]
    highest = max(number for _, number in days) or 1
    span = (last - first).days or 1
    positions = [
        (_LEFT + _LINE_WIDTH * (day - first).days / span, _BOTTOM - _LINE_HEIGHT * number / highest)
        for day, number in days
    ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in positions)
    return Trend(
        points=points,
        highest=highest,
        first=first.isoformat(),
        last=last.isoformat(),
        x=round(positions[-1][0], 1),
        y=round(positions[-1][1], 1),
        label=f"{days[-1][1]:,} {'today' if last == today else f'on {last}'}",
        summary=", ".join(f"{day}: {number:,}" for day, number in days),
    )


def _age_group(days: int) -> str:
    return next((name for limit, name in _AGES if days < limit), _OLDER)


_PORT_NAMES = MappingProxyType({"all": "all ports"})
"""What a port is called that is none: the filter of the list knows it by the other name."""
_OWNER_NAMES = MappingProxyType({"": "nobody"})
_PORT_NOTE = "A range and all ports count by themselves; a group counts at each of its ports."


def _most(values: Iterable[str]) -> list[tuple[str, int]]:
    """The most frequent values, and the others together."""
    every = sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0]))
    rest = sum(number for _, number in every[_BARS:])
    return every[:_BARS] + ([(f"{len(every) - _BARS:,}{_OTHERS}", rest)] if rest else [])


def _chart(
    id_: str,
    title: str,
    numbers: Sequence[tuple[str, int]],
    *,
    kinds: bool = False,
    names: Mapping[str, str] = MappingProxyType({}),
) -> Chart:
    longest = max((number for _, number in numbers), default=0) or 1
    bars = tuple(
        Bar(
            label=shortened(printable(names.get(label, label)), _LABEL_LIMIT),
            full=printable(names.get(label, label)),
            number=number,
            width=round(_PLOT_WIDTH * number / longest, 1),
            kind=label if kinds else "",
            value=None if id_ not in _FILTERS or label.endswith(_OTHERS) or not number else printable(label),
        )
        for label, number in numbers
    )
    summary = ", ".join(f"{bar.full}: {counted(bar.number, 'issue')}" for bar in bars)
    return Chart(id_, title, summary, bars, _PORT_NOTE if id_ == "port" else "")
