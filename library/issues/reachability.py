"""Whether somebody on the Internet can connect through what a group exposes, as a value and as a map of the table.

Pure. `identification.reachability` finds it out; this is what the table keeps of it and what everybody else reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from library.issues.names import required_text
from library.security_groups.exposure import OpenStatus

PATHS_KEPT = 20
"""An item of the table has room for 400 KB, a person for less."""


class Verdict(StrEnum):
    """What is true of the interfaces that use a group; the worst first, so the first that is true of one counts."""

    INTERNET = "internet"  # somebody out there can connect to a restricted port now
    UNKNOWN = "unknown"  # what decides it could not be read, or is of a kind that Hammer does not judge
    BLOCKED = "blocked"  # the interface has a public address, and something is in the way
    INTERNAL = "internal"  # it has none
    UNUSED = "unused"  # no attached interface uses the group


class Sources(StrEnum):
    """Who can connect, where somebody can."""

    ALL = "all"
    SOME = "some"

    def at_most(self, status: OpenStatus) -> Sources:
        """Who can connect at most where a group has this status: only one that is open completely lets all in."""
        return self if status == "open_completely" else Sources.SOME


class Severity(StrEnum):
    """How much an issue matters; the worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Blocker(StrEnum):
    """What is in the way, as AWS's Reachability Analyzer calls it; in the order in which one is named."""

    BLOCK_PUBLIC_ACCESS = "VPC_BLOCK_PUBLIC_ACCESS_ENABLED"
    ROUTE = "NO_ROUTE_TO_DESTINATION"
    NETWORK_ACL = "SUBNET_ACL_RESTRICTION"
    SECURITY_GROUP = "SECURITY_GROUP_RESTRICTION"
    LISTENER = "ELB_LISTENERS_MISMATCH"


_RANK = {verdict: rank for rank, verdict in enumerate(Verdict)}


@dataclass(frozen=True, slots=True)
class Path:
    """The way to one interface and one of its addresses.

    Attributes:
        interface: `eni-…`.
        resource: what the interface belongs to: `instance i-…`, `load balancer …`. Untrusted input.
        address: the public address; empty: the interface has none.
        through: ids from the Internet inwards.
        blocked_by: a `Blocker`; empty: nothing is in the way.
        text: one sentence that a person can check. Untrusted input.
    """

    interface: str
    resource: str
    address: str
    verdict: Verdict
    through: tuple[str, ...] = ()
    blocked_by: str = ""
    text: str = ""

    def to_item(self) -> dict[str, Any]:
        """The map of the table."""
        return {
            "interface": self.interface,
            "resource": self.resource,
            "address": self.address,
            "verdict": str(self.verdict),
            "through": list(self.through),
            "blocked_by": str(self.blocked_by),
            "text": self.text,
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Path:
        """Read what `to_item` wrote. Raises KeyError, TypeError or ValueError on a map that is none."""
        return cls(
            interface=required_text(item["interface"]),
            resource=required_text(item["resource"]),
            address=required_text(item["address"]),
            verdict=Verdict(item["verdict"]),
            through=_texts(item["through"]),
            blocked_by=required_text(item["blocked_by"]),
            text=required_text(item["text"]),
        )


@dataclass(frozen=True, slots=True)
class Reachability:
    """The verdict on one group's exposures, and the evidence.

    Attributes:
        sources: None unless the verdict is `internet`.
        paths: the worst first, at most `PATHS_KEPT`; build with `Reachability.of`, which sees to both.
        paths_total: how many paths there are.
        assumptions: sentences: what the verdict rests on that was not checked.
        unread: sentences: what could not be read, or is not judged; the first `PATHS_KEPT`, and how many more.
    """

    verdict: Verdict
    sources: Sources | None
    severity: Severity
    paths: tuple[Path, ...] = ()
    paths_total: int = 0
    assumptions: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        verdict: Verdict,
        sources: Sources | None,
        status: OpenStatus,
        paths: Iterable[Path] = (),
        assumptions: Iterable[str] = (),
        unread: Iterable[str] = (),
    ) -> Reachability:
        """The verdict on a group with this status: with its severity, and as many paths as are kept."""
        sentences = tuple(unread)
        more = len(sentences) - PATHS_KEPT
        ordered = sorted(paths, key=lambda path: (_RANK[path.verdict], path.interface, path.address))
        return cls(
            verdict=verdict,
            sources=sources,
            severity=severity(verdict, sources, status),
            paths=tuple(ordered[:PATHS_KEPT]),
            paths_total=len(ordered),
            assumptions=tuple(assumptions),
            unread=(*sentences[:PATHS_KEPT], f"And {more} more.") if more > 0 else sentences,
        )

    def to_item(self) -> dict[str, Any]:
        """The map `issue_details.reachability` of the table."""
        return {
            "verdict": str(self.verdict),
            "sources": str(self.sources) if self.sources else None,
            "severity": str(self.severity),
            "paths": [path.to_item() for path in self.paths],
            "paths_total": self.paths_total,
            "assumptions": list(self.assumptions),
            "unread": list(self.unread),
        }

    @classmethod
    def from_item(cls, item: object) -> Reachability | None:
        """Read what `to_item` wrote. None where there is none, or a map that is none: the next scan writes it anew."""
        if not isinstance(item, Mapping):
            return None
        try:
            return cls(
                verdict=Verdict(item["verdict"]),
                sources=None if item["sources"] is None else Sources(item["sources"]),
                severity=Severity(item["severity"]),
                paths=tuple(Path.from_item(path) for path in item["paths"]),
                paths_total=int(item["paths_total"]),
                assumptions=_texts(item["assumptions"]),
                unread=_texts(item["unread"]),
            )
        except (KeyError, TypeError, ValueError):
            return None


def severity(verdict: Verdict | None, sources: Sources | None, status: OpenStatus) -> Severity:
    """How much an issue matters. `sources`: who can connect, where the verdict is `internet`."""
    completely = status == "open_completely"
    if verdict is Verdict.INTERNET:
        return Severity.CRITICAL if sources is Sources.ALL else Severity.HIGH
    if verdict is None or verdict is Verdict.UNKNOWN:
        return Severity.HIGH if completely else Severity.MEDIUM
    if verdict in (Verdict.BLOCKED, Verdict.INTERNAL):
        return Severity.MEDIUM if completely else Severity.LOW
    return Severity.LOW


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise TypeError(f"{values!r} is no list")
    return tuple(required_text(value) for value in values)
