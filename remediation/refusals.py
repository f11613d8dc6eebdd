"""Refusals of EC2 that stay: remembered with their reason, and not asked for again in every run.

Pure. Some answers of EC2 are the same tomorrow: a group that an AWS service manages (`OperationNotPermitted`), a group
without room for the rules that replace others, a policy that denies explicitly. To send the same calls in each run
writes a backup each time and changes nothing. So `remediation_details.refused` of the issue keeps

- `at`: when EC2 refused, ISO 8601 in UTC;
- `attempt`: a digest of what was to be changed, and of the group's rules then;
- `reason`: EC2's, for people.

An unattended run tries again when the group or its plan is another one, or after `TRIED_AGAIN_AFTER`: the policy or the
quota may have changed. A person who asks for it tries at once. A permission that is just missing is not remembered:
whoever grants it expects the next run to work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from library.issues.times import format_time, parse_time, shown_time
from library.security_groups.group import IngressRule
from remediation.journal import AddedRule
from remediation.plan import Plan
from remediation.rules import rule_key

TRIED_AGAIN_AFTER = timedelta(days=7)


def attempt_of(rules: Iterable[IngressRule], planned: object, withdraw: Iterable[AddedRule]) -> str:
    """A digest of what is to be changed in a group with these rules.

    Descriptions do not count: those of new rules have the day in them.

    Args:
        rules: the group's, with their ids.
        planned: the plan, or why there is none.
        withdraw: what is to be taken away again.
    """
    plan = planned if isinstance(planned, Plan) else Plan((), ())
    parts = [
        sorted(repr((rule.rule_id, tuple(rule_key(rule)))) for rule in rules),
        sorted(repr(tuple(rule_key(rule))) for rule in plan.add),
        sorted(rule.rule_id for rule in plan.revoke),
        sorted(added.rule.rule_id for added in withdraw),
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def refused_item(attempt: str, reason: str, now: datetime) -> dict[str, Any]:
    """The map `remediation_details.refused`."""
    return {"at": format_time(now), "attempt": attempt, "reason": reason}


def refused_before(details: Mapping[str, Any], attempt: str, now: datetime) -> str:
    """Why EC2 refused the same attempt lately; empty: it did not, or it is to be tried again.

    Args:
        details: `remediation_details` of the issue.
        attempt: the digest of what is to be done now.
        now: the time in UTC.
    """
    refused, until = details.get("refused"), tried_again(details)
    if not isinstance(refused, Mapping) or until is None or refused.get("attempt") != attempt:
        return ""
    # A time to come was not written by a run.
    return str(refused.get("reason") or "") if until - TRIED_AGAIN_AFTER <= now < until else ""


def tried_again(details: Mapping[str, Any]) -> datetime | None:
    """When what EC2 refused is tried again, if nothing changes before; None: nothing is remembered."""
    refused = details.get("refused")
    if not isinstance(refused, Mapping):
        return None
    try:
        at = parse_time(refused.get("at"))
        return at + TRIED_AGAIN_AFTER if at else None
    except (AttributeError, OverflowError, TypeError, ValueError):
        return None


def next_try(details: Mapping[str, Any], now: datetime) -> str:
    """When what EC2 refused is tried again, for the end of a line; empty: in the next run."""
    until = tried_again(details)
    if until is None or not until - TRIED_AGAIN_AFTER <= now < until:
        return ""
    return f" It is tried again when the group or its plan changes, at the latest after {shown_time(until)}."
