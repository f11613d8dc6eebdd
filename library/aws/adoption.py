"""Issues that other tooling wrote: making them known to the index that identification reads."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from library.aws.conditional_writes import ConflictError
from library.aws.issue_table import UnreadableIssueError, read_issue
from library.issues.issue import Status

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable

_ADOPTED = "adopted#issues"  # the id of the item that says that this was done for an account


def adopt(table: IssueTable, account_id: str) -> None:
    """Give an account's open issues that other tooling wrote the key of the index. Done once for each account.

    One that cannot be read is left as it is: the jobs name it.
    """
    if table.items.get(account_id, _ADOPTED):
        return
    for status in (Status.OPEN, Status.WHITELISTED):
        for item in table.items_with_status(account_id, status):
            if "open_region" in item or not str(item["issue_id"]).startswith("sg-"):
                continue
            with suppress(ConflictError, UnreadableIssueError):
                table.adopt(read_issue(item, check=True))
    with suppress(ConflictError):
        table.items.put_new({"account_id": account_id, "issue_id": _ADOPTED, "adopted": True})
