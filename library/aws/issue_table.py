"""The DynamoDB table of issues, and of what Hammer keeps beside them.

Every write is conditional on what it was decided on. Reads are strongly consistent: the indexes are local ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from library.aws.missing_table import name_missing_table
from library.issues import scan_coverage
from library.issues.issue import Issue, Status
from library.issues.kinds import ISSUE_ID_PREFIXES
from library.issues.times import format_time

if TYPE_CHECKING:
    from datetime import datetime

    from types_boto3_dynamodb import DynamoDBClient

    from library.issues.reconcile import Change
    from library.issues.scan_coverage import ScanCoverage

STATUS_INDEX = "by_status"  # account_id, status
REGION_INDEX = "by_open_region"  # account_id, open_region: issues that are open or whitelisted

TIME_TO_LIVE_ATTRIBUTE = "expires_at"  # seconds since 1970; DynamoDB deletes the item after it. Issues have none.

TABLE_DEFINITION: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("account_id", "issue_id", "status", "open_region")
    ],
    "KeySchema": [
        {"AttributeName": "account_id", "KeyType": "HASH"},
        {"AttributeName": "issue_id", "KeyType": "RANGE"},
    ],
    "LocalSecondaryIndexes": [
        {
            "IndexName": index,
            "KeySchema": [
                {"AttributeName": "account_id", "KeyType": "HASH"},
                {"AttributeName": attribute, "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
        for index, attribute in ((STATUS_INDEX, "status"), (REGION_INDEX, "open_region"))
    ],
}
"""The table as CreateTable takes it, but for its name."""

_BATCH_GET_LIMIT = 100
_NO_SUCH_INDEX = ("does not have the specified index", "Invalid index")  # as DynamoDB and as emulators say it
_ADOPTED = "adopted#issues"  # the id of the item that says that an account's issues from other tooling are known


class ConflictError(Exception):
    """Somebody else changed the item since it was read: read again and decide again."""


class UnreadableIssueError(Exception):
    """An item is not as an issue should be: other tooling wrote it, say. Its text names the item and what is wrong.

    Attributes:
        region: where its group is; empty: it does not tell.
    """

    def __init__(self, item: Mapping[str, Any], error: Exception) -> None:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        self.account_id, self.issue_id = str(item["account_id"]), str(item["issue_id"])
        details = item.get("issue_details")
        self.region = str(details.get("region") or "") if isinstance(details, Mapping) else ""
        super().__init__(
            f"{self.issue_id} in {self.account_id}: its item in the issue table is not as it should be: {reason}"
        )


class IssueTable:
    """One table.

    Args:
        client: for DynamoDB, in the main account and region.
        name: the table's name.
    """

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        name_missing_table(client, name)
        self._client = client
        self._name = name
        self._serialize = TypeSerializer().serialize
        self._deserialize = TypeDeserializer().deserialize

    def exposed(self, account_id: str, region: str) -> dict[str, Issue]:
        """The open and whitelisted issues of one account and region, by group id. Reads nothing else.

        Raises:
            UnreadableIssueError: one of them cannot be read, so that nobody knows them all.
        """
        return {
            issue.issue_id: issue for issue in map(_issue, self._query(account_id, REGION_INDEX, "open_region", region))
        }

    def with_status(
        self,
        account_id: str,
        *statuses: Status,
        unreadable: Callable[[UnreadableIssueError], None] | None = None,
    ) -> Iterator[Issue]:
        """An account's issues in these statuses, one status after the other. Reads no others.

        Args:
            account_id: the account.
            statuses: the statuses.
            unreadable: called for each item that is not as an issue should be, instead of raising.

        Raises:
            UnreadableIssueError: an item is not as it should be, and nobody is to be told.
        """
        for status in statuses:
            for item in self._query(account_id, STATUS_INDEX, "status", status):
                if not str(item["issue_id"]).startswith(ISSUE_ID_PREFIXES):
                    continue
                try:
                    issue = _issue(item, check=True)
                except UnreadableIssueError as error:
                    if unreadable is None:
                        raise
                    unreadable(error)
                    continue
                yield issue

    def get(self, account_id: str, group_id: str) -> Issue | None:
        """One issue, or None."""
        return self.get_many(account_id, [group_id]).get(group_id)

    def get_many(self, account_id: str, group_ids: Iterable[str]) -> dict[str, Issue]:
        """The issues of these groups, in whatever status, by group id; those that there are none of are left out.

        Raises:
            UnreadableIssueError: an item is not as an issue should be.
        """
        found: dict[str, Issue] = {}
        # BatchGetItem refuses a key that is named twice.
        wanted = [self._key(account_id, group_id) for group_id in dict.fromkeys(group_ids)]
        while wanted:
            batch, wanted = wanted[:_BATCH_GET_LIMIT], wanted[_BATCH_GET_LIMIT:]
            answer = self._client.batch_get_item(RequestItems={self._name: {"Keys": batch, "ConsistentRead": True}})
            for raw in answer["Responses"].get(self._name, ()):
                issue = _issue(self._item(raw))
                found[issue.issue_id] = issue
            # At most 16 MB come at a time (BatchGetItem, UnprocessedKeys): the rest goes to the end of the queue.
            wanted.extend(answer["UnprocessedKeys"].get(self._name, {"Keys": []})["Keys"])
        return found

    def write(self, change: Change) -> None:
        """Carry out what identification decided.

        Raises:
            ConflictError: the issue is no longer as it was when this was decided.
        """
        issue, before = change.issue, change.before
        item = issue.to_item()
        if before is None:
            self._put_new(item)
            return
        sets = {"#status": item["status"], "issue_details": item["issue_details"], "revision": issue.revision}
        if change.starts_occurrence:
            sets |= {"timestamps": item["timestamps"], "occurrence": issue.occurrence}
        else:
            sets |= {f"timestamps.{name}": item["timestamps"][name] for name in ("updated", "resolved")}
        if issue.status.is_exposed:
            sets["open_region"] = item["open_region"]
        if issue.opened_by:
            sets["opened_by"] = item["opened_by"]
        self._update(
            self._key(issue.account_id, issue.issue_id),
            sets,
            removes=[name for name in ("open_region", "opened_by") if name not in sets],
            condition=_REVISION_HOLDS,
            values={":revision_read": before.revision, ":status_read": str(before.status)},
        )

    def close(self, issue: Issue, now: datetime) -> None:
        """Record that the ticket of a resolved issue is closed.

        Raises:
            ConflictError: the issue is no longer as it was read: found again, say.
        """
        self._update(
            self._key(issue.account_id, issue.issue_id),
            {
                "#status": str(Status.CLOSED),
                "timestamps.closed": format_time(now),
                "revision": issue.revision + 1,
            },
            condition=_REVISION_HOLDS,
            values={":revision_read": issue.revision, ":status_read": str(Status.RESOLVED)},
        )

    def update(self, issue: Issue, sets: Mapping[str, Any]) -> None:
        """Set a job's own attributes of an issue, in this occurrence of it.

        Args:
            issue: the issue as it was read.
            sets: attributes, or paths such as `timestamps.reported`, and their new values.

        Raises:
            ConflictError: the issue is gone, or has a new occurrence.
        """
        key = self._key(issue.account_id, issue.issue_id)
        if issue.occurrence == 0:  # written by other tooling, which knows nothing of occurrences
            self._update(key, dict(sets), condition="attribute_exists(issue_id) AND attribute_not_exists(occurrence)")
            return
        self._update(
            key,
            dict(sets),
            condition="occurrence = :occurrence_read",
            values={":occurrence_read": issue.occurrence},
        )

    def record_coverage(self, scan: ScanCoverage) -> None:
        """Keep what a scan saw, unless a scan that began later is kept already.

        The time of the last complete scan stays if this one is not complete.
        """
        sets = scan.to_item()
        if scan.outcome is scan_coverage.Outcome.COMPLETE:
            sets["last_complete"] = sets["started"]
        # Two scans of a region overlap when one is slow: the slow one knows less.
        with suppress(ConflictError):
            self._update(
                self._key(scan.account_id, f"{scan_coverage.ITEM_PREFIX}{scan.region}"),
                sets,
                condition="attribute_not_exists(issue_id) OR #started <= :started",
                values={":started": sets["started"]},
            )

    def coverage(self, account_id: str) -> Iterator[scan_coverage.ScanCoverage]:
        """The newest scan of each region of an account."""
        for item in self._pages(
            KeyConditionExpression="account_id = :account AND begins_with(issue_id, :prefix)",
            ExpressionAttributeValues=self._values({":account": account_id, ":prefix": scan_coverage.ITEM_PREFIX}),
        ):
            yield scan_coverage.ScanCoverage.from_item(item)

    def adopt(self, account_id: str) -> None:
        """Make issues that other tooling wrote known to `exposed`: once for each account, whose open ones are read.

        They lack the key of its index. One that cannot be read is left as it is: the jobs name it.
        """
        marker = self._key(account_id, _ADOPTED)
        if "Item" in self._client.get_item(TableName=self._name, Key=marker, ConsistentRead=True):
            return
        for status in (Status.OPEN, Status.WHITELISTED):
            for item in self._query(account_id, STATUS_INDEX, "status", status):
                if "open_region" in item or not str(item["issue_id"]).startswith("sg-"):
                    continue
                with suppress(ConflictError, UnreadableIssueError):
                    issue = _issue(item, check=True)
                    self._update(
                        self._key(account_id, issue.issue_id),
                        {"open_region": issue.details.region, "revision": issue.revision + 1},
                        condition=_REVISION_HOLDS,
                        values={":revision_read": issue.revision, ":status_read": str(status)},
                    )
        with suppress(ConflictError):
            self._update(marker, {"adopted": True}, condition="attribute_not_exists(issue_id)")

    def _query(self, account_id: str, index: str, attribute: str, value: str) -> Iterator[dict[str, Any]]:
        """An account's items in an index; from the table itself where it was made without indexes.

        Local indexes cannot be added to a table, and one that other tooling made has none. Then all of the account's
        items are read.
        """
        try:
            yield from self._pages(
                IndexName=index,
                KeyConditionExpression="account_id = :account AND #attribute = :value",
                ExpressionAttributeNames={"#attribute": attribute},
                ExpressionAttributeValues=self._values({":account": account_id, ":value": str(value)}),
            )
        except ClientError as error:
            if not any(phrase in str(error) for phrase in _NO_SUCH_INDEX):
                raise
            yield from self._in_table(account_id, index, value)

    def _in_table(self, account_id: str, index: str, value: str) -> Iterator[dict[str, Any]]:
        every: dict[str, Any] = {"KeyConditionExpression": "account_id = :account"}
        if index == STATUS_INDEX:
            yield from self._pages(
                **every,
                FilterExpression="#status = :value",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues=self._values({":account": account_id, ":value": str(value)}),
            )
            return
        values = {":account": account_id, ":value": value, ":open": "open", ":whitelisted": "whitelisted"}
        yield from self._pages(
            **every,
            FilterExpression="#status IN (:open, :whitelisted) AND begins_with(#id, :sg) AND #details.#region = :value",
            ExpressionAttributeNames={
                "#status": "status",
                "#id": "issue_id",
                "#details": "issue_details",
                "#region": "region",
            },
            ExpressionAttributeValues=self._values(values | {":sg": "sg-"}),
        )

    def _pages(self, **query: Any) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator("query").paginate(TableName=self._name, ConsistentRead=True, **query):
            for raw in page["Items"]:
                yield self._item(raw)

    def _put_new(self, item: dict[str, Any]) -> None:
        try:
            self._client.put_item(
                TableName=self._name,
                Item=self._values(item),
                ConditionExpression="attribute_not_exists(issue_id)",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            raise ConflictError(item["issue_id"]) from error

    def _update(
        self,
        key: dict[str, Any],
        sets: dict[str, Any],
        *,
        removes: Iterable[str] = (),
        condition: str = "",
        values: Mapping[str, Any] | None = None,
    ) -> None:
        """UpdateItem, with a placeholder for every name and value: both may be reserved words or hostile text."""
        names: dict[str, str] = {"#status": "status"}
        assignments, all_values = [], dict(values or {})
        for number, (path, value) in enumerate(sets.items()):
            assignments.append(f"{_placeholders(path, names)} = :v{number}")
            all_values[f":v{number}"] = value
        expression = "SET " + ", ".join(assignments)
        if removes:
            expression += " REMOVE " + ", ".join(_placeholders(path, names) for path in removes)
        arguments: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        if "#status" not in expression + condition:
            del names["#status"]
        try:
            self._client.update_item(
                TableName=self._name,
                Key=key,
                UpdateExpression=expression,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=self._values(all_values),
                **arguments,
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            raise ConflictError(key["issue_id"]["S"]) from error

    def _key(self, account_id: str, issue_id: str) -> dict[str, Any]:
        return {"account_id": {"S": account_id}, "issue_id": {"S": issue_id}}

    def _values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._serialize(value) for name, value in values.items()}

    def _item(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._deserialize(value) for name, value in raw.items()}


def _issue(item: Mapping[str, Any], *, check: bool = False) -> Issue:
    """Read an item. `check`: be strict about what identification would not mind, because it writes it anew."""
    try:
        issue = Issue.from_item(item)
        if check:
            issue.check()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnreadableIssueError(item, error) from error
    return issue


_REVISION_HOLDS = "#status = :status_read AND (revision = :revision_read OR attribute_not_exists(revision))"


def _placeholders(path: str, names: dict[str, str]) -> str:
    """A document path with a placeholder for each of its steps, which are added to `names`."""
    steps = []
    for step in path.removeprefix("#").split("."):
        names[f"#{step}"] = step
        steps.append(f"#{step}")
    return ".".join(steps)
