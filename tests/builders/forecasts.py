"""What remediation will do, made without a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from library.issues.reachability import Severity
from library.issues.schedule import RemediationTerms
from reporting.plan import Forecast

WHOLE = frozenset({"open_completely"})


def a_forecast(
    *accounts: str,
    scope: frozenset[str] = WHOLE,
    retention: timedelta = timedelta(days=21),
    reminder_days: tuple[int, ...] = (),
    immediate: Mapping[str, frozenset[Severity]] | None = None,
    **terms: Any,
) -> Forecast:
    """Remediation of these accounts; without any it is off. `immediate`: by account, which severities."""

    def of(account_id: str) -> RemediationTerms:
        severities = (immediate or {}).get(account_id, frozenset())
        return RemediationTerms(retention, severities, is_on=account_id in accounts, scope=scope, **terms)

    return Forecast(of, "replace_rule", scope, retention, reminder_days)
