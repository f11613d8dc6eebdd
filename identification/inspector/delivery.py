"""What Hammer remembers of the findings it told, so that one that did not change is told once.

Pure. Inspector v2 sends a finding again on every tag change and restart, and to the member's and to the delegated
administrator's account; Inspector Classic finds everything anew in every run. A record is claimed before a finding is
published and confirmed after it, so that the two copies of one event, which come at the same moment, are told once,
while a crash in between loses nothing: the same invocation, retried, finds its own claim and publishes (again).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from identification.inspector.expected_ports import Decision
from identification.inspector.finding import Finding
from library.issues.times import format_time, parse_time

ITEM_PREFIX = "inspector#"
TOLD_AGAIN_AFTER = timedelta(days=90)
"""How long an unchanged finding is not told again; the time to live of a record."""

CLAIMED_FOR = timedelta(minutes=15)
"""How long another invocation may be at work on a finding: the longest that a Lambda runs."""

# They change every time Inspector looks, whatever it sees. So do an instance's tags.
_VOLATILE = frozenset({"firstObservedAt", "lastObservedAt", "updatedAt", "createdAt", "tags"})


class Telling(StrEnum):
    """Whether to publish a finding."""

    TELL = "tell"
    TOLD = "told already"
    BEING_TOLD = "being told by another invocation"
    OUTDATED = "older than what was told last"


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """One item of the table.

    Attributes:
        told: the fingerprint of what was told last; empty: nothing, or it is over.
        finding_id: of the finding that was told.
        run: the Classic run that found it, else empty.
        updated: when Inspector had changed the finding, in UTC; None: unknown.
        expires: when the record may be forgotten, in UTC.
        claim: the fingerprint that an invocation is about to tell; empty: none is.
        claimant: that invocation.
        claimed_until: when it can no longer be at work, in UTC.
        revision: counts the writes, for conditional ones.
    """

    account_id: str
    issue_id: str
    expires: datetime
    told: str = ""
    finding_id: str = ""
    run: str = ""
    updated: datetime | None = None
    claim: str = ""
    claimant: str = ""
    claimed_until: datetime | None = None
    revision: int = 1

    def to_item(self) -> dict[str, Any]:
        """The whole item. `expires_at` is the table's time-to-live attribute, in seconds since 1970."""
        return {
            "account_id": self.account_id,
            "issue_id": self.issue_id,
            "expires_at": int(self.expires.timestamp()),
            "expires": format_time(self.expires),
            "told": self.told,
            "finding_id": self.finding_id,
            "run": self.run,
            "updated": self.updated.isoformat() if self.updated else None,
            "claim": self.claim,
            "claimant": self.claimant,
            "claimed_until": format_time(self.claimed_until),
            "revision": self.revision,
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> FindingRecord:
        """Read an item. Raises KeyError or ValueError on one that is none."""
        expires = parse_time(item["expires"])
        if expires is None:
            raise ValueError(f"the record {item['issue_id']} does not say when it expires")
        return cls(
            account_id=item["account_id"],
            issue_id=item["issue_id"],
            expires=expires,
            told=item["told"],
            finding_id=item["finding_id"],
            run=item["run"],
            updated=parse_time(item["updated"]),
            claim=item["claim"],
            claimant=item["claimant"],
            claimed_until=parse_time(item["claimed_until"]),
            revision=int(item["revision"]),
        )


def record_id(finding: Finding) -> str:
    """The `issue_id` of a finding's record: the same for every copy of the same finding."""
    template, _ = finding.assessment
    if template and not finding.problems and finding.is_about_ports:
        # Every run of an assessment makes new ARNs of what the last one found.
        name = [finding.service, finding.region, template, finding.server_id, str(finding.ports), *finding.path]
    elif finding.id:
        name = [finding.id]
    else:
        name = [_stable(finding.raw)]
    return ITEM_PREFIX + _digest(name)


def fingerprint(decision: Decision) -> str:
    """What is told of a finding, in short: equal when there is nothing new to tell."""
    finding = decision.finding
    told: list[object] = [finding.type, finding.severity, str(decision.left), finding.path, finding.problems]
    if not decision.filtered:
        told.append(_stable(finding.raw))
    return _digest(told)


def nothing_told(account_id: str, issue_id: str) -> FindingRecord:
    """What stands for a record that the table does not have."""
    return FindingRecord(account_id, issue_id, expires=datetime.fromtimestamp(0, UTC), revision=0)


def weigh(record: FindingRecord, decision: Decision, claimant: str, now: datetime) -> Telling:
    """Whether to tell a finding, by what is remembered of it.

    Args:
        record: of `record_id`, or `nothing_told`.
        decision: what would be told.
        claimant: this invocation; a retry of it has the same name.
        now: the time in UTC.
    """
    if record.expires <= now:
        return Telling.TELL
    finding, print_ = decision.finding, fingerprint(decision)
    _, run = finding.assessment
    if record.told == print_ and (record.finding_id == finding.id or record.run != run):
        return Telling.TOLD
    if record.updated and finding.updated and finding.updated < record.updated:
        return Telling.OUTDATED
    claimed_now = record.claim == print_ and record.claimed_until is not None and record.claimed_until > now
    return Telling.BEING_TOLD if claimed_now and record.claimant != claimant else Telling.TELL


def claimed(record: FindingRecord, decision: Decision, claimant: str, now: datetime) -> FindingRecord:
    """The record while the finding is being published."""
    if record.expires <= now:
        record = replace(nothing_told(record.account_id, record.issue_id), revision=record.revision)
    return replace(
        record,
        expires=now + TOLD_AGAIN_AFTER,
        claim=fingerprint(decision),
        claimant=claimant,
        claimed_until=now + CLAIMED_FOR,
        revision=record.revision + 1,
    )


def confirmed(claim: FindingRecord, decision: Decision, now: datetime) -> FindingRecord:
    """The record when the finding was published."""
    finding = decision.finding
    return replace(
        _unclaimed(claim),
        expires=now + TOLD_AGAIN_AFTER,
        told=fingerprint(decision),
        finding_id=finding.id,
        run=finding.assessment[1],
        updated=finding.updated or claim.updated,
    )


def released(claim: FindingRecord) -> FindingRecord:
    """The record when the finding could not be published."""
    return _unclaimed(claim)


def over(record: FindingRecord, finding: Finding, now: datetime) -> FindingRecord:
    """The record of a finding that is closed, suppressed or expected by now: should it come back, it is told again."""
    return replace(
        _unclaimed(record),
        expires=now + TOLD_AGAIN_AFTER,
        told="",
        updated=finding.updated or record.updated,
    )


def _unclaimed(record: FindingRecord) -> FindingRecord:
    return replace(record, claim="", claimant="", claimed_until=None, revision=record.revision + 1)


def _stable(raw: object) -> str:
    """A finding as it came, without what changes at every look."""

    def without(value: object) -> object:
        if isinstance(value, Mapping):
            return {key: without(entry) for key, entry in value.items() if key not in _VOLATILE}
        return [without(entry) for entry in value] if isinstance(value, list) else value

    return json.dumps(without(raw), sort_keys=True, default=str)


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
