"""What the jobs of the host cost over an organization: reporting, and remediation of one group in each account."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.measure import CONFIG, Command, Report, calls, served

_ACCOUNTS = 1000
_CHANGED = 100
_ENDPOINT = "tests.bench.host_endpoint"


def host(report: Report) -> None:
    """Measure both jobs."""
    accounts = {f"{number:012}": f"a{number}" for number in range(1, _ACCOUNTS + 1)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _configure(folder, accounts, reporting=True)
        for issues, closed in ((100, 90), (100, 0)):
            with served(_ENDPOINT, issues, _CHANGED, closed) as address:
                cost = _job("report", folder, address).run()
                counted = calls(address)
            left = _ACCOUNTS * issues * (100 - closed) // 100
            report.heading(
                f"Reporting: {_ACCOUNTS:,} accounts, {_ACCOUNTS * issues:,} issues, {left:,} not closed, "
                f"{_CHANGED} changed, 8 ms a call"
            )
            report.figure("wall s", cost.wall, 15)
            report.figure("CPU s", cost.cpu)
            report.figure("peak MiB", cost.memory)
            # The exemptions that people decided, what is before "closed" in the index and what is after it; and once
            # more where there is something new.
            reads = (counted["Query"] + counted["BatchGetItem"]) / _ACCOUNTS
            report.figure("reads of the table an account", reads, 3 + _CHANGED / _ACCOUNTS)
            report.figure("writes of the table a changed issue", counted["UpdateItem"] / _CHANGED)
        _configure(folder, accounts, remediation=True, remediation_limit_per_run=_ACCOUNTS)
        with served(_ENDPOINT, 1, 0, 0) as address:
            cost = _job("remediate", folder, address, "--batch").run()
            counted = calls(address)
    report.heading(f"Remediation: one group in each of {_ACCOUNTS:,} account-regions, 8 ms a call")
    report.figure("groups that were closed", counted["RevokeSecurityGroupIngress"])
    report.figure("peak MiB", cost.memory, 150)
    report.figure("file descriptors at once", cost.descriptors, 200)
    report.figure("CPU, ms a group", cost.cpu * 1000 / _ACCOUNTS)
    report.figure("calls of STS an account", counted["AssumeRole"] / _ACCOUNTS, 1)


def _configure(folder: Path, accounts: dict[str, str], **section: Any) -> None:
    config = {
        "aws": {**CONFIG["aws"], "accounts": accounts, "s3_backup_bucket": "bench"},
        "secgrp_unrestricted_access": {**CONFIG["secgrp_unrestricted_access"], **section},
    }
    Path(folder, "config.json").write_text(json.dumps(config))


def _job(name: str, folder: Path, address: str, *options: str) -> Command:
    arguments = [sys.executable, "-m", "hammer", name, "--config", str(folder), *options]
    return Command(arguments, {"AWS_ENDPOINT_URL": address, "AWS_DEFAULT_REGION": "eu-west-1"})
