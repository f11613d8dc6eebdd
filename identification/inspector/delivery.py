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

What is published of a finding (`compose`): a subject and a text for a person, the same as JSON, attributes for
filter policies. SNS, Publish: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html (subject, message structure,
size) and https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html (attributes).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

from identification.inspector.expected_ports import FilterAction, FilterDecision
from identification.inspector.finding import Finding
from library.documents.text import printable, shortened
from library.issues.issue import INSPECTOR_FINDING, FindingDetails
from library.issues.reconcile import Detection
from library.issues.times import format_time, parse_time
from library.network.ports import PortSet
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

CLOCKS_DIFFER_AT_MOST = timedelta(days=1)
"""How far ahead of the own clock the time of an event may be."""

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
            "updated": format_time(self.updated),
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
    decision = replace(decision, finding=replace(decision.finding, updated=_credible(decision.finding.updated, now)))
    record = replace(record, updated=_credible(record.updated, now))
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


def _credible(updated: datetime | None, now: datetime) -> datetime | None:
    """When a finding was changed; None: unknown, or so far ahead that every event after this one would be older."""
    return updated if updated and updated <= now + CLOCKS_DIFFER_AT_MOST else None


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


_SUBJECT_LENGTH = 99  # "less than 100 characters"
_MOST_BYTES = 262_144 - 1_024  # SNS's limit, in bytes of UTF-8, in which subject and attributes count
_ATTRIBUTE_LENGTH = 256
# The entries of a list and a tenth of the letters of a text that are kept when a message is too large, the most first.
_CUTS = (1_000, 100, 10)
_MACHINES = ("sqs", "lambda", "http", "https", "firehose")
_NAME_SHOWN = 100
_LINE_SHOWN = 400


@dataclass(frozen=True, slots=True)
class FindingMessage:
    """What is published of one finding.

    Attributes:
        subject: one line of ASCII.
        text: for a person.
        document: the same for a program, ready for JSON; `finding` in it is the finding as it came, where nothing was
            filtered.
        attributes: name to text, or to a list of texts. None is empty.
    """

    subject: str
    text: str
    document: dict[str, Any]
    attributes: dict[str, str | list[str]]

    def publish_arguments(self) -> dict[str, Any]:
        """The arguments of SNS's Publish but for the topic.

        Subscribers that are programs get the JSON, people (e-mail, SMS) the text. Messages above SNS's size limit omit
        `finding`; if that is not enough, everybody gets the JSON; if that is not enough either, its lists and texts are
        cut, and it says so in `cut`.
        """
        attributes = {
            name: {
                "DataType": "String.Array" if isinstance(value, list) else "String",
                "StringValue": _json(value) if isinstance(value, list) else _utf8(value),
            }
            for name, value in self.attributes.items()
        }
        counted = sum(_size(name, *value.values()) for name, value in attributes.items()) + _size(self.subject)
        return {
            "Subject": self.subject,
            "Message": next(text for text in self._messages() if _size(text) + counted <= _MOST_BYTES),
            "MessageStructure": "json",
            "MessageAttributes": attributes,
        }

    def _messages(self) -> Iterator[str]:
        """The message, then smaller ones, of which the last always fits."""
        yield self._for_each(self.document)
        document = {**self.document, "finding": None, "finding_too_large": self.document["finding"] is not None}
        yield self._for_each(document)
        yield _json({"default": _json(document)})
        for most in _CUTS:
            yield _json(
                {"default": _json({name: _cut(value, most) for name, value in document.items()} | {"cut": True})}
            )

    def _for_each(self, document: dict[str, Any]) -> str:
        return _json({"default": self.text, **dict.fromkeys(_MACHINES, _json(document))})


def compose(decision: FilterDecision, account_name: str, restricted: PortSet) -> FindingMessage:
    """The message about what of a finding is published, and whether a restricted port of it is open."""
    finding = decision.finding
    reached = decision.left & restricted
    account = account_name or finding.account_id or "unknown"
    subject = _subject(
        f"[{finding.severity}] {_short(_what(decision), 40)} on {_server(finding)}, {account}, {_region(finding)}"
    )
    text = "\n".join(_lines(decision, account_name, reached)) + "\n"
    document = {
        "subject": subject,
        "text": text,
        "service": finding.service,
        "finding_arn": finding.arn,
        "type": finding.type,
        "title": finding.title,
        "severity": finding.severity,
        "account_id": finding.account_id,
        "account_name": account_name,
        "region": finding.region,
        "vpc_id": finding.vpc_id,
        "server_id": finding.server_id,
        "server_name": finding.name,
        "tags": dict(finding.tags),
        "path": list(finding.path),
        "filtered": decision.filtered,
        "open": port_list(decision.left),
        "open_restricted": port_list(reached),
        "held_back": [{"ports": port_list(held.ports), "reason": held.reason} for held in decision.held],
        "notes": list(decision.notes),
        "problems": list(finding.problems),
        "finding": None if decision.filtered else finding.raw,
    }
    return FindingMessage(subject, text, document, _attributes(decision, reached))


def _lines(decision: FilterDecision, account_name: str, reached: PortSet) -> Iterator[str]:
    finding = decision.finding
    server = _server(finding)
    account = finding.account_id or "unknown"
    if account_name and account_name != account:
        account = f"{_short(account_name, _NAME_SHOWN)} ({account})"
    restricted = f" (restricted: {_short(str(reached), 100)})" if reached else ""
    yield f"Server:    {server} ({finding.server_id})" if finding.name and finding.server_id else f"Server:    {server}"
    yield f"Account:   {account}, {_region(finding)}"
    yield f"Open:      {_short(_what(decision), _LINE_SHOWN)}{restricted}"
    yield f"Path:      {_short(' > '.join(finding.path), _LINE_SHOWN) or 'not told'}"
    yield f"Severity:  {_short(finding.severity, _NAME_SHOWN)}"
    for held in decision.held:
        yield f"Held back: {_short(str(held.ports), 100)}, {_short(held.reason, _LINE_SHOWN)}"
    if decision.filtered and not decision.held:
        yield "Held back: nothing"
    for note in decision.notes:
        yield f"Note:      {_short(note, _LINE_SHOWN)}"
    if finding.title:
        yield f"Inspector: {_short(finding.title, _LINE_SHOWN)}"
    yield f"Finding:   {_short(finding.arn, _LINE_SHOWN) or 'without an ARN'}"


def _attributes(decision: FilterDecision, reached: PortSet) -> dict[str, str | list[str]]:
    """What filter policies of subscriptions can use. SNS refuses empty ones."""
    finding = decision.finding
    attributes: dict[str, str | list[str]] = {
        "type": finding.type,
        "severity": finding.severity,
        "account_id": finding.account_id,
        "region": finding.region,
        "server_id": finding.server_id,
        "server_name": finding.name,
        "filtered": str(decision.filtered).lower(),
        "restricted": "unknown" if finding.problems else str(bool(reached)).lower(),
        "protocols": [name for name in ("tcp", "udp") if decision.left.protocol(name)],
    }
    return {
        name: _short(value, _ATTRIBUTE_LENGTH) if isinstance(value, str) else value
        for name, value in attributes.items()
        if value
    }


def port_list(ports: PortSet) -> list[dict[str, Any]]:
    """Ports as JSON holds them: `{"protocol": "tcp", "from_port": 80, "to_port": 80}` for each range."""
    return [
        {"protocol": protocol, "from_port": first, "to_port": last}
        for protocol in ("tcp", "udp")
        for first, last in ports.protocol(protocol).spans
    ]


def _what(decision: FilterDecision) -> str:
    if decision.left:
        return str(decision.left)
    return "unreadable finding" if decision.finding.is_about_ports else decision.finding.type


def _server(finding: Finding) -> str:
    return _short(finding.name or finding.server_id or "unknown server", _NAME_SHOWN)


def _region(finding: Finding) -> str:
    return finding.region or "unknown region"


def _short(text: str, length: int) -> str:
    """Untrusted input on one line of bounded length."""
    return shortened(printable(text), length)


def _json(value: object) -> str:
    # Escapes would make twelve bytes of a letter of four, and more in JSON within JSON.
    return _utf8(json.dumps(value, ensure_ascii=False, default=str))


def _utf8(text: str) -> str:
    """The text without lone surrogates, which JSON may hold and no request can."""
    return text.encode(errors="replace").decode()


def _size(*texts: str) -> int:
    return sum(len(text.encode()) for text in texts)


def _cut(value: Any, most: int) -> Any:
    """A document with at most so many entries in each list and map, and ten times as many letters in each text."""
    if isinstance(value, Mapping):
        return {_cut(key, most): _cut(entry, most) for key, entry in islice(value.items(), most)}
    if isinstance(value, list):
        return [_cut(entry, most) for entry in value[:most]]
    return value if not isinstance(value, str) or len(value) <= most * 10 else f"{value[: most * 10 - 1]}…"


def _subject(text: str) -> str:
    """SNS takes ASCII that begins with a letter, a digit or punctuation."""
    text = "".join(char if char.isascii() else "?" for char in printable(text.replace("…", "...")))
    return text if len(text) <= _SUBJECT_LENGTH else f"{text[: _SUBJECT_LENGTH - 3]}..."
