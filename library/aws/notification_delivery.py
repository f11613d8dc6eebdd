"""Brings what remediation did to one channel once, whichever runs are at it: a claim first, and a record afterwards.

    delivery = NewsDelivery(table, issue, news, Channel.SLACK, now)
    if delivery.begin():
        send()
        delivery.done()  # or `give_back`, where the channel did not take it

The claim (`library.issues.claims`) is written on the condition that it is still as it was read and that the channel was
not told since. Of a remediation run and a reporting run one gets it; the other leaves the news to it. In a ticket the
comment's marker is looked for between reading and `begin`, so that what a run wrote that died then is found.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from library.aws.failures import AWS_ERRORS, explain
from library.errors import ConflictError
from library.issues.change_notifications import ChangeNotification, Channel
from library.issues.claims import claimed_at, is_held, new_claim, released

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable
    from library.issues.issue import Issue

_log = logging.getLogger(__name__)


class NotificationDelivery:
    """One thing that happened to a group, and one channel.

    Args:
        table: keeps the record.
        issue: the group's issue.
        notification: what happened, as it is recorded in the table.
        channel: where it is told.
        now: the clock, in UTC.
        not_recorded: called with what the table said where it did not take the claim, or the record. What was not
            claimed is told by the next reporting run.
    """

    def __init__(
        self,
        table: IssueTable,
        issue: Issue,
        notification: ChangeNotification,
        channel: Channel,
        now: Callable[[], datetime],
        not_recorded: Callable[[Issue, Exception], None],
    ) -> None:
        self._table, self._issue, self._notification, self._channel, self._now = (
            table,
            issue,
            notification,
            channel,
            now,
        )
        self._not_recorded = not_recorded
        self._claim = ""

    @property
    def delivered_to(self) -> tuple[str, ...]:
        """The destinations that an earlier run told, while others could not be told."""
        return self._notification.delivered_to

    def begin(self) -> bool:
        """Claim it. False: it was told since it was read, another run is telling it, or it could not be claimed."""
        as_read, now = self._notification.claim(self._channel), self._now()
        if is_held(claimed_at(as_read), now):
            return False
        mine = new_claim(now)
        claim, notified = (
            f"#change_news.#{self._notification.key}.#{name}" for name in (self._claim_name, self._notified_name)
        )
        # The claim may be ours already (`:mine`): botocore sends a write again whose answer was lost.
        unclaimed = f"{claim} = :as_read" if as_read else f"attribute_not_exists({claim})"
        try:
            self._table.update(
                self._issue,
                {f"change_news.{self._notification.key}.{self._claim_name}": mine},
                only_if=f"{notified} = :untold AND ({unclaimed} OR {claim} = :mine)",
                values={":untold": False, ":mine": mine, **({":as_read": as_read} if as_read else {})},
            )
        except ConflictError:
            return False
        except AWS_ERRORS as error:
            self._not_recorded(self._issue, error)
            return False
        self._claim = mine
        return True

    def done(self) -> None:
        """Record that the channel was told, or has nobody to tell."""
        path = f"change_news.{self._notification.key}"
        names = [self._claim_name, *(["heard"] if self._channel is Channel.SLACK else [])]
        removes = [f"{path}.{name}" for name in names]
        try:
            self._table.update(self._issue, {f"{path}.{self._notified_name}": True}, removes=removes)
        except (ConflictError, *AWS_ERRORS) as error:
            self._not_recorded(self._issue, error)

    def give_back(self, delivered_to: Iterable[str] = ()) -> None:
        """Let the next run tell it: the channel did not take it, as far as is known.

        Where that cannot be recorded, the next run waits until the claim is over.

        Args:
            delivered_to: the destinations that were told.
        """
        if not self._claim:
            return
        path = f"change_news.{self._notification.key}"
        sets: dict[str, Any] = {f"{path}.{self._claim_name}": released(self._claim)}
        if notified := sorted({*delivered_to, *self._notification.delivered_to}):
            sets[f"{path}.heard"] = notified
        claim = f"#change_news.#{self._notification.key}.#{self._claim_name}"
        try:
            self._table.update(self._issue, sets, only_if=f"{claim} = :mine", values={":mine": self._claim})
        except (ConflictError, *AWS_ERRORS) as error:
            _log.warning(
                "%s: %s is not told before its claim is over: %s", self._issue.location, self._channel, explain(error)
            )

    @property
    def _claim_name(self) -> str:
        return f"claim_{self._channel}"

    @property
    def _notified_name(self) -> str:
        return f"in_{self._channel}"
