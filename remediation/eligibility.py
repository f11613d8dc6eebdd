"""Whether remediation may change a group now: by its issue, the configuration and what earlier runs left.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from library.config.models import closing_terms
from library.documents.text import flattened
from library.issues.decision_record import CloseNow
from library.issues.flapping import flapping_text, reopenings
from library.issues.issue import ClosingTerms, Issue, Status, decided_to_close, has_notice
from library.issues.times import shown_time
from library.network.addresses import RFC_1918, AddressSet, Network
from library.network.ports import PortSet
from library.security_groups.exemptions import Exemption, applying
from library.security_groups.exposure import Evaluator, OpenStatus
from library.security_groups.group import SecurityGroup
from library.source.service import is_made_by_controller, managed_by
from remediation.journal import ChangeKind, RemediationDetails

if TYPE_CHECKING:
    from library.config import Configuration


class Why(StrEnum):
    """Why a group is left as it is."""

    NOT_OPEN = "not open"
    NOT_REPORTED = "not reported"
    NOT_DUE = "not due"
    RESTORED = "restored"
    EXEMPT = "exempt"
    GONE = "gone"
    FIXED = "safe already"
    REMEDIATED = "remediated already"
    OUT_OF_SCOPE = "out of remediation_scope"
    QUOTA = "quota"
    KEEP = "cannot be kept"
    SOURCES = "remediation_sources"
    NOT_UNDERSTOOD = "not understood"
    FLAPPING = "opened again and again"
    SERVICE = "made by a controller"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing is to be changed.

    Attributes:
        text: the reason in full, for a person.
    """

    why: Why
    text: str

    @property
    def needs_somebody(self) -> bool:
        """Whether the group stays exposed although it is due, so that somebody must look at it."""
        return self.why in (Why.QUOTA, Why.NOT_UNDERSTOOD, Why.FLAPPING, Why.KEEP, Why.SOURCES)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration says about remediation in one account.

    Attributes:
        restricted: the restricted ports.
        trusted: addresses that count as not public.
        scope: the statuses that are remediated.
        carve: replace only the restricted ports of a rule.
        closing: when an issue becomes due.
        exemptions: the account's.
        stop_after: how often a group may be opened again lately before it is left to a person; 0: any number.
        begun: whether it is about a group whose change was begun.
        sources: what replaces an open source: CIDRs and ids of prefix lists.
        keep: sources that a person keeps beside them, in this run.
        kept_by: who that is.
        service_groups: remediate groups, too, that a controller made and opens again within minutes.
        only: the decision by which alone an issue is due: nothing else is closed; None: all is due.
    """

    restricted: PortSet
    trusted: AddressSet
    scope: frozenset[OpenStatus]
    carve: bool
    closing: ClosingTerms
    exemptions: tuple[Exemption, ...] = ()
    stop_after: int = 0
    begun: bool = False
    sources: tuple[str, ...] = RFC_1918
    keep: tuple[Network, ...] = ()
    kept_by: str = ""
    service_groups: bool = False
    only: CloseNow | None = None
    evaluator: Evaluator = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "evaluator", Evaluator(self.restricted, self.trusted))

    def prefix_lists_named(self, group: SecurityGroup) -> set[str]:
        """The prefix lists whose entries a plan for this group needs: those of its rules, and of what replaces them."""
        return self.evaluator.prefix_lists_named(group) | {name for name in self.sources if name.startswith("pl-")}


def policy_of(config: Configuration, account_id: str) -> Policy:
    """What a configuration says about remediation in an account."""
    section = config.secgrp_unrestricted_access
    return Policy(
        restricted=section.restricted_ports,
        trusted=section.trusted_cidrs,
        scope=frozenset(section.remediation_scope),
        carve=section.remediation_strategy == "carve_ports",
        closing=closing_terms(config, account_id),
        exemptions=config.exemptions(account_id),
        stop_after=section.remediation_stop_after_reopenings,
        sources=section.remediation_sources,
        service_groups=section.remediation_service_groups,
    )


def policy_for(config: Configuration, issue: Issue, now: datetime) -> Policy:
    """What a configuration says about one issue: only what was decided on is due where nothing else makes it due."""
    policy = policy_of(config, issue.account_id)
    begun = RemediationDetails.of(issue.remediation_details).is_unfinished
    return replace(policy, only=policy.closing.is_due_by_decision(issue, now, begun=begun))


def why_not_due(issue: Issue, policy: Policy, now: datetime) -> Refusal | None:
    """Why an issue is not due, or None: it is.

    Whether its group is exempt in part, or fixed, is known only when it is described again: see `plan_remediation`.
    """
    if issue.status is Status.WHITELISTED or _exempt_as_a_whole(issue, policy, now.date()):
        return Refusal(Why.EXEMPT, "exempt now")
    if issue.status is not Status.OPEN:
        return Refusal(Why.NOT_OPEN, f"its issue is {issue.status}")
    details = RemediationDetails.of(issue.remediation_details)
    if details.problem:
        return Refusal(Why.NOT_UNDERSTOOD, details.problem)
    if details.restored:
        return Refusal(
            Why.RESTORED,
            f"restored by {details.restored.get('by', 'somebody')} at {details.restored.get('at', 'some time')}: "
            "left alone until somebody decides",
        )
    if details.is_unfinished and details.entry and details.entry.kind is ChangeKind.RESTORE:
        return Refusal(
            Why.RESTORED, f"being restored by {details.entry.by or 'somebody'} since {details.entry.started}"
        )
    due = policy.closing.due(issue, begun=policy.begun)
    if due is None:
        return Refusal(Why.NOT_REPORTED, "not reported yet")
    # A decision to close it makes it due at once, whatever the clock of the machine on which it was made.
    if now < due and decided_to_close(issue) is None:
        waits = policy.closing.is_immediate(issue) and not has_notice(issue)
        before = ", or as soon as people are told that it is closed at once" if waits else ""
        return Refusal(Why.NOT_DUE, f"due at {shown_time(due)}{before}")
    if policy.stop_after and reopenings(issue.history, now) >= policy.stop_after:
        agent = issue.opened_by.user_agent if issue.opened_by else ""
        manager = managed_by(issue.details.tags, agent, issue.details.name)
        text = flapping_text(issue.history, now, flattened(manager, 160))
        return Refusal(Why.FLAPPING, f"{text}: somebody must decide")
    if not (policy.begun or policy.service_groups) and is_made_by_controller(issue.details.tags, issue.details.name):
        manager = flattened(managed_by(issue.details.tags, "", issue.details.name), 160)
        return Refusal(Why.SERVICE, f"{manager} made it and would open it again: change it there, or decide by hand")
    return None


def why_not_touched(issue: Issue, policy: Policy, now: datetime) -> Refusal | None:
    """Why a change that an earlier run left unfinished may not be completed now, or None: it may.

    That needs all that `why_not_due` asks for, except that the issue is open: when the owner has closed a rule since,
    and the issue is resolved, what Hammer added for that rule is to be taken away.
    """
    is_over = issue.status in (Status.RESOLVED, Status.CLOSED)
    # What was begun is completed however often the group was opened again, and also if it is less severe by now.
    policy = replace(policy, stop_after=0, begun=True)
    return why_not_due(replace(issue, status=Status.OPEN) if is_over else issue, policy, now)


def why_not_at_once(issue: Issue, policy: Policy, status: OpenStatus, now: datetime) -> Refusal | None:
    """Why an issue that is due only by immediate mode is not closed after all, or None: nothing speaks against it.

    Who can connect is not asked again: severity rests on the last look. Only what the group opens now is judged again.

    Args:
        issue: the issue, which is due.
        policy: the configuration's.
        status: what the group is open to now, or was when its change began.
        now: the time in UTC.
    """
    due = policy.closing.due_by_retention(issue)
    if due is None or due <= now or decided_to_close(issue) or policy.closing.is_immediate_as(issue, status):
        return None
    text = f"due at {shown_time(due)}: {status.replace('_', ' ')} by now, which is not closed at once"
    return Refusal(Why.NOT_DUE, text)


def _exempt_as_a_whole(issue: Issue, policy: Policy, today: date) -> bool:
    details = issue.details
    applies = applying(policy.exemptions, issue.issue_id, details.vpc_id, details.name, today)
    return any(exemption.is_whole for exemption in applies)
