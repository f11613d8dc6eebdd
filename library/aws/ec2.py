"""EC2, read only: security groups, managed prefix lists and regions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from botocore.parsers import ResponseParserError

from library.aws.chunks import chunks
from library.aws.collector import collector_paused
from library.network.addresses import Network, parse_network
from library.security_groups.group import GroupPage, IngressRule, ShapeError, parse_page, parse_rule
from library.security_groups.xml_answer import read_answer

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

GROUPS_A_PAGE = 1000  # DescribeSecurityGroups, MaxResults
RULES_A_PAGE = 1000  # DescribeSecurityGroupRules, MaxResults
VALUES_A_FILTER = 200  # EC2 API Reference, "Filter": values of all filters of a request
_PREFIX_LISTS_A_CALL = 100  # DescribeManagedPrefixLists, MaxResults
_BEFORE_PARSE = "before-parse.ec2.DescribeSecurityGroups"  # an older botocore has none


def security_group_pages(client: EC2Client, group_ids: Sequence[str] = ()) -> Iterator[list[dict[str, Any]]]:
    """The groups of a region as EC2 returns them, a page at a time: every attribute, for a backup.

    Args:
        client: for the account and region.
        group_ids: only these; those that do not exist are simply not among the answers. Empty: all groups.
    """
    paginator = client.get_paginator("describe_security_groups")
    for ids in chunks(group_ids, VALUES_A_FILTER) if group_ids else [()]:
        filters: Any = [{"Name": "group-id", "Values": list(ids)}] if ids else []
        for page in paginator.paginate(Filters=filters, PaginationConfig={"PageSize": GROUPS_A_PAGE}):
            if "SecurityGroups" not in page:
                raise ResponseParserError("the answer to DescribeSecurityGroups holds no list of groups")
            yield _only(ids, page["SecurityGroups"])


def _only(group_ids: Sequence[str], page: Any) -> Any:
    """A page without groups that were not asked for: an emulator may not know the filter."""
    if not group_ids:
        return page
    wanted = frozenset(group_ids)
    if isinstance(page, GroupPage):
        return page._replace(groups=tuple(group for group in page.groups if group.group_id in wanted))
    return [raw for raw in page if raw.get("GroupId") in wanted or not raw.get("GroupId")]


def read_security_groups(client: EC2Client, group_ids: Sequence[str] = ()) -> Iterator[GroupPage]:
    """The groups of a region as values, a page at a time: what a scan looks at.

    botocore signs, retries, pages and reads errors. An answer with groups is read from its XML
    (`library.security_groups.xml_answer`). Where botocore has no such event, groups come as dictionaries and
    give the same values.

    Args:
        client: for the account and region. Its other calls are not affected.
        group_ids: only these; those that do not exist are simply not among the answers. Empty: all groups.
    """
    client.meta.events.register(_BEFORE_PARSE, _read_xml, unique_id="hammer-read-xml")
    pages = security_group_pages(client, group_ids)
    while True:
        token = _reading_xml.set(True)
        try:
            page: Any = next(pages, None)
        finally:
            _reading_xml.reset(token)
        if page is None:
            return
        yield page if isinstance(page, GroupPage) else parse_page(page)


# Whether the answer that a client waits for is to be read from XML: other callers of the same client get dictionaries.
_reading_xml: ContextVar[bool] = ContextVar("_reading_xml", default=False)


def _read_xml(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Handler of botocore's `before-parse`: take the groups out of the body before botocore parses the rest of it."""
    if not _reading_xml.get() or response_dict["status_code"] != 200:
        return
    with collector_paused:
        answer = read_answer(response_dict["body"])
    if answer is not None:
        response_dict["body"] = answer.rest
        customized_response_dict["SecurityGroups"] = answer.page


def read_rules(client: EC2Client, group_ids: Sequence[str]) -> dict[str, dict[str, IngressRule | None]]:
    """The rules of groups by their ids, which DescribeSecurityGroups does not tell.

    Args:
        client: for the account and region.
        group_ids: the groups.

    Returns:
        By group id and rule id the ingress rules; None in place of an egress rule, and of one of an unknown shape.
    """
    found: dict[str, dict[str, IngressRule | None]] = {group_id: {} for group_id in group_ids}
    for ids in chunks(group_ids, VALUES_A_FILTER):
        for page in client.get_paginator("describe_security_group_rules").paginate(
            Filters=[{"Name": "group-id", "Values": list(ids)}], PaginationConfig={"PageSize": RULES_A_PAGE}
        ):
            for raw in page.get("SecurityGroupRules", ()):
                if raw.get("GroupId") in found and raw.get("SecurityGroupRuleId"):
                    found[raw["GroupId"]][raw["SecurityGroupRuleId"]] = _ingress(raw)
    return found


def _ingress(raw: Mapping[str, Any]) -> IngressRule | None:
    with suppress(ShapeError):
        return None if raw.get("IsEgress") else parse_rule(raw)
    return None


def security_groups_named(client: EC2Client, names: Sequence[str]) -> dict[str, str]:
    """The groups with these names in the default VPC, name to id. EC2 means those where a call gives a name alone.

    Args:
        client: for the account and region.
        names: the names.
    """
    default: Any = [{"Name": "is-default", "Values": ["true"]}]
    vpcs = [vpc["VpcId"] for vpc in client.describe_vpcs(Filters=default)["Vpcs"] if vpc.get("IsDefault")]
    found: dict[str, str] = {}
    for some in chunks(names, VALUES_A_FILTER - 1) if vpcs else ():
        filters: Any = [{"Name": "vpc-id", "Values": vpcs}, {"Name": "group-name", "Values": list(some)}]
        for page in client.get_paginator("describe_security_groups").paginate(Filters=filters):
            # A filter's value may have wildcards, and an emulator may not know the filter.
            found |= {
                raw["GroupName"]: raw["GroupId"]
                for raw in page["SecurityGroups"]
                if raw["GroupName"] in some and raw.get("VpcId") in vpcs
            }
    return found


class PrefixListReader:
    """Reads managed prefix lists of one account and region, each once.

    Args:
        client: for the account and region.
    """

    def __init__(self, client: EC2Client) -> None:
        self._client = client
        self.entries: dict[str, tuple[Network, ...]] = {}
        """The entries of each list that could be read; none for a list that AWS owns, which does not count."""
        self.versions: dict[str, int] = {}
        """The version of each list that could be read; 0 while it is being changed, and its entries may be old."""
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
        owners: dict[str, str] = {}
        for page in paginator.paginate(Filters=[{"Name": "prefix-list-id", "Values": list(ids)}]):
            for listed in page["PrefixLists"]:
                owners[listed["PrefixListId"]] = listed["OwnerId"]
                is_changing = listed.get("State", "").endswith("-in-progress")
                self.versions[listed["PrefixListId"]] = 0 if is_changing else listed.get("Version", 0)
        return owners

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
