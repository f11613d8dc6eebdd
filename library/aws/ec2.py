"""EC2, read only: security groups, managed prefix lists and regions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from library.aws.chunks import chunks
from library.network.addresses import Network, parse_network

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

GROUPS_A_PAGE = 1000  # DescribeSecurityGroups, MaxResults
VALUES_A_FILTER = 200  # EC2 API Reference, "Filter": values of all filters of a request
_PREFIX_LISTS_A_CALL = 100  # DescribeManagedPrefixLists, MaxResults


def security_group_pages(client: EC2Client, group_ids: Sequence[str] = ()) -> Iterator[list[dict[str, Any]]]:
    """The groups of a region as EC2 returns them, a page at a time.

    Args:
        client: for the account and region.
        group_ids: only these; those that do not exist are simply not among the answers. Empty: all groups.
    """
    paginator = client.get_paginator("describe_security_groups")
    for ids in chunks(group_ids, VALUES_A_FILTER) if group_ids else [()]:
        filters: Any = [{"Name": "group-id", "Values": list(ids)}] if ids else []
        for page in paginator.paginate(Filters=filters, PaginationConfig={"PageSize": GROUPS_A_PAGE}):
            yield page["SecurityGroups"]  # type: ignore[misc]


class PrefixListReader:
    """Reads managed prefix lists of one account and region, each once.

    Args:
        client: for the account and region.
    """

    def __init__(self, client: EC2Client) -> None:
        self._client = client
        self.entries: dict[str, tuple[Network, ...]] = {}
        """The entries of each list that could be read; none for a list that AWS owns, which does not count."""
        self._missing: set[str] = set()

    def read(self, prefix_list_ids: Iterable[str]) -> None:
        """Add these lists to `entries`; one that does not exist, or is not shared any more, stays out.

        Raises:
            ClientError: a list could not be read for another reason.
        """
        wanted = sorted(set(prefix_list_ids) - self.entries.keys() - self._missing)
        for ids in chunks(wanted, _PREFIX_LISTS_A_CALL):
            for prefix_list_id, owner in self._owners(ids).items():
                self.entries[prefix_list_id] = () if owner == "AWS" else self._entries(prefix_list_id)
            self._missing |= set(ids) - self.entries.keys()

    def _owners(self, ids: Sequence[str]) -> dict[str, str]:
        # A filter, unlike PrefixListIds, does not fail for all when one of them is gone.
        paginator = self._client.get_paginator("describe_managed_prefix_lists")
        return {
            listed["PrefixListId"]: listed["OwnerId"]
            for page in paginator.paginate(Filters=[{"Name": "prefix-list-id", "Values": list(ids)}])
            for listed in page["PrefixLists"]
        }

    def _entries(self, prefix_list_id: str) -> tuple[Network, ...]:
        paginator = self._client.get_paginator("get_managed_prefix_list_entries")
        return tuple(
            parse_network(entry["Cidr"])
            for page in paginator.paginate(PrefixListId=prefix_list_id)
            for entry in page["Entries"]
        )


def enabled_regions(client: EC2Client) -> list[str]:
    """The regions that are enabled in the client's account, sorted."""
    return sorted(region["RegionName"] for region in client.describe_regions()["Regions"])


def region_is_enabled(client: EC2Client, region: str) -> bool:
    """Whether the client's account has a region enabled. `client` is for a region that surely is."""
    answer = client.describe_regions(AllRegions=True, Filters=[{"Name": "region-name", "Values": [region]}])
    return any(found["OptInStatus"] != "not-opted-in" for found in answer["Regions"])
