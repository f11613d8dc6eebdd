"""One look at one account and region: describe, judge, and say how complete the look was.

The identification Lambda and `hammer scan` both look this way; only what they do with the result differs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from identification.reachability.attach import with_reachability
from library.aws.ec2 import PrefixListReader, read_security_groups, region_is_enabled
from library.aws.failures import REGION_MAY_BE_OFF, error_code
from library.errors import HammerError
from library.issues.issue import IssueDetails
from library.issues.reconcile import Detection

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

    from library.aws.session import Sessions
    from library.network.addresses import Network
    from library.security_groups.exemptions import Exemption
    from library.security_groups.exposure import Evaluator, Opening
    from library.security_groups.group import GroupPage, SecurityGroup


_PROBLEMS_NAMED = 20  # an item of the table has room for 400 KB, a person for less


class RegionOffError(HammerError):
    """The account has not enabled the region: there is nothing to look at."""


@dataclass(slots=True)
class RegionScan:
    """What a look at an account and region showed.

    Attributes:
        groups: how many groups were read.
        detections: the exposed ones.
        unreadable: of groups with rules that could not be understood, the reasons, by group id. Whether these
            are fixed cannot be told.
        notes: what of the network and of what uses the groups could not be read, one line each. The groups themselves
            were.
        nameless: of groups that came without an id, the reasons. Each could be any group.
        incomplete: why the answer cannot be all that there is; empty: it can.
        shown: the groups that the caller asked to keep, by id, as EC2 showed them.
        entries: of the prefix lists that were read.
        versions: of the same lists; 0 while a list is being changed.
    """

    groups: int = 0
    detections: list[Detection] = field(default_factory=list)
    unreadable: dict[str, tuple[str, ...]] = field(default_factory=dict)
    nameless: list[str] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    incomplete: str = ""
    shown: dict[str, SecurityGroup] = field(default_factory=dict)
    entries: Mapping[str, tuple[Network, ...]] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)

    @property
    def problem(self) -> str:
        """What was not understood, on one line; empty: everything was. Of many groups, the first few."""
        reasons = self.nameless + [f"{group_id}: {', '.join(why)}" for group_id, why in self.unreadable.items()]
        return "; ".join(first_few(reasons))

    def tells_about(self, group_id: str) -> bool:
        """Whether a group that is not among the detections is known to expose nothing, or to be gone."""
        return group_id not in self.unreadable and not self.nameless and not self.incomplete


def first_few(reasons: Sequence[str]) -> list[str]:
    """As many reasons as one line has room for, and how many more there are."""
    more = [f"and {len(reasons) - _PROBLEMS_NAMED} more"] if len(reasons) > _PROBLEMS_NAMED else []
    return [*reasons[:_PROBLEMS_NAMED], *more]


def scan_region(
    sessions: Sessions,
    account_id: str,
    region: str,
    evaluator: Evaluator,
    exemptions: Sequence[Exemption],
    today: date,
    group_ids: Sequence[str] = (),
    owner_keys: frozenset[str] | None = None,
    keep: Collection[str] = (),
) -> RegionScan:
    """Describe the groups of an account and region and judge them, a page at a time; then who can connect to them.

    Args:
        sessions: where the clients come from.
        account_id: the account.
        region: the region.
        evaluator: judges a group.
        exemptions: the account's.
        today: the day in UTC, for exemptions that expire.
        group_ids: look at these only; empty: at all.
        owner_keys: the keys of tags that tell an owner, in lower case; None: what uses the groups is not read.
        keep: ids of groups that the result keeps as EC2 showed them.

    Raises:
        RegionOffError: the account has not enabled the region.
        ClientError, BotoCoreError: anything that could not be read, after the SDK's retries.
    """
    client: EC2Client = sessions.client("ec2", account_id, region)
    scan = RegionScan()
    prefix_lists = PrefixListReader(client)
    openings: dict[str, Sequence[Opening]] = {}
    try:
        for page in read_security_groups(client, group_ids):
            scan.shown |= {group.group_id: group for group in page.groups if group.group_id in keep}
            openings |= _judge_page(scan, page, evaluator, exemptions, today, prefix_lists, account_id, region)
            del page  # it is let go before the next one is read
    except ClientError as error:
        # Without the region being asked about elsewhere, a region that is off looks like wrong credentials.
        if error_code(error) in REGION_MAY_BE_OFF and not region_is_enabled(sessions.client("ec2", account_id), region):
            raise RegionOffError(f"region {region} is not enabled in account {account_id}") from error
        raise
    scan.entries, scan.versions = prefix_lists.entries, prefix_lists.versions
    scan.detections, scan.notes = with_reachability(
        scan.detections,
        openings,
        lambda service: sessions.client(service, account_id, region),
        prefix_lists,
        whole_region=not group_ids,
        owner_keys=owner_keys,
    )
    return scan


def _judge_page(
    scan: RegionScan,
    page: GroupPage,
    evaluator: Evaluator,
    exemptions: Sequence[Exemption],
    today: date,
    prefix_lists: PrefixListReader,
    account_id: str,
    region: str,
) -> dict[str, Sequence[Opening]]:
    """Add the groups of a page to a scan. Returns what the exposed ones open, by group id."""
    openings: dict[str, Sequence[Opening]] = {}
    scan.groups += len(page.groups) + len(page.nameless)
    scan.nameless += page.nameless
    for group in page.groups:
        if group.owner_id not in ("", account_id):
            # Shared by another account (AWS RAM): its rules are that account's, and so is the issue.
            continue
        prefix_lists.read(evaluator.prefix_lists_named(group))
        evaluation = evaluator.evaluate(group, prefix_lists.entries, exemptions, today)
        if evaluation.unreadable:
            scan.unreadable[group.group_id] = evaluation.unreadable
        if evaluation.exposures:
            details = IssueDetails(
                name=group.name,
                region=region,
                vpc_id=group.vpc_id,
                status=evaluation.status,
                tags=group.tags,
                perms=evaluation.exposures,
            )
            scan.detections.append(Detection(account_id, group.group_id, details, evaluation.whitelisted))
            openings[group.group_id] = evaluation.openings
    return openings
