"""Whether remediation may change a group now: by its issue, the configuration and what earlier runs left.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from library.config.models import remediation_terms
from library.issues.issue import Issue, Status
from library.issues.notified_exposures import NotifiedTimes
from library.issues.schedule import (
    ExposureTimes,
    RemediationTerms,
    Skipped,
    SkipReason,
    decided_to_close,
    due_by_retention,
    exposure_times,
    remediation_schedule,
)
from library.issues.times import shown_time
from library.network.addresses import RFC_1918, AddressSet, Network
from library.network.ports import PortSet
from library.security_groups.exemptions import Exemption
from library.security_groups.exposure import Evaluator, Exposure, OpenStatus
from library.security_groups.group import IngressRule, RuleKey, SecurityGroup, is_prefix_list, rule_key
from remediation.journal import RemediationDetails
from remediation.rules import key_lets_in

if TYPE_CHECKING:
    from library.config import Configuration


@dataclass(frozen=True, slots=True)
class DueExposures:
    """Which of the exposures that a group has now may be closed now.

    Attributes:
        times: from when each may be closed.
        now: the time in UTC.
        agreed: the rules that a person agreed to replace, whether they are due or not: then only what lies within one
            of them may be closed; None: nobody did.
    """

    times: ExposureTimes
    now: datetime
    agreed: tuple[RuleKey, ...] | None = None

    def takes(self, exposure: Exposure) -> bool:
        """Whether one may be closed now."""
        if self.agreed is not None:
            return any(key_lets_in(rule, rule_key(exposure)) for rule in self.agreed)
        return self.times.is_due(exposure, self.now)

    def when(self, exposure: Exposure) -> str:
        """From when one may be closed, in words."""
        if kept := self.times.kept_as(exposure):
            return kept.text
        due = self.times.due(exposure)
        return f"due at {shown_time(due)}" if due else "not reported yet"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration says about remediation in one account.

    Attributes:
        restricted: the restricted ports.
        trusted: addresses that count as not public.
        scope: the statuses that are remediated.
        carve: replace only the restricted ports of a rule.
        terms: when an issue becomes due.
        exemptions: the account's.
        is_resumed: whether it is about a group whose change was begun.
        due: which exposures of the group at hand may be closed now; None: all, as a person decides.
        sources: what replaces an open source: CIDRs and ids of prefix lists.
        keep: sources that a person keeps beside them, in this run.
        kept_by: who that is.
    """

    restricted: PortSet
    trusted: AddressSet
    scope: frozenset[OpenStatus]
    carve: bool
    terms: RemediationTerms
    exemptions: tuple[Exemption, ...] = ()
    is_resumed: bool = False
    due: DueExposures | None = None
    sources: tuple[str, ...] = RFC_1918
    keep: tuple[Network, ...] = ()
    kept_by: str = ""
    evaluator: Evaluator = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "evaluator", Evaluator(self.restricted, self.trusted))

    def prefix_lists_named(self, group: SecurityGroup) -> set[str]:
        """The prefix lists whose entries a plan for this group needs: those of its rules, and of what replaces them."""
        return self.evaluator.prefix_lists_named(group) | {name for name in self.sources if is_prefix_list(name)}


def account_policy(config: Configuration, account_id: str) -> Policy:
    """What a configuration says about remediation in an account."""
    section = config.secgrp_unrestricted_access
    return Policy(
        restricted=section.restricted_ports,
        trusted=section.trusted_cidrs,
        scope=frozenset(section.remediation_scope),
        carve=section.remediation_strategy == "carve_ports",
        # Whether remediation runs at all, a run asks when it begins: by hand it runs also where it is off. The scope is
        # judged by the group as it is, not by its issue.
        terms=replace(remediation_terms(config, account_id), is_on=True, scope=None),
        exemptions=config.exemptions(account_id),
        sources=section.remediation_sources,
    )


def why_not_due(issue: Issue, policy: Policy, now: datetime) -> Skipped | None:
    """Why an issue is not due, or None: it is.

    An issue is due when its retention period is over since every channel reported it, when owners had notice of that,
    or when a person decided to close it now: `library.issues.schedule.remediation_schedule`.
    Whether its group is exempt in part, or fixed, is known only when it is described again: see `plan_remediation`.
    """
    skipped = remediation_schedule(issue, policy.terms, now, is_resumed=policy.is_resumed).skipped
    if skipped and skipped.reason in (SkipReason.OFF, SkipReason.EXEMPT, SkipReason.NOT_OPEN):
        return skipped
    details = RemediationDetails.of(issue.remediation_details)
    if details.problem:
        return Skipped(SkipReason.NOT_UNDERSTOOD, details.problem)
    if (restore := details.unfinished_restore) and not details.restored:
        text = f"being restored by {restore.by or 'somebody'} since {restore.started}"
        return Skipped(SkipReason.RESTORED, text)
    return skipped


def issue_policy(
    issue: Issue, policy: Policy, now: datetime, *, decided: bool = False, agreed: Iterable[IngressRule] | None = None
) -> Policy:
    """The policy for one issue: with the exposures that people were told of long enough ago to be closed now.

    If a person `decided` and the issue is not due, all that is open may be closed; once they `agreed` to replace these
    rules, only what lies within them.
    """
    times = exposure_times(issue, policy.terms, is_resumed=policy.is_resumed)
    if decided and why_not_due(issue, policy, now) is not None:
        if agreed is None:
            return policy
        times = times or ExposureTimes(NotifiedTimes(()), policy.terms.retention)
        return replace(policy, due=DueExposures(times, now, tuple(map(rule_key, agreed))))
    return replace(policy, due=DueExposures(times, now) if times else None)


def why_not_resumed(issue: Issue, policy: Policy, now: datetime) -> Skipped | None:
    """Why a change that an earlier run left unfinished may not be completed now, or None: it may.

    That needs all that `why_not_due` asks for, except that the issue is open: when the owner has closed a rule since,
    and the issue is resolved, what Hammer added for that rule is to be taken away.
    """
    is_over = issue.status in (Status.RESOLVED, Status.CLOSED)
    # What was begun is completed however often the group was opened again, and also if it is less severe by now.
    policy = replace(policy, terms=replace(policy.terms, stop_after=0), is_resumed=True)
    skipped = why_not_due(replace(issue, status=Status.OPEN) if is_over else issue, policy, now)
    is_late = skipped is not None and skipped.reason in (SkipReason.NOT_REPORTED, SkipReason.NOT_DUE)
    # Of an issue that is over nothing is open. What was open last, an owner may have made of a rule by editing it while
    # the change was under way. People were never told of that, so it would never be due, and the change would never be
    # completed (the simulation's seed 52165, with an EC2 that lags by 280 s). `issue_policy` leaves such rules.
    if is_over and is_late and exposure_times(issue, policy.terms, is_resumed=True) is not None:
        return None
    return skipped


def why_not_at_once(issue: Issue, policy: Policy, status: OpenStatus, now: datetime) -> Skipped | None:
    """Why an issue that is due only by immediate mode is not closed after all, or None: nothing speaks against it.

    Who can connect is not asked again: severity rests on the last look. Only what the group opens now is judged again.
    `status` is what the group is open to now, or was when its change began.
    """
    due = due_by_retention(issue, policy.terms)
    if due is None or due <= now or decided_to_close(issue) or policy.terms.is_immediate_as(issue, status):
        return None
    text = f"due at {shown_time(due)}: {status.replace('_', ' ')} by now, which is not closed at once"
    return Skipped(SkipReason.NOT_DUE, text)
