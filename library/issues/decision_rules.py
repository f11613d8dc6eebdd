"""Whether a person's decision about an issue may be carried out now, and what it changes.

Pure. `decide` is the one answer for `hammer decide`, Slack and JIRA. It takes the issue as it is now, what the person
saw, who the person is, and the configuration's limits, and returns what is to be written, in one conditional write
(`library.aws.decision_store`): a decision that is carried out, or a refused one with the reason.

A decision is about what the person saw: the occurrence, and a digest of the exposures (`Seen`). Whatever else has
changed since, such as the day on which the issue is due, its tags, its owner or a comment, does not refuse it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from library.issues.decision_record import (
    TEXT_LIMIT,
    CloseNow,
    DecidedExemption,
    Decision,
    DecisionKind,
    DecisionState,
    Exempted,
    RestoreRequest,
    Via,
)
from library.issues.issue import SECURITY_GROUP, Issue, Status
from library.issues.schedule import decided_to_close
from library.issues.times import shown_time
from library.network.ports import PortSet
from library.security_groups.exposure import exposure_key, rule_text

SHORTEST_REASON = 10
"""Characters that the reason of an exemption must have."""

SECOND_EXEMPTION = timedelta(days=30)
"""How long after an exemption another one, in a later occurrence of the same issue, needs a second person."""

NOT_MINE_LIMIT = 2
"""How often an occurrence of an issue may be handed on."""

_LISTED = 5
_VALUE = re.compile(r"v1\|([0-9]{12})\|([a-z0-9-]+)\|(sg-[0-9A-Za-z-]+)\|([0-9]+)\|([0-9a-f]{16})\|([0-9a-f]{16}|-)")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a person saw of an issue.

    Attributes:
        digest: of the exposures (`digest`).
        change: the change of the group that could be taken back (`change_id`); empty: there was none.
    """

    occurrence: int
    digest: str
    change: str = ""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a person may do, by the lists of the section `decisions`, apart from what the issue is like.

    Attributes:
        rejection: why the person may decide nothing, such as that it is a guest; empty: see the others.
        decides: whether the person is one of `decisions.allow`.
    """

    rejection: str = ""
    decides: bool = False
    extends: bool = False
    restores: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A person's decision, before anybody knows whether it may be carried out. Its fields are checked (`wrong_fields`).

    Attributes:
        by: who, as `Decision.by`.
        at: when the person decided, in UTC.
        key: tells this request from every other, so that one that comes twice is carried out once; empty: it cannot
            come twice.
        label: the label of the ticket that asked; empty: none did.
    """

    kind: DecisionKind
    by: str
    via: Via
    at: datetime
    seen: Seen
    rights: Rights
    reason: str = ""
    until: date | None = None
    owner: str = ""
    key: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the configuration says about decisions in one account.

    Attributes:
        account_is_remediated: whether the account is one of `remediation_accounts`.
        exempt_days: how many days an exemption may last.
        restricted: the restricted ports.
        scope: the statuses that remediation changes.
    """

    remediation_is_on: bool
    account_is_remediated: bool
    exempt_days: int
    restricted: PortSet
    scope: frozenset[str] = frozenset({"open_completely", "open_partly"})


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of a request.

    Attributes:
        decision: as it is listed; None: the request was here before, and nothing is written.
        state: the issue's state after it.
        exemption: the exemption to write with it; None: none.
        restore: a restore that is to be carried out now; None: none. The decision is listed when it is over.
    """

    decision: Decision | None
    state: DecisionState
    exemption: DecidedExemption | None = None
    restore: RestoreRequest | None = None


def exposure_digest(issue: Issue) -> str:
    """Tells apart what an issue exposes at different times: 16 hexadecimal digits."""
    lines = [str(exposure_key(exposure)) for exposure in issue.details.perms]
    text = "\n".join((*sorted(lines), str(issue.details.perms_total)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def seen_now(issue: Issue) -> Seen:
    """What a person sees who looks at the issue as it is."""
    return Seen(issue.occurrence, exposure_digest(issue), change_id(issue))


def change_id(issue: Issue) -> str:
    """Which change of the group a restore would take back: 16 hexadecimal digits; empty: there is none."""
    journal = issue.remediation_details.get("journal")
    if not isinstance(journal, Mapping) or issue.remediation_details.get("restored"):
        return ""
    if journal.get("kind") != "remediation" or not journal.get("backup") or not _left_traces(journal):
        return ""
    text = f"{journal.get('backup')}|{journal.get('started')}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _left_traces(journal: Mapping[str, Any]) -> bool:
    """Whether a change is complete and something of it is in the group."""
    if journal.get("step") != "done":
        return False
    states = [part.get("state") for name in ("add", "revoke") for part in journal.get(name) or ()]
    return not states or bool({"revoked", "sent", "added", "there"} & set(states)) or None in states


def button_value(issue: Issue) -> str:
    """What a button carries: the issue, and what a person sees of it. No secret, at most 2,000 characters."""
    seen = seen_now(issue)
    parts = (issue.account_id, issue.details.region, issue.issue_id, str(seen.occurrence), seen.digest)
    return "|".join(("v1", *parts, seen.change or "-"))


@dataclass(frozen=True, slots=True)
class ButtonValue:
    """A button's value, read."""

    account_id: str
    region: str
    group_id: str
    seen: Seen


def read_button(value: object) -> ButtonValue | None:
    """Read a button's value; None: it is none of Hammer's."""
    found = _VALUE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    account_id, region, group_id, occurrence, seen, change = found.groups()
    return ButtonValue(account_id, region, group_id, Seen(int(occurrence), seen, "" if change == "-" else change))


def exempt_until(issue: Issue, today: date) -> Exempted | None:
    """The decision by which an issue is exempt as it is on this day, in UTC; None: no decision exempts it.

    Of several that exempt all of it, it is the one that ends last. Once a scan has judged the issue after a decision,
    what the scan found counts: a port that became restricted since is open, whatever was decided on the same rule.
    """
    counting = [each for each in issue.decided.exempted if each.until > today]
    if not counting:
        return None
    seen, is_exempt = exposure_digest(issue), issue.status is Status.WHITELISTED
    as_it_is = [
        each
        for each in counting
        if each.digest == seen and (is_exempt or issue.last_seen is None or issue.last_seen <= each.at)
    ]
    if as_it_is:
        return max(as_it_is, key=lambda each: each.until)
    # What is open now is a part of what was exempted, or several exemptions are together: the first that ends counts.
    parts = [each for each in counting if is_exempt and each.occurrence == issue.occurrence]
    return min(parts, key=lambda each: each.until, default=None)


def pending_close(issue: Issue) -> CloseNow | None:
    """The decision by which remediation closes all that an issue exposes at its next run; None: there is none.

    One that was carried out decides nothing about what is opened again, also where no scan has looked in between.
    """
    close_now = decided_to_close(issue)
    return close_now if close_now and close_now.counts_for(issue.occurrence, issue.details.perms) else None


def possible(issue: Issue, limits: Limits, today: date) -> tuple[DecisionKind, ...]:
    """The decisions that somebody with every right may make about an issue now; they are what its message offers."""
    kinds = []
    if issue.status.is_exposed and issue.kind is SECURITY_GROUP and not issue.decided.problem:
        exempt = issue.status is Status.WHITELISTED or exempt_until(issue, today) is not None
        if not exempt and not _why_not_close_now(issue, limits, today):
            kinds.append(DecisionKind.CLOSE_NOW)
        if limits.exempt_days > 0 and not _too_many(issue):
            kinds.append(DecisionKind.EXEMPT)
        if not _why_cannot_hand_on(issue):
            kinds.append(DecisionKind.NOT_MINE)
    if change_id(issue) and issue.decided.restore is None and not issue.decided.problem:
        kinds.append(DecisionKind.RESTORE)
    return tuple(kinds)


def wrong_fields(
    kind: DecisionKind, limits: Limits, on: date, *, until: date | None, reason: str, owner: str
) -> dict[str, str]:
    """What is wrong with the fields of a decision, by `until`, `reason` and `owner`; empty: nothing.

    Args:
        kind: what is decided.
        limits: the configuration's.
        on: the day of the decision, in UTC.
        until: the first day on which an exemption is to count no longer.
        reason: as the person wrote it.
        owner: the new owner, as the person wrote it.
    """
    wrong = {}
    reason, owner = reason.strip(), owner.strip()
    if kind is DecisionKind.EXEMPT:
        latest = on + timedelta(days=limits.exempt_days)
        if until is None:
            wrong["until"] = "Name the day on which the exemption ends."
        elif not on < until <= latest:
            wrong["until"] = f"The exemption ends tomorrow, {on + timedelta(days=1)}, or later, and by {latest}."
        if not SHORTEST_REASON <= len(reason) <= TEXT_LIMIT:  # that of any other decision is cut
            wrong["reason"] = f"Say why, in {SHORTEST_REASON} to {TEXT_LIMIT} characters."
    if kind is DecisionKind.NOT_MINE and not owner:
        wrong["owner"] = "Name the person or the #channel that owns it."
    if len(owner) > TEXT_LIMIT:
        wrong["owner"] = f"The owner has more than {TEXT_LIMIT} characters."
    return wrong


def decide(issue: Issue, request: Request, limits: Limits, now: datetime) -> Ruling:
    """What becomes of a request, on the issue as it is now."""
    state = issue.decided
    decision = _as_decision(request, issue)
    if request.key and (request.key in state.keys or (state.restore and state.restore.key == request.key)):
        return Ruling(None, state)
    if state.problem:
        # What was decided before is not known, and is not written over.
        return Ruling(decision.refused(state.problem), state)
    if rejection := why_not(issue, request, limits, now):
        refused = decision.refused(rejection)
        return Ruling(refused, state.with_decision(refused, request.key, label=request.label))
    if request.kind is DecisionKind.RESTORE:
        restore = RestoreRequest(decision, request.seen.change, request.key)
        return Ruling(decision, replace(state, restore=restore), restore=restore)
    after = state.with_decision(decision, request.key, slack=request.kind is DecisionKind.NOT_MINE, label=request.label)
    if request.kind is DecisionKind.CLOSE_NOW:
        exposures = frozenset(map(exposure_key, issue.details.perms))
        return Ruling(decision, replace(after, close_now=CloseNow(request.by, now, issue.occurrence, exposures)))
    if request.kind is DecisionKind.NOT_MINE:
        return Ruling(decision, replace(after, owner=decision.owner))
    exemption = _exemption(issue, decision, after.number, limits)
    # A label may be older than the last scan, which knew of no exemption.
    exempted = Exempted(
        exemption.number, exemption.occurrence, exposure_digest(issue), exemption.until, exemption.by, now
    )
    # Who exempts what somebody wanted closed at once takes that back: it is not closed at once when that ends.
    exempt = replace(after.with_exempted(exempted, now.date()), close_now=None)
    return Ruling(decision, exempt, exemption=exemption)


def restored(issue: Issue, problem: str) -> DecisionState:
    """The state of an issue after the restore that was decided is over.

    `problem` says why the group could not be restored; empty: it was.
    """
    request = issue.decided.restore
    if request is None:
        return issue.decided
    decision = request.decision.refused(problem) if problem else request.decision
    # Who pressed was not answered: until now it was to be carried out.
    slack = bool(problem) and decision.via is Via.SLACK
    return replace(issue.decided.with_decision(decision, request.key, slack=slack), restore=None)


def ended(issue: Issue, exemption: DecidedExemption, by: str, now: datetime, reason: str = "") -> DecisionState:
    """The state of an issue after somebody ended an exemption of it."""
    decision = Decision(
        DecisionKind.END, by, Via.CLI, now, issue.occurrence, reason=reason[:TEXT_LIMIT], until=exemption.until
    )
    return issue.decided.with_decision(decision, "").without_exempted(exemption.number)


def _as_decision(request: Request, issue: Issue) -> Decision:
    is_exempt = request.kind is DecisionKind.EXEMPT
    return Decision(
        kind=request.kind,
        by=request.by[:TEXT_LIMIT],
        via=request.via,
        at=request.at.astimezone(UTC),
        occurrence=issue.occurrence,
        reason=request.reason.strip()[:TEXT_LIMIT],
        until=request.until if is_exempt else None,
        owner=request.owner.strip()[:TEXT_LIMIT] if request.kind is DecisionKind.NOT_MINE else "",
    )


def why_not(issue: Issue, request: Request, limits: Limits, now: datetime, *, fields: bool = True) -> str:
    """Why a request is refused; empty: it is carried out.

    `fields` says whether its fields count: before a person is asked for them they are empty.
    """
    rights, kind = request.rights, request.kind
    if rights.rejection:
        return rights.rejection
    if kind is DecisionKind.RESTORE:
        if not rights.restores:
            return "only people whom decisions.allow_restore names may restore a group"
        return _why_not_restore(issue, request)
    extends = kind is DecisionKind.EXEMPT and rights.extends
    if not rights.decides and not extends:
        return "only people whom decisions.allow names may decide this"
    if stale := _why_not_as_seen(issue, request.seen):
        return stale
    today = now.date()
    if issue.kind is not SECURITY_GROUP:
        return "only security groups are decided about"
    if kind is DecisionKind.CLOSE_NOW:
        return _why_not_close_now(issue, limits, today)
    if kind is DecisionKind.NOT_MINE:
        return _why_cannot_hand_on(issue) or ("nobody is named" if fields and not request.owner.strip() else "")
    return _why_not_exempt(issue, request, now) or (_why_not_until(request, limits, now) if fields else "")


def _why_not_restore(issue: Issue, request: Request) -> str:
    if pending := issue.decided.restore:
        return f"{_who(pending.decision)} has decided to restore the group already"
    flag = issue.remediation_details.get("restored")
    if flag:
        by, at = (flag.get("by"), flag.get("at")) if isinstance(flag, Mapping) else ("somebody", "some time")
        return f"the group was restored by {by} at {at}"
    if not change_id(issue):
        return "there is no complete change of Hammer's to take back"
    if change_id(issue) != request.seen.change:
        return "Hammer has changed the group again since"
    return ""


def _why_not_as_seen(issue: Issue, seen: Seen) -> str:
    """Why an issue is not what a person saw; empty: it is."""
    if not issue.status.is_exposed:
        times = issue.timestamps
        return f"the issue is over: {issue.status} since {shown_time(times.closed or times.resolved) or 'some time'}"
    if issue.occurrence != seen.occurrence:
        since = shown_time(issue.timestamps.identified)
        return f"that occurrence of the issue is over; the group is exposed anew since {since}: {_exposed(issue)}"
    if exposure_digest(issue) != seen.digest:
        return f"the group exposes something else by now: {_exposed(issue)}"
    return ""


def _exposed(issue: Issue) -> str:
    perms = issue.details.perms
    more = f" and {len(perms) - _LISTED} more" if len(perms) > _LISTED else ""
    return ", ".join(map(rule_text, perms[:_LISTED])) + more


def _why_not_close_now(issue: Issue, limits: Limits, today: date) -> str:
    if not issue.kind.is_remediated:
        return "remediation does not close issues of this kind"
    if not limits.remediation_is_on:
        return "remediation is off (secgrp_unrestricted_access.remediation)"
    if not limits.account_is_remediated:
        return f"account {issue.account_id} is not one of remediation_accounts"
    if exempt := exempt_until(issue, today):
        return f"the issue is exempt until {exempt.until} by a decision of {_who(exempt)}"
    if issue.status is Status.WHITELISTED:
        return "the issue is exempt"
    if issue.remediation_details.get("restored"):
        return (
            "the group was restored, and automatic remediation leaves it alone: hammer restore --release gives it back"
        )
    if close_now := pending_close(issue):
        return f"{close_now.by} decided that already, at {shown_time(close_now.at)}"
    return ""


def _why_cannot_hand_on(issue: Issue) -> str:
    handed_on = [
        decision
        for decision in issue.decided.decisions
        if decision.is_done and decision.kind is DecisionKind.NOT_MINE and decision.occurrence == issue.occurrence
    ]
    if len(handed_on) < NOT_MINE_LIMIT:
        return ""
    who = " and ".join(map(_who, handed_on[-NOT_MINE_LIMIT:]))
    return f"it was handed on {NOT_MINE_LIMIT} times already, by {who}"


def _too_many(issue: Issue) -> bool:
    """Whether the table had no room for all exposures, so that nobody can tell what an exemption would exempt."""
    return issue.details.perms_total > len(issue.details.perms)


def _why_not_exempt(issue: Issue, request: Request, now: datetime) -> str:
    if _too_many(issue):
        return "the group exposes more than the table has room for: exempt it in the file whitelist"
    earlier = _exemptions_before(issue, now)
    if not earlier:
        return "" if request.rights.decides else "only people whom decisions.allow names may decide this"
    if not request.rights.extends or any(decision.by == request.by for decision in earlier):
        first = earlier[-1]
        return (
            f"it was exempted until {first.until} by {_who(first)}: another exemption needs somebody whom "
            f"decisions.allow_extend names, other than {' and '.join(dict.fromkeys(this.by for this in earlier))}"
        )
    return ""


def _why_not_until(request: Request, limits: Limits, now: datetime) -> str:
    """What is wrong with the fields of an exemption, which may have been right on the day of the request."""
    wrong = wrong_fields(
        request.kind, limits, request.at.date(), until=request.until, reason=request.reason, owner=request.owner
    )
    if wrong:
        return " ".join(wrong.values())
    if request.until is None or request.until <= now.date():
        return f"the exemption would have ended on {request.until}"
    return ""


def is_another_exemption(issue: Issue, now: datetime) -> bool:
    """Whether an exemption of an issue would be another one, for which `allow_extend` is asked."""
    return bool(_exemptions_before(issue, now))


def _exemptions_before(issue: Issue, now: datetime) -> list[Decision]:
    """The exemptions after which another one needs a second person."""
    return [
        decision
        for decision in issue.decided.decisions
        if decision.is_done
        and decision.kind is DecisionKind.EXEMPT
        and (decision.occurrence == issue.occurrence or now - decision.at <= SECOND_EXEMPTION)
    ]


def _exemption(issue: Issue, decision: Decision, number: int, limits: Limits) -> DecidedExemption:
    if decision.until is None:
        raise ValueError("an exemption needs an end")
    return DecidedExemption(
        account_id=issue.account_id,
        group_id=issue.issue_id,
        number=number,
        occurrence=issue.occurrence,
        exposures=frozenset(map(exposure_key, issue.details.perms)),
        restricted=limits.restricted,
        until=decision.until,
        reason=decision.reason,
        by=decision.by,
        via=decision.via,
        at=decision.at,
        region=issue.details.region,
    )


def _who(decision: Decision | Exempted) -> str:
    return f"{decision.by} at {shown_time(decision.at)}"
