"""Sources that a person kept when a group's rules were replaced: remediation leaves their rules alone from then on.

Pure. `remediate --keep` records the choice in the issue's `remediation_details.kept`, for one occurrence of the issue:
by rule, with who made it and when. It holds until a person decides otherwise: decides to close the group now, or
remediates it by hand and agrees to a plan that replaces the rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from library.issues.times import format_time, required_time, shown_time
from library.network.ports import protocol_name
from library.security_groups.group import RuleKey, rule_key

if TYPE_CHECKING:
    from library.issues.issue import Issue
    from library.security_groups.exposure import Exposure

_BY_LIMIT = 200


@dataclass(frozen=True, slots=True)
class KeptSource:
    """One rule that a person kept.

    Attributes:
        protocol: as EC2 names it, or its number.
        from_port: the first port; None: the protocol has none. `to_port`: the last.
        by: who kept it; untrusted text.
    """

    protocol: str
    from_port: int | None
    to_port: int | None
    cidr: str
    by: str
    at: datetime

    @property
    def key(self) -> RuleKey:
        """The rule's identity."""
        return RuleKey.of(self.protocol, self.from_port, self.to_port, self.cidr)

    def covers(self, exposure: Exposure) -> bool:
        """Whether an exposure is this rule's."""
        return rule_key(exposure) == self.key

    @property
    def text(self) -> str:
        """Who kept it and when, such as `kept by ana since 2026-11-22 03:00 UTC`."""
        return f"kept by {self.by} since {shown_time(self.at)}"

    def to_item(self, occurrence: int) -> dict[str, Any]:
        """A map of the list `kept`."""
        return {
            "protocol": self.protocol,
            "from_port": self.from_port,
            "to_port": self.to_port,
            "cidr": self.cidr,
            "by": self.by[:_BY_LIMIT],
            "at": format_time(self.at),
            "occurrence": occurrence,
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> KeptSource:
        """Read a map of the list. Raises KeyError, TypeError or ValueError on what is none."""
        at = required_time(item["at"], "a kept source")
        first, last = (None if item[name] is None else int(item[name]) for name in ("from_port", "to_port"))
        by = " ".join("".join(char if char.isprintable() else " " for char in str(item["by"])).split())[:_BY_LIMIT]
        return cls(protocol_name(str(item["protocol"])), first, last, str(item["cidr"]), by or "somebody", at)


def kept_sources(issue: Issue) -> tuple[KeptSource, ...]:
    """What people kept in this occurrence of an issue. What cannot be read is nobody's choice."""
    listed = issue.remediation_details.get("kept")
    found: list[KeptSource] = []
    for item in listed if isinstance(listed, (list, tuple)) else ():
        try:
            if int(item["occurrence"]) == issue.occurrence:
                found.append(KeptSource.from_item(item))
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
            continue
    return tuple(found)
