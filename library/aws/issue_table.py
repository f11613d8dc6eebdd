"""The issues of the DynamoDB table: reading them, and writing what the jobs decide about them.

Every write is conditional on what it was decided on. Reads are strongly consistent: the indexes are local ones. Issues
that other tooling wrote lack the indexes' attribute; `backfill_index` adds it once a day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from library.aws.conditional_writes import REGION_INDEX, STATUS_INDEX, Items, WantedAttributes
from library.aws.decision_store import exemption_records
from library.aws.failures import name_missing_table
from library.errors import ConflictError, HammerError
from library.issues.issue import ISSUE_ID_PREFIXES, OTHER_JOBS_ATTRIBUTES, USE_BEFORE, Issue, Status
from library.issues.times import format_time, stored_time

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from library.aws.conditional_writes import Check
    from library.issues.decision_record import DecidedExemption, DecisionState
    from library.issues.reconcile import Change

_NO_SUCH_INDEX = ("does not have the specified index", "Invalid index")  # as DynamoDB and as emulators say it
_BRIEF = WantedAttributes(
    (
        *("account_id", "issue_id", "status", "issue_details", "timestamps", "revision", "occurrence"),
        *("jira_details", "slack_details", "webhook_details", "remediation_details", "use"),
        *("closing_notice", "exposures_told", "open_at_report", "change_news", "history"),
        *("decisions", "decision_state", "decision_version"),
    ),
    leave_out=("issue_details", "reachability", "paths"),
)
_TOO_LARGE = "maximum allowed size"  # as DynamoDB says it of an item, also in a transaction
_TICK = timedelta(microseconds=1)
JOURNAL_PREFIX = "journal#"
_AS_READ = "#status = :status_read AND (#revision = :revision_read OR attribute_not_exists(#revision))"


class UnreadableIssueError(HammerError):
    """An item is not as an issue should be: other tooling wrote it, say. Its text names the item and what is wrong.

    `region` is where its group is; empty: it does not tell.
    """

    def __init__(self, item: Mapping[str, Any], error: Exception) -> None:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        self.account_id, self.issue_id = str(item["account_id"]), str(item["issue_id"])
        details = item.get("issue_details")
        self.region = str(details.get("region") or "") if isinstance(details, Mapping) else ""
        super().__init__(
            f"{self.issue_id} in {self.account_id}: its item in the issue table is not as it should be: {reason}"
        )


Unreadable = Callable[[UnreadableIssueError], None]


class IssueTable:
    """One table of issues. Its `items` are all that Hammer keeps in it."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        name_missing_table(client, name)
        self.items = Items(client, name)

    def exposed(self, account_id: str, region: str, *, unreadable: Unreadable | None = None) -> dict[str, Issue]:
        """The open and whitelisted issues of one account and region, by group id. Reads nothing else.

        `unreadable` is called for each item that is not as an issue should be, instead of raising.

        Raises:
            UnreadableIssueError: one of them cannot be read, so that nobody knows them all.
        """
        found = self._query(account_id, REGION_INDEX, "open_region", region)
        return {issue.issue_id: issue for issue in _issues(found, unreadable)}

    def with_status(self, account_id: str, *statuses: Status, unreadable: Unreadable | None = None) -> Iterator[Issue]:
        """An account's issues in these statuses. Closed ones, of which there may be many, are read only if asked for.

        `unreadable` is called for each item that is not as an issue should be, instead of raising. With it all issues
        that are not closed are read, so that it hears of items with an unknown status, too; only issues in `statuses`
        are returned.

        Raises:
            UnreadableIssueError: an item is not as it should be, and no `unreadable` was given.
        """
        if unreadable is not None:
            yield from (issue for issue in self.not_closed(account_id, unreadable) if issue.status in statuses)
            statuses = tuple(status for status in statuses if status is Status.CLOSED)
        for status in statuses:
            yield from _issues(self.items_with_status(account_id, status), unreadable, check=True)

    def not_closed(self, account_id: str, unreadable: Unreadable, *, in_brief: bool = False) -> Iterator[Issue]:
        """An account's issues that are not closed. Closed ones, of which there may be many, are not read.

        `unreadable` is called for each item that is not as an issue should be, such as one with an unknown status.
        `in_brief` reads of each what tells whether there is something to report: who opened it, what uses the group,
        and the paths of its reachability are empty. `get_many` reads an issue as a whole.
        """
        wanted = _BRIEF if in_brief else None
        # All but the closed ones. A key condition has no "not equal": so what sorts after "closed", and what before.
        for comparison in (">", "<"):
            found = self._query(account_id, STATUS_INDEX, "status", Status.CLOSED, comparison=comparison, wanted=wanted)
            known = (item for item in found if str(item["issue_id"]).startswith(ISSUE_ID_PREFIXES))
            yield from _issues(known, unreadable, check=True)

    def items_with_status(self, account_id: str, status: Status, *, only: str = "") -> Iterator[dict[str, Any]]:
        """The items of an account's issues in a status, as they are; those alone for which `only` holds."""
        for item in self._query(account_id, STATUS_INDEX, "status", status, only=only):
            if str(item["issue_id"]).startswith(ISSUE_ID_PREFIXES):
                yield item

    def get(self, account_id: str, group_id: str, *, check: bool = True) -> Issue | None:
        """One issue, or None. Raises UnreadableIssueError on an item that is not as an issue should be."""
        return self.get_many(account_id, [group_id], check=check).get(group_id)

    def get_many(
        self,
        account_id: str,
        group_ids: Iterable[str],
        *,
        unreadable: Unreadable | None = None,
        check: bool = True,
    ) -> dict[str, Issue]:
        """The issues of these groups, in whatever status, by group id; those that there are none of are left out.

        `unreadable` is called for each item that is not as an issue should be, instead of raising. `check` also refuses
        values that identification would overwrite: leave it on wherever the issue is acted on.

        Raises:
            UnreadableIssueError: an item is not as an issue should be.
        """
        found = self.items.get_many(account_id, group_ids)
        return {issue.issue_id: issue for issue in _issues(found, unreadable, check=check)}

    def write(self, change: Change, *, seen: datetime | None = None, checks: Sequence[Check] = ()) -> None:
        """Carry out what identification decided.

        Args:
            change: what was decided. One that takes something away is written only if no scan has seen the group
                exposed since the issue was read.
            seen: when the scan that decided it began; None: it was no scan.
            checks: what must hold of other items, too.

        Raises:
            ConflictError: the issue is no longer as it was when this was decided, or a check does not hold.
        """
        issue, before = change.issue, change.before
        item = issue.to_item()
        if seen and issue.status.is_exposed:
            item["last_seen"] = _later(seen, before)
        if before is None:
            # The other jobs make these attributes themselves: identification may not write any of them.
            self.items.put_new(
                {name: value for name, value in item.items() if value or name not in OTHER_JOBS_ATTRIBUTES}, checks
            )
            return
        names = ["status", "issue_details", "revision"]
        names += ["timestamps", "occurrence"] if change.starts_occurrence else []
        optional = ("open_region", "opened_by", "used_by", "history", "looked_up", "last_seen", "open_at_report")
        names += [name for name in optional if name in item]
        sets = {name: item[name] for name in names}
        if not change.starts_occurrence:
            sets |= {f"timestamps.{name}": item["timestamps"][name] for name in ("updated", "resolved")}
        if change.starts_occurrence and before.use and (changed := before.timestamps.remediated):
            # It tells whom the change cut off that ended the last occurrence: the job `usage` may not have run since.
            sets[USE_BEFORE] = {"changed": format_time(changed), "use": before.use.to_item()}
        removes = [name for name in ("open_region", "opened_by", "open_at_report") if name not in item]
        # What flow logs showed of the last occurrence says nothing of this one.
        removes += ["use"] if change.starts_occurrence else []
        conditions = _as_last_seen(before) if change.takes_away else _as_read(before)
        try:
            self.items.update(issue.account_id, issue.issue_id, sets, removes=removes, checks=checks, **conditions)
        except ClientError as error:
            if _TOO_LARGE not in str(error) or sets.pop(USE_BEFORE, None) is None:
                raise
            # What is open matters more than whom a change cut off.
            removes.append(USE_BEFORE)
            self.items.update(issue.account_id, issue.issue_id, sets, removes=removes, checks=checks, **conditions)

    def record_seen(self, issue: Issue, seen: datetime) -> None:
        """Record that a scan which began then saw the group exposed as the table has it.

        Raises:
            ConflictError: the issue is no longer as it was read.
        """
        sets = {"last_seen": _later(seen, issue)}
        self.items.update(issue.account_id, issue.issue_id, sets, **_as_last_seen(issue))

    def index_issue(self, issue: Issue) -> None:
        """Make an issue that other tooling wrote known to `exposed`.

        Raises:
            ConflictError: the issue is no longer as it was read.
        """
        sets = {"open_region": issue.details.region, "revision": issue.revision + 1}
        self.items.update(issue.account_id, issue.issue_id, sets, **_as_read(issue))

    def close_resolved(self, issue: Issue, now: datetime) -> None:
        """Record that the ticket of a resolved issue is closed.

        Raises:
            ConflictError: the issue is no longer as it was read: found again, say.
        """
        sets = {"status": str(Status.CLOSED), "timestamps.closed": format_time(now), "revision": issue.revision + 1}
        self.items.update(issue.account_id, issue.issue_id, sets, **_as_read(replace(issue, status=Status.RESOLVED)))

    def write_decision(self, issue: Issue, state: DecisionState, exemption: Mapping[str, Any] | None = None) -> None:
        """Write what somebody decided about an issue, with the exemption that follows from it, or neither.

        `state` is what its item says about decisions from now on; its version is the one that was read. `exemption` is
        the item of a new exemption, or of one that ends.

        Raises:
            ConflictError: the issue, or what was decided about it, is no longer as it was read.
        """
        sets = replace(state, version=issue.decided.version + 1).to_item()
        read = _as_read(issue)
        version = issue.decided.version
        # Hammer writes no version 0; a row of other tooling may have it.
        unwritten = "" if version else "attribute_not_exists(#decision_version) OR "
        condition = f"{read['condition']} AND ({unwritten}#decision_version = :decided)"
        values = {**read["values"], ":decided": version}
        if exemption is None:
            self.items.update(issue.account_id, issue.issue_id, sets, condition=condition, values=values)
            return
        # One that ends is there already; its own end is what nobody else may have written.
        only_if = "attribute_exists(issue_id)" if exemption.get("ended") else "attribute_not_exists(issue_id)"
        only_if += " AND attribute_not_exists(#ended)"
        self.items.update_together(
            issue.account_id, issue.issue_id, sets, exemption, condition=condition, values=values, only_if=only_if
        )

    def decided_exemptions(self, account_id: str) -> list[DecidedExemption]:
        """The exemptions that people decided in an account, those that are over among them.

        Raises:
            UnreadableExemptionError: one is not as it should be. Nobody knows then what is exempt.
        """
        return list(exemption_records(self.items, account_id))

    def close_unwatched(self, issue: Issue, now: datetime) -> None:
        """Record that an issue is over whose account or region is not watched any more: nobody will resolve it.

        Raises:
            ConflictError: the issue is no longer as it was read.
        """
        sets = {"status": str(Status.CLOSED), "timestamps.closed": format_time(now), "revision": issue.revision + 1}
        self.items.update(issue.account_id, issue.issue_id, sets, removes=["open_region"], **_as_read(issue))

    def has_issues(self, account_id: str) -> bool:
        """Whether the table has an issue of an account, of whatever status."""
        return any(next(self.items.with_prefix(account_id, prefix), None) for prefix in ISSUE_ID_PREFIXES)

    def update(
        self,
        issue: Issue,
        sets: Mapping[str, Any],
        removes: Iterable[str] = (),
        *,
        only_if: str = "",
        values: Mapping[str, Any] | None = None,
    ) -> None:
        """Set a job's own attributes of an issue, in this occurrence of it.

        Args:
            issue: the issue as it was read.
            sets: attributes, or paths such as `timestamps.reported`, and their new values.
            removes: attributes, or paths, to remove.
            only_if: what else must hold of the item.
            values: of the placeholders in that.

        Raises:
            ConflictError: the issue is gone, or has a new occurrence, or the condition does not hold.
        """
        condition, as_read = "#occurrence = :occurrence_read", {":occurrence_read": issue.occurrence}
        if issue.occurrence == 0:  # written by other tooling, which knows nothing of occurrences
            condition, as_read = "attribute_exists(issue_id) AND attribute_not_exists(#occurrence)", {}
        if only_if:
            condition += f" AND {only_if}"
        given = {**as_read, **(values or {})}
        self.items.update(issue.account_id, issue.issue_id, sets, removes=removes, condition=condition, values=given)

    def journal(self, account_id: str, group_id: str) -> dict[str, Any]:
        """The journal of a group's newest change, which remediation keeps in an item of its own; empty: there is none.

        Its attribute has the name of the issue's, so that whoever may not write that one may not write this one either.
        """
        item = self.items.get(account_id, f"{JOURNAL_PREFIX}{group_id}") or {}
        found = item.get("remediation_details")
        return found if isinstance(found, dict) else {}

    def write_journal(
        self,
        account_id: str,
        group_id: str,
        details: Mapping[str, Any],
        *,
        only_if: str = "",
        values: Mapping[str, Any] | None = None,
    ) -> None:
        """Write `remediation_details` of the journal's item, which has the maximal size for itself: it is in no index.

        `only_if` is what must hold of the item, with `values` of its placeholders; empty: it is written in any case.

        Raises:
            ConflictError: the condition does not hold.
        """
        sets = {"remediation_details": dict(details)}
        self.items.update(account_id, f"{JOURNAL_PREFIX}{group_id}", sets, condition=only_if, values=values)

    def _query(
        self,
        account_id: str,
        index: str,
        attribute: str,
        value: str,
        *,
        comparison: str = "=",
        only: str = "",
        wanted: WantedAttributes | None = None,
    ) -> Iterator[dict[str, Any]]:
        """An account's items in an index; from the table itself where it was made without indexes.

        Local indexes cannot be added to a table, and one that other tooling made has none. Then all of the account's
        items are read.
        """
        values = {":account": account_id, ":value": str(value)}
        try:
            condition = f"account_id = :account AND #{attribute} {comparison} :value"
            yield from self.items.query(condition, values, index=index, only=only, wanted=wanted)
        except ClientError as error:
            if not any(phrase in str(error) for phrase in _NO_SUCH_INDEX):
                raise
            yield from _of_whole_table(self.items, values, index, comparison, only, wanted)


def _of_whole_table(
    items: Items, values: dict[str, Any], index: str, comparison: str, more: str, wanted: WantedAttributes | None
) -> Iterator[dict[str, Any]]:
    """What a query of an index would give.

    The table's own keys, `account_id` and `issue_id`, may be in the key condition alone: DynamoDB refuses a filter that
    names one (API Reference, Query, FilterExpression).
    """
    condition, only = "account_id = :account", f"#status {comparison} :value"
    if index == REGION_INDEX:
        condition += " AND begins_with(issue_id, :sg)"
        only = "#status IN (:open, :whitelisted) AND #issue_details.#region = :value"
        values = values | {":open": "open", ":whitelisted": "whitelisted", ":sg": "sg-"}
    yield from items.query(condition, values, only=f"{only} AND {more}" if more else only, wanted=wanted)


def _as_read(issue: Issue) -> dict[str, Any]:
    """The condition that an issue is as it was read."""
    return {
        "condition": _AS_READ,
        "values": {":revision_read": issue.revision, ":status_read": str(issue.status)},
    }


def _as_last_seen(issue: Issue) -> dict[str, Any]:
    """The condition that an issue is as it was read, and that no scan has seen the group exposed since."""
    found = _as_read(issue)
    if not issue.stored_last_seen:
        return {**found, "condition": f"{_AS_READ} AND attribute_not_exists(#last_seen)"}
    values = found["values"] | {":seen_read": issue.stored_last_seen[0]}
    return {"condition": f"{_AS_READ} AND #last_seen = :seen_read", "values": values}


def _later(seen: datetime, before: Issue | None) -> str | None:
    """When a group was last seen: never the same time twice, whatever the clocks of two scans show."""
    known = before.last_seen if before else None
    return format_time(seen if known is None else max(seen, known + _TICK))


def read_issue(item: Mapping[str, Any], *, check: bool = False) -> Issue:
    """Read an item. `check`: be strict about what identification would not mind, because it writes it anew.

    Raises:
        UnreadableIssueError: it is not as an issue should be.
    """
    try:
        issue = Issue.from_item(item)
        if check:
            issue.check()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnreadableIssueError(item, error) from error
    return issue


def _issues(
    items: Iterable[Mapping[str, Any]], unreadable: Unreadable | None, *, check: bool = False
) -> Iterator[Issue]:
    for item in items:
        try:
            issue = read_issue(item, check=check)
        except UnreadableIssueError as error:
            if unreadable is None:
                raise
            unreadable(error)
            continue
        yield issue


_ADOPTED = "adopted#issues"  # the id of the item that says when this was done for an account
_SEARCHED_AGAIN = timedelta(days=1)


def backfill_index(table: IssueTable, account_id: str, now: datetime) -> None:
    """Give an account's open issues that other tooling wrote the key of the index.

    All open issues of the account are searched for it, so it is done once a day, by the first of the scans of the
    account's regions, which come together: it marks that before it begins. The others go on without it. If it fails or
    ends early, what it left is done a day later. An issue that cannot be read is left as it is: the jobs name it.
    """
    marked = table.items.get(account_id, _ADOPTED) or {}
    last = stored_time(marked.get("searched"))
    if last is not None and now - last < _SEARCHED_AGAIN:
        return
    unchanged, read = "attribute_not_exists(#searched)", {}
    if "searched" in marked:
        unchanged, read = "#searched = :read", {":read": marked["searched"]}
    sets = {"adopted": True, "searched": format_time(now)}
    try:
        table.items.update(account_id, _ADOPTED, sets, condition=unchanged, values=read)
    except ConflictError:  # another scan does it
        return
    for status in (Status.OPEN, Status.WHITELISTED):
        for item in table.items_with_status(account_id, status, only="attribute_not_exists(#open_region)"):
            if str(item["issue_id"]).startswith("sg-"):
                with suppress(ConflictError, UnreadableIssueError):
                    table.index_issue(read_issue(item, check=True))
