"""Whether what `--region` and `--group` name is there at all: a typing error must not look like a clean account."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from library.aws.issue_table import IssueTable, UnreadableIssueError
from library.aws.sdk_data import sdk_session
from library.jobs.command_line import NotThereError


def refuse_unknown_regions(
    asked_for: Iterable[str] | None, configured: Sequence[str] | None, seen: Iterable[str] = ()
) -> None:
    """Raise NotThereError if `--region` names a region that is not there.

    Args:
        asked_for: the option's values.
        configured: `aws.regions`; None: every region that the SDK knows counts as there.
        seen: further regions that count as there: those of which the table has something, say.
    """
    wanted = set(asked_for or ())
    if configured is not None and (unknown := sorted(wanted - {*configured, *seen})):
        raise NotThereError(f"not among the regions of the configuration (aws.regions): {', '.join(unknown)}")
    if wanted and (unknown := sorted(wanted - {*aws_regions(), *seen})):
        raise NotThereError(f"no region of AWS: {', '.join(unknown)}")


def aws_regions() -> set[str]:
    """The regions that this version of the SDK knows, of every partition."""
    # Not `get_available_regions`, which reads all of EC2's service model for no more than the service's name.
    endpoints = sdk_session().get_component("endpoint_resolver")
    return {
        region
        for partition in endpoints.get_available_partitions()
        for region in endpoints.get_available_endpoints("ec2", partition)
    }


def refuse_unknown_groups(asked_for: Iterable[str] | None, accounts: Iterable[str], table: IssueTable) -> None:
    """Raise NotThereError if `--group` names a group of which the table has no issue in these accounts.

    Raises:
        ClientError, BotoCoreError: the table could not be read.
    """
    if unknown := groups_without_issue(asked_for, accounts, table):
        raise NotThereError(f"the issue table has no issue of: {', '.join(unknown)}")


def groups_without_issue(asked_for: Iterable[str] | None, accounts: Iterable[str], table: IssueTable) -> list[str]:
    """Those of the groups of which the table has no issue, of whatever status, in these accounts.

    Raises:
        ClientError, BotoCoreError: the table could not be read.
    """
    searched = list(accounts)
    return [
        group_id
        for group_id in dict.fromkeys(asked_for or ())
        if not any(_has_issue(table, account_id, group_id) for account_id in searched)
    ]


def _has_issue(table: IssueTable, account_id: str, group_id: str) -> bool:
    try:
        return table.get(account_id, group_id) is not None
    except UnreadableIssueError:
        return True
