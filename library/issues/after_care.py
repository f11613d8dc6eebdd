"""After-care: sources that worked through a rule and are refused since the rule was closed.

Pure. The job `usage` finds them in flow logs and keeps them beside the issues, under an id of their own; reporting
tells people, in the ticket, closed or not, and the owner, once a day at most. Nothing is restored by itself.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from library.issues.names import hammer_options
from library.issues.times import format_time, parse_time, required_time, shown_time

if TYPE_CHECKING:
    from library.issues.issue import Issue

ITEM_PREFIX = "use-refused#"
NAMED_SUFFIX = "_named"  # after the attribute that says when somebody was told: of whom
_SOURCES_KEPT = 100
_SOURCES_NAMED = 20


@dataclass(frozen=True, slots=True)
class RefusedSource:
    """A source that worked and is refused now.

    Attributes:
        source: its address.
        port: the port, with its protocol, such as `tcp/22`.
        records: how many records show that it was refused.
        first: the earliest, in UTC; `last`: the latest.
    """

    source: str
    port: str
    records: int
    first: datetime
    last: datetime

    @property
    def name(self) -> str:
        """It, among those of one change."""
        return f"{self.source} {self.port}"


@dataclass(frozen=True, slots=True)
class AfterCare:
    """What is kept about one issue after a change.

    Attributes:
        changed: when its group was changed, in UTC.
        sources: the latest first.
        notified_ticket: when the ticket was told last; None: never.
        notified_owner: when the owner was told last.
        named_ticket: whom the ticket named then, each as `RefusedSource.name`; None: it is not known.
        named_owner: whom the owner was told of then.
    """

    issue_id: str
    changed: datetime
    sources: tuple[RefusedSource, ...]
    notified_ticket: datetime | None = None
    notified_owner: datetime | None = None
    named_ticket: frozenset[str] | None = None
    named_owner: frozenset[str] | None = None

    def to_item(self) -> dict[str, Any]:
        """The attributes that the job `usage` writes."""
        return {
            "changed": format_time(self.changed),
            "sources": [
                {
                    "source": each.source,
                    "port": each.port,
                    "records": each.records,
                    "first": format_time(each.first),
                    "last": format_time(each.last),
                }
                for each in self.sources[:_SOURCES_KEPT]
            ],
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> AfterCare | None:
        """The value of an item; None where it is none."""
        try:
            sources = tuple(
                RefusedSource(
                    str(each["source"]),
                    str(each["port"]),
                    int(each["records"]),
                    required_time(each["first"]),
                    required_time(each["last"]),
                )
                for each in item["sources"]
            )
            return cls(
                str(item["issue_id"]).removeprefix(ITEM_PREFIX),
                required_time(item["changed"]),
                sources,
                parse_time(item.get("told_ticket")),
                parse_time(item.get("told_owner")),
                _names(item.get(f"told_ticket{NAMED_SUFFIX}")),
                _names(item.get(f"told_owner{NAMED_SUFFIX}")),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    def is_new(self, notified: datetime | None, now: datetime, named: Collection[str] | None = None) -> bool:
        """Whether there is something to tell somebody who was told last at a time: once a day at most.

        `named` is of whom they were told then; None: it is not known. Flow logs come late, and are left for later runs:
        who gave up before people were told of others may be found after it.
        """
        if notified is None or notified < self.changed:
            return bool(self.sources)
        is_another_day = notified.date() < now.date()
        return is_another_day and any(
            source.last > notified or (named is not None and source.name not in named) for source in self.sources
        )


def _names(value: object) -> frozenset[str] | None:
    return frozenset(map(str, value)) if isinstance(value, list) else None


def changed_last(issue: Issue) -> datetime | None:
    """When remediation changed a group last, in UTC, also before it was found open again; None: nobody knows."""
    times = [issue.timestamps.remediated, *(past.remediated for past in issue.history)]
    return max(filter(None, times), default=None)


def after_care_sentences(issue: Issue, care: AfterCare) -> list[str]:
    """What people are told, a sentence each, with the commands to restore and to keep."""
    location = hammer_options(issue)
    addresses = list(dict.fromkeys(f"{each.source}/{128 if ':' in each.source else 32}" for each in care.sources))
    lines = [
        f"Since the rules of {issue.issue_id} were replaced on {shown_time(care.changed)}, sources that had worked "
        "through them are refused:"
    ]
    lines += [
        f"{each.source} on {each.port}, {each.records} times, last {shown_time(each.last)}"
        for each in care.sources[:_SOURCES_NAMED]
    ]
    if len(care.sources) > _SOURCES_NAMED:
        lines.append(f"and {len(care.sources) - _SOURCES_NAMED} more")
    return [
        *lines,
        f"Your security team can bring the group back to what it was, on Hammer's host: hammer restore {location}",
        "And replace the rules again after that and keep them: hammer remediate --include-not-due "
        f"{location} --keep {shlex.quote(','.join(addresses[:_SOURCES_NAMED]))}",
        "Nothing is restored by itself. A stolen password looks the same as an employee at work.",
    ]


NO_FLOW_LOGS_AT_HAND = (
    "No flow log tells refused traffic of these interfaces (type ALL or REJECT): nobody watches whom a change cuts off."
)
"""Among the gaps of a use: the notice of the change repeats it."""
