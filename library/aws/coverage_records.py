"""What was last seen of each account and region, kept beside the issues in their table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from library.aws.conditional_writes import ConflictError
from library.issues.scan_coverage import ITEM_PREFIX, Outcome, ScanCoverage

if TYPE_CHECKING:
    from library.aws.conditional_writes import Items


class CoverageRecords:
    """Scan coverage in one table.

    Args:
        items: the issue table.
    """

    def __init__(self, items: Items) -> None:
        self._items = items

    def record(self, scan: ScanCoverage) -> None:
        """Keep what a scan saw, unless a scan that began later is kept already.

        What the last complete scan saw stays if this one is not complete.
        """
        sets = scan.to_item()
        if scan.outcome is Outcome.COMPLETE:
            sets |= {"last_complete": sets["started"], "last_groups": sets["groups"]}
        # Two scans of a region overlap when one is slow: the slow one knows less.
        with suppress(ConflictError):
            self._items.update(
                scan.account_id,
                f"{ITEM_PREFIX}{scan.region}",
                sets,
                condition="attribute_not_exists(issue_id) OR #started <= :started",
                values={":started": sets["started"]},
            )

    def of_account(self, account_id: str) -> Iterator[ScanCoverage]:
        """The newest scan of each region of an account."""
        condition = "account_id = :account AND begins_with(issue_id, :prefix)"
        for item in self._items.query(condition, {":account": account_id, ":prefix": ITEM_PREFIX}):
            yield ScanCoverage.from_item(item)

    def last_groups(self, account_id: str, region: str) -> int:
        """How many groups the last complete scan of an account and region read; 0: there was none."""
        item = self._items.get(account_id, f"{ITEM_PREFIX}{region}") or {}
        if "last_groups" in item:
            return int(item["last_groups"])
        # Written by a version that did not keep this number.
        return int(item["groups"]) if item.get("outcome") == str(Outcome.COMPLETE) else 0
