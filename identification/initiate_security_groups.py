"""Lambda `hammer-initiate-security-groups`: a message for each scan target, all at once.

Environment: `HAMMER_CONFIG` (the configuration's folder or `s3://` place), `SNS_ARN` (the topic to publish to),
`SCAN_INTERVAL_MINUTES` (how often this runs: then it logs how many targets were not scanned for three intervals).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from identification.messages import publish
from identification.runtime import Runtime, start
from library.aws.records import CoverageRecords
from library.issues.scan_coverage import STALE_INTERVALS

_log = logging.getLogger(__name__)

_CONCURRENT_READS = 8
_NAMED = 50  # of the stale targets, in a line of the log


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, int]:
    """Publish one message for each account and region to look at. Any event starts it.

    Returns:
        `{"published": N}`.

    Raises:
        ConfigurationError: the configuration cannot be read or is wrong.
        PublishError: at least one message was not accepted. Those that were are on their way: a retry sends them
            again, which is harmless.
    """
    runtime = start(context)
    section = runtime.config.secgrp_unrestricted_access
    if not section.enabled:
        _log.info("secgrp_unrestricted_access is not enabled: nothing to do")
        return {"published": 0}
    targets = [
        {"account_id": account_id, "account_name": name, "region": region}
        for account_id, name in runtime.scanned_accounts().items()
        for region in runtime.scanned_regions(account_id)
    ]
    topic_arn = os.environ["SNS_ARN"]
    publish(runtime.sessions.client("sns", region=topic_arn.split(":")[3]), topic_arn, targets)
    _log.info("published", extra={"messages": len(targets)})
    if interval := runtime.scan_interval():
        _log_stale(runtime, targets, STALE_INTERVALS * interval)
    return {"published": len(targets)}


def _log_stale(runtime: Runtime, targets: Sequence[Mapping[str, str]], limit: timedelta) -> None:
    """Log how many targets have not been scanned for so long, and how many never: deployment's alarms count them."""
    accounts = sorted({target["account_id"] for target in targets})
    oldest = runtime.now() - limit

    def last_scans(account_id: str) -> dict[tuple[str, str], datetime | None]:
        return {
            (scan.account_id, scan.region): scan.last_scan
            for scan in CoverageRecords(runtime.table.items).of_account(account_id)
        }

    with ThreadPoolExecutor(_CONCURRENT_READS) as pool:
        known = {location: at for locations in pool.map(last_scans, accounts) for location, at in locations.items()}
    locations = [(target["account_id"], target["region"]) for target in targets]
    never = [location for location in locations if known.get(location) is None]
    stale = [location for location in locations if (at := known.get(location)) and at < oldest]
    _log.log(
        logging.WARNING if stale else logging.INFO,
        "scan coverage",
        extra={
            "stale_scan_targets": len(stale),
            "never_scanned_targets": len(never),
            "stale": [" ".join(location) for location in stale[:_NAMED]],
            "never_scanned": [" ".join(location) for location in never[:_NAMED]],
        },
    )
