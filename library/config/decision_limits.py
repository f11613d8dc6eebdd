"""What a configuration says about decisions of people: limits, and who may decide what. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from library.issues.decision_rules import Limits, Rights

if TYPE_CHECKING:
    from library.config.models import Configuration

OWNER = "owner"
"""In the lists of `decisions`: the owner of the issue."""

ASSIGNEE = "assignee"
"""In `jira.decision_accounts`: whom the ticket is assigned to."""


def limits_of(config: Configuration, account_id: str) -> Limits:
    """The limits of decisions about issues of an account."""
    section = config.secgrp_unrestricted_access
    return Limits(
        remediation=section.remediation,
        remediated=account_id in config.remediation_accounts(),
        exempt_days=config.decisions.exempt_days,
        restricted=section.restricted_ports,
    )


def rights_of(config: Configuration, is_one_of: Callable[[Sequence[str]], bool], *, decides: bool) -> Rights:
    """What somebody may do.

    Args:
        config: the configuration.
        is_one_of: whether the person is one of a list of the section `decisions`.
        decides: whether the person may decide, apart from extending and restoring.
    """
    section = config.decisions
    return Rights(decides=decides, extends=is_one_of(section.allow_extend), restores=is_one_of(section.allow_restore))


def rights_by_name(config: Configuration, names: Sequence[str], *, decides: bool) -> Rights:
    """What somebody may do whom the lists name by one of these names or ids. Nobody is called `owner`."""
    own = {name for name in names if name and name != OWNER}
    return rights_of(config, lambda listed: bool(own.intersection(listed)), decides=decides)
