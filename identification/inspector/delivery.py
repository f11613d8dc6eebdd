"""What Hammer remembers of the findings that it published, and what follows from it for the next one.

Pure. Inspector v2 sends a finding again on every tag change and restart, and to the member's and to the delegated
administrator's account; Inspector Classic reports everything anew in every run. To publish a finding that did not
change only once, a delivery has three steps: claim, publish, confirm. `plan_delivery` decides what is to be done, for
the Lambda and for `hammer inspector --replay` alike. A claim keeps the two copies of one event, which arrive at the
same moment, from both being published. A crash between claim and confirm loses nothing: the invocation's own retry
finds its own claim and publishes (again); any other invocation fails and is tried again until the claim has run out.

A published finding is also an issue of the table, so that reporting notifies its owner. Findings of Inspector v2 only:
Classic never says that a finding is over, so that its issues would stay open for ever. Inspector does not say who can
reach a port, only that a packet can come in from outside: the whole Internet is assumed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from identification.inspector.expected_ports import FilterAction, FilterDecision
from identification.inspector.finding import Finding
from library.issues.issue import INSPECTOR_FINDING, FindingDetails
from library.issues.reconcile import Detection
from library.issues.times import format_time, parse_time
from library.security_groups.exposure import Exposure

_ANYWHERE = "0.0.0.0/0"
_ID_LENGTH = 12
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9-]")


def can_be_issue(finding: Finding) -> bool:
    """Whether a finding can be followed from its beginning to its end."""
    return finding.service == "inspector2" and finding.is_about_ports and bool(finding.arn and finding.account_id)


def issue_id(finding: Finding) -> str:
    """The `issue_id` of a finding: the instance's id, and what tells its findings apart."""
    server = _NOT_IN_AN_ID.sub("", finding.server_id)[:40]
    return f"{INSPECTOR_FINDING.id_prefix}{server}-{record_id(finding).removeprefix(ITEM_PREFIX)[:_ID_LENGTH]}"


def detection(decision: FilterDecision) -> Detection | None:
    """What is found of a finding; None: nothing that nobody expected, or it is over."""
    finding = decision.finding
    if decision.action is not FilterAction.PUBLISH or not decision.left:
        return None
    perms = tuple(
        Exposure(protocol, first, last, _ANYWHERE, "open_completely")
        for protocol in ("tcp", "udp")
        for first, last in decision.left.protocol(protocol).spans
    )
    details = FindingDetails(
        name=finding.name or finding.server_id,
        region=finding.region,
        vpc_id=finding.vpc_id,
        status="open_completely",
        tags=finding.tags,
        perms=perms,
        arn=finding.arn,
        server_id=finding.server_id,
        inspector_severity=finding.severity,
        title=finding.title,
        path=finding.path,
        held_back=tuple(f"{held.ports}: {held.reason}" for held in decision.held),
        notes=decision.notes,
    )
    return Detection(finding.account_id, issue_id(finding), details, whitelisted=False)


ITEM_PREFIX = "inspector#"
PUBLISHED_AGAIN_AFTER = timedelta(days=90)
"""How long an unchanged finding is not published again; the time to live of a record."""

_WHOLE = True
# What makes a finding another one, where it is published as it came: the parts that say what was found, where, and
# whether something can be done about it. Everything else (times, scores and their vectors, EPSS, a vendor's dates and
# prose, links, tags) drifts while the finding stays the same, and AWS adds more of it.
# https://docs.aws.amazon.com/inspector/v2/APIReference/API_Finding.html, whose members Classic's do not collide with:
# https://docs.aws.amazon.com/inspector/v1/APIReference/API_Finding.html
_PACKAGE = dict.fromkeys(
    ("name", "version", "release", "epoch", "arch", "packageManager", "filePath", "fixedInVersion"), _WHOLE
)
_COUNTS: Mapping[str, Any] = {
    "type": _WHOLE,
    "severity": _WHOLE,
    "title": _WHOLE,
    "fixAvailable": _WHOLE,
    "exploitAvailable": _WHOLE,
    "networkReachabilityDetails": dict.fromkeys(("openPortRange", "protocol", "networkPath"), _WHOLE),
    "packageVulnerabilityDetails": {"vulnerabilityId": _WHOLE, "vulnerablePackages": _PACKAGE},
    "codeVulnerabilityDetails": dict.fromkeys(("detectorId", "ruleId", "cwes", "filePath"), _WHOLE),
    "resources": {"id": _WHOLE, "type": _WHOLE},
    # Classic: the id is the rule's or the vulnerability's.
    "id": _WHOLE,
    "assetAttributes": {"agentId": _WHOLE},
}
# The attributes that name what another of Classic's packages of rules found. Those of a network finding all count.
_CLASSIC_ATTRIBUTES = frozenset({"INSTANCE_ID", "CVE_ID", "RULE_ID", "BENCHMARK_ID", "package_name"})


class FindingDelivery(StrEnum):
    """What becomes of a finding. The values are what `hammer inspector --replay` prints."""

    PUBLISH = "published"
    PUBLISHED_BEFORE = "told already"
    IN_PROGRESS = "being told by another invocation"
    OUTDATED = "older than what was told last"
    HELD_BACK = "held back"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """One item of the table. Its attributes keep the names under which they have been stored since the beginning.

    Attributes:
        published: the fingerprint of what was published last; empty: nothing, or the finding has ended since.
        finding_id: of the finding that was published.
        run: the Classic run that found it, else empty.
        updated: the latest time at which Inspector had changed the finding, in UTC; None: unknown.
        expires: when the record may be forgotten, in UTC.
        claim: the fingerprint that an invocation is about to publish; empty: none is.
        claimant: that invocation.
        claimed_until: when it can no longer be running, in UTC.
        revision: counts the writes, for conditional ones; 0: the table has no such record.
    """

    account_id: str
    issue_id: str
    expires: datetime
    published: str = ""
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
            "told": self.published,
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
            published=item["told"],
            finding_id=item["finding_id"],
            run=item["run"],
            updated=parse_time(item["updated"]),
            claim=item["claim"],
            claimant=item["claimant"],
            claimed_until=parse_time(item["claimed_until"]),
            revision=int(item["revision"]),
        )


@dataclass(frozen=True, slots=True)
class DeliveryPlan:
    """What is to be done about one finding.

    Attributes:
        delivery: what becomes of the finding.
        record: the record to write first, on the condition that nobody else wrote it meanwhile; None: nothing to
            write. With `PUBLISH` it holds the claim.
        is_current: whether nothing newer of this finding was seen before, so that its issue is brought up to date.
    """

    delivery: FindingDelivery
    record: FindingRecord | None = None
    is_current: bool = True


def record_id(finding: Finding) -> str:
    """The `issue_id` of a finding's record: the same for every copy of the same finding."""
    template, _ = finding.assessment
    if template and not finding.problems and finding.is_about_ports:
        # Every run of an assessment makes new ARNs of what the last one found.
        name = [finding.service, finding.region, template, finding.server_id, str(finding.ports), *finding.path]
    elif finding.id:
        name = [finding.id]
    else:
        name = [_stable(finding)]
    return ITEM_PREFIX + _digest(name)


def fingerprint(decision: FilterDecision) -> str:
    """A digest of what is published of a finding: equal when there is no news."""
    finding = decision.finding
    published: list[object] = [finding.type, finding.severity, str(decision.left), finding.path, finding.problems]
    if not decision.filtered:
        published.append(_stable(finding))
    return _digest(published)


def no_record(account_id: str, issue_id: str) -> FindingRecord:
    """What stands for a record that the table does not have."""
    return FindingRecord(account_id, issue_id, expires=datetime.fromtimestamp(0, UTC), revision=0)


def plan_delivery(
    record: FindingRecord, decision: FilterDecision, claimant: str, claimed_until: datetime, now: datetime
) -> DeliveryPlan:
    """Decide what becomes of a finding by what is remembered of it.

    Args:
        record: the record of `record_id`, or `no_record`.
        decision: what of the finding would be published.
        claimant: this invocation; a retry of it has the same name.
        claimed_until: when this invocation ends at the latest, in UTC.
        now: the time in UTC.
    """
    finding = decision.finding
    if record.expires <= now:
        record = replace(no_record(record.account_id, record.issue_id), revision=record.revision)
    outdated = bool(record.updated and finding.updated and finding.updated < record.updated)
    if decision.action is not FilterAction.PUBLISH:
        delivery = FindingDelivery.HELD_BACK if decision.action is FilterAction.HOLD_BACK else FindingDelivery.IGNORED
        return DeliveryPlan(delivery, None if outdated else _ended(record, finding, now), is_current=not outdated)
    content, (_, run) = fingerprint(decision), finding.assessment
    if record.published == content and (record.finding_id == finding.id or record.run != run):
        newer = finding.updated and (record.updated is None or finding.updated > record.updated)
        seen = replace(record, updated=finding.updated, revision=record.revision + 1) if newer else None
        return DeliveryPlan(FindingDelivery.PUBLISHED_BEFORE, seen, is_current=not outdated)
    if outdated:
        return DeliveryPlan(FindingDelivery.OUTDATED, is_current=False)
    is_claimed = record.claim == content and record.claimed_until is not None and record.claimed_until > now
    if is_claimed and record.claimant != claimant:
        return DeliveryPlan(FindingDelivery.IN_PROGRESS)
    claim = replace(
        record,
        expires=now + PUBLISHED_AGAIN_AFTER,
        claim=content,
        claimant=claimant,
        claimed_until=claimed_until,
        # From now on an older event about the finding counts as outdated.
        updated=finding.updated or record.updated,
        revision=record.revision + 1,
    )
    return DeliveryPlan(FindingDelivery.PUBLISH, claim)


def confirm(claim: FindingRecord, decision: FilterDecision, now: datetime) -> FindingRecord:
    """The record after the claimed finding was published."""
    finding = decision.finding
    return replace(
        release(claim),
        expires=now + PUBLISHED_AGAIN_AFTER,
        published=fingerprint(decision),
        finding_id=finding.id,
        run=finding.assessment[1],
    )


def release(claim: FindingRecord) -> FindingRecord:
    """The record after the claimed finding could not be published."""
    return replace(claim, claim="", claimant="", claimed_until=None, revision=claim.revision + 1)


def _ended(record: FindingRecord, finding: Finding, now: datetime) -> FindingRecord | None:
    """The record of a finding that is closed, suppressed or expected by now. If it comes back, it is published.

    Returns:
        None where there is nothing to remember.
    """
    # An event from before the end may still be on its way: its time tells that it is outdated.
    is_new = finding.is_about_ports and finding.updated is not None and finding.updated != record.updated
    if not (record.published or record.claim or is_new):
        return None
    return replace(
        release(record), expires=now + PUBLISHED_AGAIN_AFTER, published="", updated=finding.updated or record.updated
    )


def _stable(finding: Finding) -> str:
    """The parts of a finding as it came that make it another one; the whole where it has none of them."""
    raw = finding.raw
    counting = _counting(raw, _COUNTS)
    attributes = raw.get("attributes")
    if isinstance(attributes, list):
        counting["attributes"] = [
            entry
            for entry in attributes
            if finding.is_about_ports or not isinstance(entry, Mapping) or entry.get("key") in _CLASSIC_ATTRIBUTES
        ]
    return json.dumps(counting or raw, sort_keys=True, default=str)


def _counting(value: Any, counts: Any) -> Any:
    """What counts of a value: in each mapping the named members; of what has another shape than expected, all of it."""
    if counts is _WHOLE:
        return value
    if isinstance(value, list):
        # AWS does not promise an order of packages or resources.
        return sorted((_counting(entry, counts) for entry in value), key=lambda entry: json.dumps(entry, default=str))
    if isinstance(value, Mapping):
        return {key: _counting(value[key], inner) for key, inner in counts.items() if key in value}
    return value


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
