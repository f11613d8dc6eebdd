"""The kinds of issues, and all in which they differ for the table and the jobs.

Pure. The prefix of an issue's id tells its kind. The text of each kind is in `reporting`; how to add a kind is in
docs/adding-an-issue-type.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from library.issues.details import FindingDetails, IssueDetails


@dataclass(frozen=True, slots=True)
class IssueKind:
    """One kind of issue.

    Attributes:
        name: what an issue of this kind is about.
        id_prefix: what its `issue_id` begins with.
        details: the type of its details.
        index_prefix: what `open_region` has before the region. A look at a region resolves the issues that are indexed
            under the region alone, so only the kind that such a look finds has no prefix.
        has_users: whether network interfaces use it, whose owners a ticket names.
        is_remediated: whether remediation closes it.
    """

    name: str
    id_prefix: str
    details: type[IssueDetails]
    index_prefix: str = ""
    has_users: bool = False
    is_remediated: bool = False

    def open_region(self, region: str) -> str:
        """The value of `open_region`, the key of the index of exposed issues."""
        return self.index_prefix + region


SECURITY_GROUP = IssueKind("security group", "sg-", IssueDetails, has_users=True, is_remediated=True)
INSPECTOR_FINDING = IssueKind("Amazon Inspector finding", "finding-", FindingDetails, index_prefix="inspector ")

KINDS = (SECURITY_GROUP, INSPECTOR_FINDING)
ISSUE_ID_PREFIXES = tuple(kind.id_prefix for kind in KINDS)
"""Records of the table under other ids are no issues."""


def kind_of(issue_id: str) -> IssueKind:
    """The kind of an issue.

    Raises:
        ValueError: no kind has such ids.
    """
    for kind in KINDS:
        if issue_id.startswith(kind.id_prefix):
            return kind
    raise ValueError(f"{issue_id} is not the id of an issue")
