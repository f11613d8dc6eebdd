"""The Inspector filter's calls to AWS: Classic's findings, the groups of a path, its records in the issue table."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from identification.errors import UnknownAccountError
from identification.inspector.delivery import FindingRecord, no_record
from identification.inspector.events import ClassicNotification
from identification.inspector.expected_ports import FilterDecision, decide_by_groups, needs_groups, without_groups
from identification.inspector.finding import Finding, parse_classic
from library.aws.conditional_writes import Check, Items
from library.aws.ec2 import PrefixListReader, groups_of_interfaces, security_group_pages
from library.aws.failures import AWS_ERRORS, chunks, error_code, explain
from library.errors import HammerError
from library.security_groups.group import ShapeError, parse_security_group

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_ec2 import EC2Client
    from types_boto3_inspector import InspectorClient

    from library.aws.session import Sessions
    from library.network.addresses import AddressSet

_log = logging.getLogger(__name__)

FINDINGS_A_CALL = 10  # DescribeFindings, findingArns


class DescribeError(HammerError):
    """Inspector Classic did not describe a finding that it had reported."""


def describe_classic(
    sessions: Sessions, notifications: Iterable[ClassicNotification]
) -> tuple[list[Finding], list[Exception]]:
    """Ask Inspector Classic what it has found, ten findings a call, each in its own account and region.

    Returns:
        The findings, each once; and what went wrong, one error for each finding or call that failed.
    """
    locations: dict[tuple[str, str], dict[str, None]] = {}
    for wanted in notifications:
        locations.setdefault((wanted.account_id, wanted.region), {})[wanted.finding_arn] = None
    findings: list[Finding] = []
    errors: list[Exception] = []
    for (account_id, region), by_arn in locations.items():
        for batch in chunks(list(by_arn), FINDINGS_A_CALL):
            try:
                client: InspectorClient = sessions.client("inspector", account_id, region)
                answer = client.describe_findings(findingArns=batch)
            except AWS_ERRORS as error:
                errors.append(error)
                continue
            described = [parse_classic(raw) for raw in answer["findings"]]
            findings += described
            failed = {arn: str(details.get("failureCode")) for arn, details in answer.get("failedItems", {}).items()}
            # What is neither described nor failed must not vanish either.
            returned = {finding.arn for finding in described}
            failed |= {arn: "not in the answer" for arn in batch if arn not in returned and arn not in failed}
            errors += [DescribeError(f"{arn}: {reason}") for arn, reason in failed.items()]
    return findings, errors


@dataclass(frozen=True, slots=True)
class PathReader:
    """Reads the security groups of findings' paths and of the interfaces in them, in their accounts and regions.

    Attributes:
        trusted: `trusted_cidrs`.
        check_account: raises `UnknownAccountError` for an account in which no role may be assumed. Its findings are
            published all the same: they came complete, and none may get lost. Unless given: in every account.
    """

    sessions: Sessions
    trusted: AddressSet
    check_account: Callable[[str], None] = lambda _: None

    def complete(self, decision: FilterDecision) -> FilterDecision:
        """The decision with what the groups say, or with a note that they could not be read."""
        if not needs_groups(decision, self.trusted):
            return decision
        finding = decision.finding
        try:
            self.check_account(finding.account_id)
            client: EC2Client = self.sessions.client("ec2", finding.account_id, finding.region)
            # The path names one group. EC2 lets in what any group of an interface admits.
            group_ids = tuple(dict.fromkeys((*finding.groups, *groups_of_interfaces(client, finding.interfaces))))
            groups = [parse_security_group(raw) for page in security_group_pages(client, group_ids) for raw in page]
            prefix_lists = PrefixListReader(client)
            prefix_lists.read(rule.prefix_list_id for group in groups for rule in group.ingress if rule.prefix_list_id)
        except AWS_ERRORS as error:
            return without_groups(decision, explain(error, self.sessions.role_arn(finding.account_id)))
        except (ShapeError, UnknownAccountError) as error:
            return without_groups(decision, str(error))
        return decide_by_groups(decision, group_ids, groups, prefix_lists.entries, self.trusted)


class FindingRecords:
    """The records of what was published, in the table of the issues."""

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._items = Items(client, table_name)
        self._table_name = table_name

    def read(self, account_id: str, issue_id: str) -> FindingRecord:
        """One record as it is now; `no_record` if there is none.

        Without a table nothing is remembered: findings are published more than once rather than not at all.
        """
        try:
            item = self._items.get(account_id, issue_id)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            _log.warning("table %s is missing: what was published is not remembered", self._table_name)
            return no_record(account_id, issue_id)
        return FindingRecord.from_item(item) if item else no_record(account_id, issue_id)

    def check_unchanged(self, record: FindingRecord) -> Check:
        """The condition that no other event of the finding was handled since the record was read or written."""
        if record.revision == 0:
            return Check(record.issue_id, "attribute_not_exists(#revision)", {})
        return Check(record.issue_id, "#revision = :revision_read", {":revision_read": record.revision})

    def write(self, record: FindingRecord) -> None:
        """Write a record that was made of the one with the revision before.

        Raises:
            ConflictError: somebody else wrote it meanwhile.
        """
        item = record.to_item()
        try:
            if record.revision == 1:
                self._items.put_new(item)
            else:
                del item["account_id"], item["issue_id"]
                before = {":before": record.revision - 1}
                self._items.update(
                    record.account_id, record.issue_id, item, condition="revision = :before", values=before
                )
        except ClientError as error:
            # A missing table is what `read` has warned of.
            if error_code(error) != "ResourceNotFoundException":
                raise
