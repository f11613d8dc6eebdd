"""The exemptions that people decided, read from the issue table and put beside those of the file `whitelist`.

Whoever judges a group, or tells people about one, works with a configuration that went through
`with_decided_exemptions`: from then on an exemption of the table is one of the whitelist.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from library.aws.decision_store import UnreadableExemptionError, with_decided
from library.aws.failures import AWS_ERRORS, explain

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable
    from library.config.models import Configuration

_CONCURRENT_READS = 10  # of the sixteen connections that a client keeps


def with_decided_exemptions(
    config: Configuration, table: IssueTable, accounts: Iterable[str] | None = None
) -> Configuration:
    """The same configuration with the exemptions of the table. It has to know its accounts.

    `accounts` are those whose exemptions are needed; None: every account that is scanned or remediated.

    Raises:
        UnreadableExemptionError: one is not as it should be. Nobody knows then what is exempt.
    """
    wanted = accounts if accounts is not None else (*config.scanned_accounts(), *config.remediation_accounts())
    unique = tuple(dict.fromkeys(wanted))
    with ThreadPoolExecutor(_CONCURRENT_READS) as pool:
        found = dict(zip(unique, pool.map(table.decided_exemptions, unique), strict=True))
    listed = dict(config.whitelist.secgrp_unrestricted_access)
    listed |= {
        account_id: with_decided(listed.get(account_id, ()), decided)
        for account_id, decided in found.items()
        if decided
    }
    whitelist = config.whitelist.model_copy(update={"secgrp_unrestricted_access": listed})
    return config.model_copy(update={"whitelist": whitelist})


def with_readable_exemptions(
    config: Configuration, table: IssueTable, accounts: Iterable[str] | None = None
) -> tuple[Configuration, str]:
    """The same for a command that also works without the table: where it cannot be read, it says so, and goes on.

    Where there is no table, nothing was decided.

    Returns:
        The configuration, and one line that says that the exemptions of the table are unknown, and why; empty: they are
        known.
    """
    try:
        return with_decided_exemptions(config, table, accounts), ""
    except (UnreadableExemptionError, *AWS_ERRORS) as error:
        if isinstance(error, ClientError) and error.response["Error"]["Code"] == "ResourceNotFoundException":
            return config, ""
        reason = explain(error)
    return config, f"what people decided to exempt is not known, and counts as not exempt here: {reason}"
