"""The scan of `hammer scan`: what to look at, then every account and region, several at a time.

`plan_scan` says which targets, and by which measure: as the configuration says, or the caller's own account. `scan`
looks at them as the identification Lambda does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from queue import Empty, SimpleQueue

from hammer.listing.issue import (
    Failed,
    ListedIssue,
    Listing,
    ListingContext,
    ListingSource,
    Scanned,
    context_of,
    default_context,
    listed_detection,
)
from identification.scan import DeniedByPolicyError, RegionOffError, RegionScan, scan_region
from library.aws.ec2 import enabled_regions, security_group_pages
from library.aws.failures import AWS_ERRORS, explain
from library.aws.session import Sessions, sdk_client, sdk_session
from library.config import DEFAULT_RESTRICTED_PORTS, Configuration, load_configuration
from library.config.decided_exemptions import with_readable_exemptions
from library.jobs.command_line import NotThereError, accounts_named, open_table, refuse_unknown_regions
from library.network.addresses import AddressSet
from library.security_groups.exposure import Evaluator

_DEFAULT_REGION = "us-east-1"  # where STS and DescribeRegions are asked when the environment names no region


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """What will be looked at.

    Attributes:
        known: what the configuration tells of any group.
        targets: accounts and regions.
        asked_for: whether the regions were named by the caller, so that one that is off is a failure.
        config: the configuration; None: there is none.
        note: what is not known of exemptions, on one line; empty: everything is known.
    """

    sessions: Sessions
    evaluator: Evaluator
    known: ListingContext
    targets: Sequence[tuple[str, str]]
    asked_for: bool
    config: Configuration | None = None
    note: str = ""


def plan_scan(uri: str | None, accounts: Sequence[str], regions: Sequence[str], today: date) -> ScanPlan:
    """What to look at.

    Args:
        uri: what `--config` says. None: what HAMMER_CONFIG says; without it the caller's own account, whatever
            folder this is started in.
        accounts: only these; empty: all.
        regions: only these; empty: all.
        today: the day in UTC.

    Raises:
        ConfigurationError: the configuration cannot be read or is wrong.
        NotThereError: an account or a region is not there.
        ClientError, BotoCoreError: AWS did not tell who calls or which regions there are.
    """
    uri = uri or os.environ.get("HAMMER_CONFIG")
    if not uri:
        return _for_caller(accounts, regions, today)
    return _for_configuration(load_configuration(uri), accounts, regions, today)


def measure(uri: str | None, today: date) -> tuple[Evaluator, ListingContext]:
    """By which measure groups are judged that are not there yet: as the configuration says, or the usual one.

    The configuration is what `--config` or HAMMER_CONFIG names. `./config`, to which other commands fall back, is not
    read.

    Raises:
        ConfigurationError: the configuration cannot be read or is wrong.
    """
    uri = uri or os.environ.get("HAMMER_CONFIG")
    if not uri:
        return Evaluator(DEFAULT_RESTRICTED_PORTS, AddressSet()), default_context(today)
    config = load_configuration(uri)
    section = config.secgrp_unrestricted_access
    return Evaluator(section.restricted_ports, section.trusted_cidrs), context_of(config, today)


def _for_configuration(config: Configuration, accounts: Sequence[str], regions: Sequence[str], today: date) -> ScanPlan:
    aws, section = config.aws, config.secgrp_unrestricted_access
    refuse_unknown_regions(regions, aws.regions)
    access = open_table(config, aws.role_name_identification)
    sessions, config = access.sessions, access.config
    scanned = config.scanned_accounts()
    accounts = accounts_named(accounts, scanned)
    # A deployment's table may have exemptions that people decided.
    config, note = with_readable_exemptions(config, access.table, dict.fromkeys(accounts or scanned))
    # Only where it is needed: another call.
    enabled = lru_cache(lambda: enabled_regions(sessions.client("ec2")))

    def of_account(account_id: str) -> Sequence[str]:
        own = aws.regions_of(account_id)
        if own is None:
            return regions or enabled()
        return [region for region in own if region in regions] if regions else own

    chosen = dict.fromkeys(accounts or scanned)
    targets = [(account_id, region) for account_id in chosen for region in dict.fromkeys(of_account(account_id))]
    if chosen and (unknown := sorted(set(regions) - {region for _, region in targets})):
        raise NotThereError(f"not among the regions of these accounts (aws.regions): {', '.join(unknown)}")
    return ScanPlan(
        sessions,
        Evaluator(section.restricted_ports, section.trusted_cidrs),
        context_of(config, today),
        targets,
        asked_for=bool(regions),
        config=config,
        note=note,
    )


def _for_caller(accounts: Sequence[str], regions: Sequence[str], today: date) -> ScanPlan:
    refuse_unknown_regions(regions, None)
    base = sdk_session()
    home = base.get_config_variable("region") or _DEFAULT_REGION
    caller = sdk_client(base, "sts", home).get_caller_identity()["Account"]
    if unknown := sorted(set(accounts) - {caller}):
        raise NotThereError(
            f"your credentials are for account {caller}; other accounts need a configuration: {', '.join(unknown)}"
        )
    sessions = Sessions(caller, home, role_name="", base=base)
    wanted = regions or enabled_regions(sessions.client("ec2"))
    return ScanPlan(
        sessions,
        Evaluator(DEFAULT_RESTRICTED_PORTS, AddressSet()),
        default_context(today),
        [(caller, region) for region in dict.fromkeys(wanted)],
        asked_for=bool(regions),
    )


_CONCURRENT_SCANS = 8
_LONGEST_WAIT_S = 0.5  # before an interrupt is looked for


@dataclass(slots=True)
class _Seen:
    scanned: list[Scanned] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    unjudged: list[Failed] = field(default_factory=list)
    issues: list[ListedIssue] = field(default_factory=list)
    judged: int = 0  # groups


def scan(plan: ScanPlan, group_ids: Sequence[str], now: datetime, advance: Callable[[str], None]) -> Listing:
    """Scan every target of a plan, and call `advance` with a target's name when it is done.

    Without `group_ids` all groups are described. A KeyboardInterrupt cancels what has not begun and is raised at once;
    calls that are under way are not waited for.

    Raises:
        NotThereError: everything could be read, and one of the groups is nowhere.
    """

    def scan(target: tuple[str, str]) -> RegionScan:
        account_id, region = target
        exemptions = plan.known.exemptions(account_id)
        return scan_region(plan.sessions, account_id, region, plan.evaluator, exemptions, now.date(), group_ids)

    seen = _Seen()
    pool = ThreadPoolExecutor(_CONCURRENT_SCANS)
    try:
        running = {pool.submit(scan, target): target for target in plan.targets}
        for done in _completed(running):
            account_id, region = running.pop(done)  # its result is not kept
            advance(f"{account_id} {region}")
            _add(seen, plan, account_id, region, done, now)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    # AWS is asked again only if the count says so.
    if group_ids and not seen.failed and seen.judged < len(set(group_ids)):
        wanted = [(row.account_id, row.region) for row in seen.scanned if row.groups]
        refuse_missing_groups(plan, wanted, group_ids)
    return Listing(
        source=ListingSource.SCAN,
        generated=now,
        issues=tuple(sorted(seen.issues, key=lambda i: (i.account_id, i.details.region, i.group_id))),
        scanned=tuple(sorted(seen.scanned, key=lambda row: (row.account_id, row.region))),
        failed=tuple(sorted(seen.failed, key=lambda row: (row.account_id, row.region))),
        whitelisted=sum(row.whitelisted for row in seen.scanned),
        unjudged=tuple(sorted(seen.unjudged, key=lambda row: (row.account_id, row.region))),
    )


def _completed(running: Collection[Future[RegionScan]]) -> Iterator[Future[RegionScan]]:
    """The scans in the order in which they end.

    `as_completed` waits without end: a Ctrl-C just before its wait would not be seen until the next scan ends.
    """
    ended: SimpleQueue[Future[RegionScan]] = SimpleQueue()
    for scan in list(running):
        scan.add_done_callback(ended.put)
    for _ in range(len(running)):
        while True:
            try:
                done = ended.get(timeout=_LONGEST_WAIT_S)
            except Empty:
                continue
            break
        yield done


def _add(seen: _Seen, plan: ScanPlan, account_id: str, region: str, done: Future[RegionScan], now: datetime) -> None:
    name = plan.known.account_name(account_id)
    try:
        scan = done.result()
    except RegionOffError as error:
        if plan.asked_for:
            seen.failed.append(Failed(account_id, region, str(error), name))
        return
    except DeniedByPolicyError as error:
        # Nobody else would name it here: aws.regions can leave it out for this account.
        seen.failed.append(Failed(account_id, region, str(error), name))
        return
    except AWS_ERRORS as error:
        seen.failed.append(Failed(account_id, region, explain(error, plan.sessions.role_arn(account_id)), name))
        return
    seen.judged += scan.groups - scan.shared
    whitelisted = sum(detection.whitelisted for detection in scan.detections)
    seen.scanned.append(Scanned(account_id, name, region, scan.groups, whitelisted, now))
    if scan.note:
        seen.unjudged.append(Failed(account_id, region, scan.note, name, is_partial=True))
    if scan.problem:
        reason = "; ".join(filter(None, [f"not understood: {scan.problem}", scan.incomplete]))
        seen.failed.append(Failed(account_id, region, reason, name, is_partial=True))
    seen.issues += [listed_detection(detection, plan.known) for detection in scan.detections]


def refuse_missing_groups(plan: ScanPlan, targets: Iterable[tuple[str, str]], group_ids: Iterable[str]) -> None:
    """Raise NotThereError if one of the groups is of none of these accounts and regions.

    A group that another account shares is that account's.

    Raises:
        ClientError, BotoCoreError: AWS did not tell.
    """
    missing = set(group_ids)
    for account_id, region in targets:
        if missing:
            pages = security_group_pages(plan.sessions.client("ec2", account_id, region), sorted(missing))
            missing -= {
                group["GroupId"] for page in pages for group in page if group.get("OwnerId", account_id) == account_id
            }
    if missing:
        raise NotThereError(f"there is no security group {', '.join(sorted(missing))} where this looked")
