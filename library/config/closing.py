"""When remediation closes the issues of an account, by a configuration. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from library.issues.issue import ClosingTerms
from library.issues.reachability import Severity

if TYPE_CHECKING:
    from library.config.models import Configuration
    from library.config.problems import Location

EVERY_ACCOUNT = "*"
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_SECTION, _KEY = "secgrp_unrestricted_access", "remediation_immediate"


def closing_terms(config: Configuration, account_id: str) -> ClosingTerms:
    """The retention period, and the severities for which immediate mode is on in an account.

    An account's own entry counts in place of that of `*`, also if it is empty.
    """
    section = config.secgrp_unrestricted_access
    named = section.remediation_immediate
    severities = named.get(account_id, named.get(EVERY_ACCOUNT, ()))
    return ClosingTerms(
        timedelta(days=section.remediation_retention_period),
        frozenset(map(Severity, severities)),
        reaches_people=config.jira.enabled or config.slack.enabled,
    )


def unknown_accounts(file: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """The accounts of `remediation_immediate` that the file `config` names nowhere else, each with what is wrong.

    Args:
        file: the file as it was read. What else is wrong with it is for the models to say.
    """
    aws, section = file.get("aws"), file.get(_SECTION)
    if not isinstance(aws, Mapping) or not isinstance(section, Mapping):
        return
    immediate, accounts = section.get(_KEY), aws.get("accounts")
    if not isinstance(immediate, Mapping) or not isinstance(accounts, Mapping):
        return
    listed = [str(section.get(name) or "") for name in ("accounts", "remediation_accounts")]
    named = {str(account) for account in (*accounts, aws.get("main_account_id"))}
    named.update(*(_ACCOUNT_ID.findall(text) for text in listed))
    for account in map(str, immediate):
        # A key that is no account id at all is the models' to name.
        if _ACCOUNT_ID.fullmatch(account) and account not in named:
            yield (_SECTION, _KEY, account), "is not one of aws.accounts"
