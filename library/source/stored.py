"""What an issue keeps of its source, and what that says: the map in the table, the dispute, the text for people. Pure.

The map never holds a parameter's value that is hidden, nor more of a template than its diff shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from library.issues.decision_rules import exposure_digest
from library.issues.flapping import PastOccurrence
from library.issues.issue import Issue
from library.issues.times import format_time, shown_time, stored_time
from library.network.ports import ports_text
from library.source.location import Confidence, Kind, Location, RuleLocation, SourceReport

KEPT_FOR = timedelta(days=1)
"""How long a source that was read counts: each issue's is read once a day at most."""

DIFF_LINES = 40
"""Lines of a diff that an issue keeps and a ticket shows."""

_RULES = 20
_TEXT = 500


def stored_source(report: SourceReport, issue: Issue, now: datetime) -> dict[str, Any]:
    """The map that an issue keeps as `source`: what was found, and when it was read."""
    lines = report.diff.split("\n")
    return {
        "at": format_time(now),
        "occurrence": issue.occurrence,
        "exposures": exposure_digest(issue),
        "made_by": made_by(report.group, report.rules),
        "group": _cut(report.group.to_item()),
        "rules": [_cut(rule.to_item()) for rule in report.rules[:_RULES]],
        "diff": "\n".join(lines[:DIFF_LINES]),
        "diff_lines": len(lines) - 1 if report.diff else 0,
        "before_diff": list(report.before_diff),
        "commands": [command for command in report.commands if len(command) <= 4 * _TEXT],
        "returns": str(report.returns),
    }


def _cut(item: dict[str, Any]) -> dict[str, Any]:
    """A place without what would make an item of the table too large."""
    cut: dict[str, Any] = {key: value[:_TEXT] if isinstance(value, str) else value for key, value in item.items()}
    cut["evidence"] = [sentence[:_TEXT] for sentence in item.get("evidence", ())[:5]]
    return cut


def made_by(group: Location, rules: Sequence[RuleLocation]) -> str:
    """What opens a group, to compare one occurrence with another: kind and place; empty: nobody knows."""
    locations = [group, *(rule.location for rule in rules)]
    known = next((location for location in locations if location.kind is not Kind.UNKNOWN), None)
    return f"{known.kind} {known.where}"[:_TEXT] if known else ""


def is_fresh(issue: Issue, now: datetime) -> bool:
    """Whether what an issue keeps of its source still counts."""
    source = issue.source
    at = stored_time(source.get("at"))
    return (
        at is not None
        and now - at < KEPT_FOR
        and source.get("occurrence") == issue.occurrence
        and source.get("exposures") == exposure_digest(issue)
    )


@dataclass(frozen=True, slots=True)
class Dispute:
    """That one source opened a group again after Hammer had closed it.

    Attributes:
        source: kind and place; untrusted text.
        times: when Hammer closed it and when it was open again, in UTC, the oldest first.
    """

    source: str
    times: tuple[tuple[datetime, datetime | None], ...]

    @property
    def text(self) -> str:
        """One sentence for people."""
        listed = ", ".join(
            f"closed {shown_time(closed)}" + (f", open again {shown_time(opened)}" if opened else "")
            for closed, opened in self.times
        )
        count = "once" if len(self.times) == 1 else f"{len(self.times)} times"
        return f"In dispute: {self.source} opened this group again {count} after Hammer had closed it ({listed})."


def dispute_of(issue: Issue) -> Dispute | None:
    """The dispute about a group; None: there is none, or nobody knows its source."""
    source = str(issue.source.get("made_by") or "")
    if not source:
        return None
    history: list[PastOccurrence] = list(issue.history)
    opened = [*(past.identified for past in history), issue.timestamps.identified][1:]
    times = tuple(
        (past.remediated, again)
        for past, again in zip(history, opened, strict=True)
        if past.remediated is not None and past.source == source
    )
    return Dispute(source, times) if times else None


def source_lines(issue: Issue) -> tuple[str, ...]:
    """Where a group is defined and whether it comes back, a sentence each; none: nobody knows. Untrusted text.

    A map that somebody else damaged is nobody's knowledge.
    """
    try:
        return _lines(issue.source)
    except (AttributeError, ArithmeticError, KeyError, TypeError, ValueError):
        return ()


def known_locations(issue: Issue) -> tuple[tuple[tuple[Kind, str], ...], bool]:
    """Where a group's open rules are defined, or else the group, and whether some of the rules have no known place.

    A hint counts for nothing. The texts are untrusted; a map that somebody else damaged is nobody's knowledge.
    """
    try:
        group: Mapping[str, Any] = issue.source.get("group") or {}
        found = [_location_of(rule) for rule in issue.source.get("rules") or ()]
        of_group = _location_of(group)
    except (AttributeError, TypeError, ValueError):
        return (), False
    rules = tuple(dict.fromkeys(location for location in found if location is not None))
    if rules:
        return rules, None in found
    return ((of_group,), bool(found)) if of_group is not None else ((), False)


def _location_of(item: Mapping[str, Any]) -> tuple[Kind, str] | None:
    kind, where = Kind(item.get("kind") or Kind.UNKNOWN), str(item.get("where") or "")
    is_sure = item.get("confidence") in (str(Confidence.EXACT), str(Confidence.LIKELY))
    return (kind, where) if is_sure and where and kind is not Kind.UNKNOWN else None


def diff_lines(issue: Issue) -> tuple[str, ...]:
    """The first lines of the change that belongs there, as they are in the diff; none: there is none. Untrusted."""
    diff = issue.source.get("diff")
    return tuple(diff.split("\n")[:DIFF_LINES]) if isinstance(diff, str) and diff else ()


def _lines(source: Mapping[str, Any]) -> tuple[str, ...]:
    group: Mapping[str, Any] = source.get("group") or {}
    lines: list[str] = []
    if group.get("kind") not in (None, str(Kind.UNKNOWN)):
        lines.append(f"The group: {group['kind']}, {group.get('where')} ({group.get('confidence')}).")
    for rule in source.get("rules") or ():
        if rule.get("kind") in (None, str(Kind.UNKNOWN)):
            continue
        note = f": {rule['note']}" if rule.get("note") else ""
        ports = "all ports"
        if rule.get("from_port") is not None:
            ports = f"port {ports_text(int(rule['from_port']), int(rule['to_port']))}"
        lines.append(f"{ports} from {rule.get('cidr')}: {rule['kind']}, {rule.get('where')}; {rule.get('edit')}{note}.")
    if lines:
        lines.append(f"What is closed in EC2 alone comes back: {source.get('returns')}.")
    return tuple(lines)
