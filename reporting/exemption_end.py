"""The exemption that an issue is about: which one it is, and whether its end is near.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from library.issues.issue import SECURITY_GROUP, Issue, Status
from library.security_groups.exemptions import REMIND_DAYS, Exemption, applying, deciding, last_ended

_EXPOSED_BY_AN_END = timedelta(days=7)
"""How long after the end of an exemption a new occurrence is said to follow from it. Scans may fail for some time."""


def exemption_of(issue: Issue, exemptions: Sequence[Exemption], now: datetime) -> Exemption | None:
    """The exemption of an exempt issue, or the one whose end started the occurrence of an open one."""
    if issue.kind is not SECURITY_GROUP:
        return None
    about = (issue.issue_id, issue.details.vpc_id, issue.details.name)
    if issue.status is Status.WHITELISTED:
        return deciding(exemptions, *about, now.date())
    identified = issue.timestamps.identified
    if issue.status is not Status.OPEN or identified is None:
        return None
    over = last_ended(exemptions, *about, now.date())
    if over is None or over.expires is None:
        return None
    ended = datetime(over.expires.year, over.expires.month, over.expires.day, tzinfo=UTC)
    return over if ended <= identified < ended + _EXPOSED_BY_AN_END else None


def reminder_of_end(issue: Issue, exemption: Exemption | None, now: datetime) -> str:
    """The end of an exemption and the days before it, as in `Step.reminder_of_end`; empty: it is not near."""
    if issue.status is not Status.WHITELISTED or exemption is None or exemption.expires is None:
        return ""
    left = (exemption.expires - now.date()).days
    days = [days for days in REMIND_DAYS if left <= days]
    return f"{exemption.expires}, {min(days)} days" if days else ""


def is_exempt_in_part(issue: Issue, exemptions: Sequence[Exemption], now: datetime) -> bool:
    """Whether an exemption counts for the group of an open issue: what it covers is not in the issue."""
    if issue.kind is not SECURITY_GROUP or issue.status is not Status.OPEN:
        return False
    return bool(applying(exemptions, issue.issue_id, issue.details.vpc_id, issue.details.name, now.date()))
