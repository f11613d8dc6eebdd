"""What the table keeps of people's decisions about an issue: the list of them, and what they changed.

Pure. Three attributes of the issue's item hold it:

- `decisions`: the list that the contract defines, refused decisions among them, at most `KEPT`;
- `decision_state`: what follows from them, and what is still to be told (`DecisionState`);
- `decision_version`: counts the writes of both. Every write names the version it was decided on, so that of two
  people who decide at the same moment one is second, and is told who was first.

What an exemption exempts is an item of its own (`DecidedExemption`), written in the same transaction.

Sources that a person kept when a group's rules were replaced are a decision as well: remediation leaves their rules
alone from then on. `remediate --keep` records the choice in the issue's `remediation_details.kept`, for one
occurrence: by rule, with who made it and when. It holds until a person decides otherwise: decides to close the group
now, or remediates it by hand and agrees to a plan that replaces the rule.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from library.issues.names import whole_number
from library.issues.times import format_time, parse_time, required_time, shown_time
from library.network.addresses import AddressSet, parse_network
from library.network.intervals import IntervalSet
from library.network.ports import (
    ALL_WITHOUT_PORTS,
    UDP,
    WITHOUT_PORTS,
    PortSet,
    protocol_name,
    traffic_of,
    traffic_of_ports,
)
from library.security_groups.exemptions import Exemption
from library.security_groups.exposure import Exposure, ExposureKey, exposure_key
from library.security_groups.group import RuleKey, rule_key

if TYPE_CHECKING:
    from library.issues.issue import Issue


KEPT = 50
"""Decisions of an issue that are kept. Refused ones go first, then the oldest."""

TEXT_LIMIT = 500
"""Characters that are kept of a text that a person wrote."""

_LIST_BYTES = 20_000
"""Room for the decisions of an issue, and for those that are untold; refused ones beyond it are not kept.

An item of the table, which is copied to two indexes, has 133 KB for all that is known of an issue. Whoever may comment
on a ticket writes texts of 2,000 bytes, and nobody may keep a scan from writing what is open.
"""

EXEMPTION_PREFIX = "exemption#"
_OUTBOX_KEPT = 50
_EXEMPTED_KEPT = 20
_KEYS_KEPT = 100
_TCP = IntervalSet(((0, UDP - 1),))
_DONE = "done"
_REFUSED = "refused: "


class DecisionKind(StrEnum):
    """What a person may decide."""

    CLOSE_NOW = "close-now"
    EXEMPT = "exempt"
    NOT_MINE = "not-mine"
    RESTORE = "restore"
    END = "end"


class Via(StrEnum):
    """Where a decision came from."""

    CLI = "cli"
    SLACK = "slack"
    JIRA = "jira"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision, carried out or refused. Texts of people are untrusted input, stored as they came.

    Attributes:
        by: who: the Slack user id, the JIRA account id or name, or whom the host's jobs name.
        until: the first day, in UTC, on which an exemption no longer counts.
        owner: who owns the issue from then on.
        result: `done`, or `refused: ` and the reason.
    """

    kind: DecisionKind
    by: str
    via: Via
    at: datetime
    occurrence: int
    reason: str = ""
    until: date | None = None
    owner: str = ""
    result: str = _DONE

    @property
    def is_done(self) -> bool:
        """Whether it was carried out."""
        return self.result == _DONE

    def refused(self, reason: str) -> Decision:
        """The same decision as a refused one."""
        return replace(self, result=_REFUSED + reason)

    @property
    def rejection(self) -> str:
        """Why it was refused; empty: it was carried out."""
        return self.result.removeprefix(_REFUSED) if not self.is_done else ""

    @property
    def size(self) -> int:
        """About how many bytes it takes in the table."""
        return len(json.dumps(self.to_item(), ensure_ascii=False).encode("utf-8", "replace"))

    def to_item(self) -> dict[str, Any]:
        """An entry of the attribute `decisions`."""
        return {
            "kind": str(self.kind),
            "by": self.by,
            "via": str(self.via),
            "at": format_time(self.at),
            "occurrence": self.occurrence,
            **({"reason": self.reason} if self.reason else {}),
            **({"until": self.until.isoformat()} if self.until else {}),
            **({"owner": self.owner} if self.owner else {}),
            "result": self.result,
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Decision:
        """Read an entry. Raises KeyError, TypeError or ValueError on what is none."""
        at = required_time(item["at"], "a decision")
        return cls(
            kind=DecisionKind(item["kind"]),
            by=str(item["by"]),
            via=Via(item["via"]),
            at=at,
            occurrence=int(item["occurrence"]),
            reason=str(item.get("reason") or ""),
            until=date.fromisoformat(item["until"]) if item.get("until") else None,
            owner=str(item.get("owner") or ""),
            result=str(item["result"]),
        )


@dataclass(frozen=True, slots=True)
class CloseNow:
    """That somebody decided that remediation closes an issue at its next run.

    Attributes:
        exposures: what it was decided on: (protocol, first port, last port, source, prefix list) of each exposure.
    """

    by: str
    at: datetime
    occurrence: int
    exposures: frozenset[ExposureKey]

    def counts_for(self, occurrence: int, exposures: Iterable[Exposure]) -> bool:
        """Whether it was decided on all of these exposures, in this occurrence."""
        return occurrence == self.occurrence and {exposure_key(exposure) for exposure in exposures} <= self.exposures

    def covers(self, exposure: Exposure) -> bool:
        """Whether an exposure is, or lies within, one that it was decided on."""
        traffic = traffic_of(exposure.protocol, exposure.from_port, exposure.to_port)
        source = parse_network(exposure.cidr)
        return any(
            traffic_of(protocol, first, last).covers(traffic) and parse_network(cidr).covers(source)
            for protocol, first, last, cidr, _ in self.exposures
        )

    def to_item(self) -> dict[str, Any]:
        """The map `close_now` of `decision_state`."""
        exposures = [list(key) for key in sorted(self.exposures, key=str)]
        return {"by": self.by, "at": format_time(self.at), "occurrence": self.occurrence, "exposures": exposures}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> CloseNow:
        """Read the map. Raises KeyError, TypeError or ValueError on what is none."""
        at = required_time(item["at"], "close_now")
        return cls(str(item["by"]), at, int(item["occurrence"]), frozenset(map(_key_from_item, item["exposures"])))


@dataclass(frozen=True, slots=True)
class Exempted:
    """That a decision exempted an issue as it was then, and nobody ended that.

    Attributes:
        number: of the exemption (`DecidedExemption.number`).
        occurrence: of the issue, when it was exempted.
        digest: of what the issue exposed (`library.issues.decision_rules.exposure_digest`).
        until: the first day, in UTC, on which it no longer counts.
        at: when that was carried out.
    """

    number: int
    occurrence: int
    digest: str
    until: date
    by: str
    at: datetime

    def to_item(self) -> dict[str, Any]:
        """An entry of `exempted` in `decision_state`."""
        return {
            "number": self.number,
            "occurrence": self.occurrence,
            "digest": self.digest,
            "until": self.until.isoformat(),
            "by": self.by,
            "at": format_time(self.at),
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Exempted:
        """Read an entry. Raises KeyError, TypeError or ValueError on what is none."""
        at = required_time(item["at"], "an exemption")
        until = date.fromisoformat(item["until"])
        return cls(int(item["number"]), int(item["occurrence"]), str(item["digest"]), until, str(item["by"]), at)


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """A restore that somebody decided and that is not known to be over.

    Attributes:
        decision: the decision, as it will be listed.
        change: which change of the group it takes back (`library.issues.decision_rules.change_id`).
        key: tells the request from others, see `DecisionState.keys`.
        begun: whether a process has begun to carry it out: then nobody else says that it was not.
    """

    decision: Decision
    change: str
    key: str = ""
    begun: bool = False

    def to_item(self) -> dict[str, Any]:
        """The map `restore` of `decision_state`."""
        begun = {"begun": True} if self.begun else {}
        return {"decision": self.decision.to_item(), "change": self.change, "key": self.key, **begun}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> RestoreRequest:
        """Read the map. Raises KeyError, TypeError or ValueError on what is none."""
        decision = Decision.from_item(item["decision"])
        return cls(decision, str(item["change"]), str(item.get("key") or ""), bool(item.get("begun")))


@dataclass(frozen=True, slots=True)
class Untold:
    """A decision of which the ticket, a person, or the webhook is still to be told.

    Attributes:
        number: counts the decisions of the issue.
        ticket: whether the ticket is to get a comment, and after `not-mine` its assignee.
        slack: whether a person is to be told in Slack: the new owner, or who decided on a restore that was not carried
            out.
        label: the label of the ticket that asked for it, to be taken off; empty: none.
        claimed: when a process began to tell it, in UTC; None: none did.
        webhook: whether the webhook is to be told, if it is on.
    """

    number: int
    decision: Decision
    ticket: bool
    slack: bool = False
    label: str = ""
    claimed: datetime | None = None
    webhook: bool = False

    @property
    def is_notified(self) -> bool:
        """Whether nobody is left to be told."""
        return not (self.ticket or self.slack or self.webhook)

    def to_item(self) -> dict[str, Any]:
        """An entry of `outbox` in `decision_state`."""
        return {
            "number": self.number,
            "decision": self.decision.to_item(),
            "ticket": self.ticket,
            "slack": self.slack,
            "label": self.label,
            "claimed": format_time(self.claimed),
            "webhook": self.webhook,
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Untold:
        """Read an entry. Raises KeyError, TypeError or ValueError on what is none."""
        return cls(
            int(item["number"]),
            Decision.from_item(item["decision"]),
            bool(item["ticket"]),
            bool(item["slack"]),
            str(item.get("label") or ""),
            parse_time(item.get("claimed")),
            bool(item.get("webhook")),
        )


@dataclass(frozen=True, slots=True)
class DecisionState:
    """Everything that an issue's item holds about decisions.

    Attributes:
        decisions: what was decided, the oldest first.
        version: counts the writes; 0: there was none.
        number: how many decisions there were ever.
        keys: what told the last requests apart: of one that comes twice the second is not carried out.
        close_now: the newest decision to close at once.
        owner: who was named as the owner last; untrusted input, or empty.
        exempted: the exemptions that decisions made and nobody ended, the oldest first.
        restore: a restore that was decided and is not known to be over.
        outbox: what is still to be told.
        problem: why it cannot be read; empty: it can. Nothing can be decided then.
    """

    decisions: tuple[Decision, ...] = ()
    version: int = 0
    number: int = 0
    keys: tuple[str, ...] = ()
    close_now: CloseNow | None = None
    owner: str = ""
    exempted: tuple[Exempted, ...] = ()
    restore: RestoreRequest | None = None
    outbox: tuple[Untold, ...] = ()
    problem: str = ""

    def with_decision(self, decision: Decision, key: str, *, slack: bool = False, label: str = "") -> DecisionState:
        """The state after one more decision, which is still to be told."""
        number = self.number + 1
        untold = Untold(number, decision, ticket=True, slack=slack, label=label, webhook=True)
        return replace(
            self,
            decisions=_most_telling((*self.decisions, decision), KEPT, lambda decision: decision),
            number=number,
            keys=(*self.keys, key)[-_KEYS_KEPT:] if key and key not in self.keys else self.keys,
            outbox=_most_telling((*self.outbox, untold), _OUTBOX_KEPT, lambda untold: untold.decision),
        )

    def with_exempted(self, exempted: Exempted, today: date) -> DecisionState:
        """The state after an exemption, without those that are over on this day, in UTC."""
        counting = tuple(each for each in self.exempted if each.until > today)
        return replace(self, exempted=(*counting, exempted)[-_EXEMPTED_KEPT:])

    def without_exempted(self, number: int) -> DecisionState:
        """The state after somebody ended the exemption of this number."""
        return replace(self, exempted=tuple(each for each in self.exempted if each.number != number))

    def to_item(self) -> dict[str, Any]:
        """The attributes `decisions`, `decision_state` and `decision_version` of the issue's item."""
        return {
            "decisions": [decision.to_item() for decision in self.decisions],
            "decision_state": {
                "number": self.number,
                "keys": list(self.keys),
                "owner": self.owner,
                "exempted": [exempted.to_item() for exempted in self.exempted],
                "outbox": [untold.to_item() for untold in self.outbox],
                **({"close_now": self.close_now.to_item()} if self.close_now else {}),
                **({"restore": self.restore.to_item()} if self.restore else {}),
            },
            "decision_version": self.version,
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> DecisionState:
        """Read the attributes of an issue's item. Never raises: what cannot be read is told in `problem`."""
        if "decisions" not in item and "decision_state" not in item:
            return _NOTHING
        try:
            state: Mapping[str, Any] = item.get("decision_state") or {}
            close_now, restore = state.get("close_now"), state.get("restore")
            decisions = tuple(Decision.from_item(raw) for raw in item.get("decisions") or ())
            return cls(
                decisions=decisions,
                version=whole_number("decision_version", item.get("decision_version", 0)),
                number=int(state.get("number") or len(decisions)),
                keys=tuple(map(str, state.get("keys") or ())),
                close_now=CloseNow.from_item(close_now) if close_now else None,
                owner=str(state.get("owner") or ""),
                exempted=tuple(Exempted.from_item(raw) for raw in state.get("exempted") or ()),
                restore=RestoreRequest.from_item(restore) if restore else None,
                outbox=tuple(Untold.from_item(raw) for raw in state.get("outbox") or ()),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            return cls(problem=f"its decisions cannot be read: {reason}")


_NOTHING = DecisionState()
_Entry = TypeVar("_Entry")


def _most_telling(
    entries: tuple[_Entry, ...], kept: int, decision_of: Callable[[_Entry], Decision]
) -> tuple[_Entry, ...]:
    """As many as are kept, and there is room for: decisions before refusals, new ones before old ones."""
    while len(entries) > kept:
        drop = next((index for index, entry in enumerate(entries) if not decision_of(entry).is_done), 0)
        entries = entries[:drop] + entries[drop + 1 :]
    while sum(decision_of(entry).size for entry in entries) > _LIST_BYTES:
        refused = [index for index, entry in enumerate(entries[:-1]) if not decision_of(entry).is_done]
        if not refused:
            break
        entries = entries[: refused[0]] + entries[refused[0] + 1 :]
    return entries


def _key_from_item(item: Iterable[Any]) -> ExposureKey:
    protocol, first, last, cidr, prefix_list_id = item
    return (
        str(protocol),
        None if first is None else int(first),
        None if last is None else int(last),
        str(cidr),
        str(prefix_list_id),
    )


@dataclass(frozen=True, slots=True)
class DecidedExemption:
    """What a person exempted: exactly what an issue exposed then, pair by pair of traffic and source.

    Attributes:
        number: the number of the decision, which makes the id unique within the group.
        occurrence: of the issue, when it was exempted.
        restricted: the ports that were restricted then: no other port of a rule is exempt.
        until: the first day, in UTC, on which it no longer counts.
        reason: untrusted input.
        ended: who ended it before, and when; empty: nobody.
    """

    account_id: str
    group_id: str
    number: int
    occurrence: int
    exposures: frozenset[ExposureKey]
    restricted: PortSet
    until: date
    reason: str
    by: str
    via: Via
    at: datetime
    region: str = ""
    ended: str = ""

    @property
    def item_id(self) -> str:
        """The range key of its item."""
        return f"{EXEMPTION_PREFIX}{self.group_id}#{self.number:06}"

    @property
    def id(self) -> str:
        """By what people name it."""
        return f"{self.account_id}/{self.group_id}/{self.number}"

    def counts_on(self, today: date) -> bool:
        """Whether it counts on this day, in UTC."""
        return not self.ended and today < self.until

    def exemptions(self) -> tuple[Exemption, ...]:
        """The same as values that the evaluation takes: each set of sources with the traffic that is exempt for it."""
        by_source: dict[str, list[IntervalSet]] = {}
        wanted = traffic_of_ports(self.restricted) | ALL_WITHOUT_PORTS
        for protocol, first, last, cidr, _ in sorted(self.exposures, key=str):
            by_source.setdefault(cidr, []).append(traffic_of(protocol, first, last) & wanted)
        by_traffic: dict[IntervalSet, list[str]] = {}
        for cidr, parts in by_source.items():
            by_traffic.setdefault(IntervalSet.union(parts), []).append(cidr)
        return tuple(
            Exemption(
                group=self.group_id,
                ports=_ports_in(traffic),
                sources=AddressSet.of(map(parse_network, cidrs)),
                expires=self.until,
                reason=self.reason,
                author=self.by,
                other_traffic=traffic & ALL_WITHOUT_PORTS,
                decided=self.id,
            )
            for traffic, cidrs in by_traffic.items()
        )

    def covers(self, exposures: Iterable[Exposure]) -> bool:
        """Whether all of these are exempt by it, as they are."""
        return {exposure_key(exposure) for exposure in exposures} <= self.exposures

    def to_item(self) -> dict[str, Any]:
        """Its item."""
        return {
            "account_id": self.account_id,
            "issue_id": self.item_id,
            "group_id": self.group_id,
            "number": self.number,
            "occurrence": self.occurrence,
            "exposures": [list(key) for key in sorted(self.exposures, key=str)],
            "restricted": str(self.restricted),
            "until": self.until.isoformat(),
            "reason": self.reason,
            "by": self.by,
            "via": str(self.via),
            "at": format_time(self.at),
            "region": self.region,
            **({"ended": self.ended} if self.ended else {}),
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> DecidedExemption:
        """Read an item. Raises KeyError, TypeError or ValueError on what is none."""
        at = required_time(item["at"], "an exemption")
        exempt = cls(
            account_id=str(item["account_id"]),
            group_id=str(item["group_id"]),
            number=int(item["number"]),
            occurrence=int(item["occurrence"]),
            exposures=frozenset(map(_key_from_item, item["exposures"])),
            restricted=PortSet.parse(part for part in str(item["restricted"]).split(", ") if part),
            until=date.fromisoformat(item["until"]),
            reason=str(item["reason"]),
            by=str(item["by"]),
            via=Via(item["via"]),
            at=at,
            region=str(item.get("region") or ""),
            ended=str(item.get("ended") or ""),
        )
        exempt.exemptions()  # raises on a source that is none
        return exempt


def _ports_in(traffic: IntervalSet) -> PortSet:
    """The TCP and UDP ports of a part of the axis of traffic."""
    udp = traffic & IntervalSet(((UDP, WITHOUT_PORTS - 1),))
    return PortSet(traffic & _TCP, IntervalSet(tuple((first - UDP, last - UDP) for first, last in udp.spans)))


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
