"""What a deployment costs a month, worked out from the numbers of calls, invocations and items. Pure.

`python -m deployment.cost` prints the table of deployment/README.md, which a test holds against it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# US dollars, eu-west-1, on demand, without the free tier, as AWS's price pages said in 2025; look before you budget.
LAMBDA_GB_SECOND = 0.0000133334  # arm64
LAMBDA_REQUEST = 0.20e-6
SNS_REQUEST = 0.50e-6  # 64 KB of what PublishBatch sends
SQS_REQUEST = 0.40e-6
IDLE_POLLS = (
    5 * 3 * 60 * 730
)  # a month: Lambda's five pollers of a queue ask every 20 s, whether it holds messages or not
DYNAMODB_WRITE = 0.705e-6  # a write unit: 1 KB
DYNAMODB_READ = 0.141e-6  # a read unit: 4 KB, strongly consistent
LOGS_GB = 0.57
ALARM = 0.10
METRIC = 0.30
KEY = 1.00
SECRET = 0.40
HOST = 0.0092 * 730 + 8 * 0.088 + 0.005 * 730  # t4g.micro, 8 GB of gp3, a public IPv4 address

HOURS = 730

# What was measured (docs/performance.md): CPU seconds of one whole core.
# From the start of the process to the end of a look at 20 groups, 2 of them exposed, from the zip with Python 3.13:
# 1.22 times importing boto3, which takes 0.19 s on the machine that the bounds are for.
COLD_START_CPU = 0.23
# Of a warm function, each target, with two new issues to write: 37 ms.
LOOK_CPU = 0.04
# What a look waits for AWS: a new TLS connection to another region's EC2 (three round trips) and its answer, and four
# calls of DynamoDB in the function's own region, or seven where there are new issues. Taken from AWS's usual latencies,
# not measured.
LOOK_WAIT = 0.75
MEMORY_GB = 1.0
CPU_SHARE = 1024 / 1769  # of a core that 1,024 MB get (AWS Lambda Developer Guide, "Configure memory")
# As deployed: messages of a batch, targets of it looked at together, batches looked at at once.
BATCH, LOOKS_AT_ONCE, BATCHES_AT_ONCE = 10, 5, 20


@dataclass(frozen=True, slots=True)
class Estate:
    """What is looked at.

    Attributes:
        regions: of each account.
        groups: in each account and region.
        open_issues: of each account, over all regions.
        scans_an_hour: of each account and region.
    """

    accounts: int
    regions: int = 17
    groups: int = 20
    open_issues: int = 5
    scans_an_hour: float = 1.0


def batch_seconds() -> float:
    """How long a warm function takes for a full batch: its CPU at the share that its memory gets, or its waits."""
    return max(BATCH * LOOK_CPU / CPU_SHARE, BATCH / LOOKS_AT_ONCE * (LOOK_WAIT + LOOK_CPU / CPU_SHARE))


def monthly(estate: Estate) -> dict[str, float]:
    """US dollars a month, by what they are for."""
    runs = estate.scans_an_hour * HOURS
    targets = estate.accounts * estate.regions
    scans = targets * runs
    batches = math.ceil(targets / BATCH)
    # An hour later no function is warm any more, and what Lambda spends on a start is billed like the rest.
    cold = min(batches, BATCHES_AT_ONCE) * COLD_START_CPU / CPU_SHARE
    # Whether the account's issues are adopted, the region's issues of about 2 KB each, the newest look: a unit or more.
    issues_kb = 2 * estate.open_issues / estate.regions
    # Initiation reads every account's coverage: 300 bytes a region.
    coverage_units = max(1.0, estate.regions * 0.3 / 4)
    return {
        "Lambda": runs
        * (
            (batches * batch_seconds() + cold + estate.accounts * 0.01) * MEMORY_GB * LAMBDA_GB_SECOND
            + batches * LAMBDA_REQUEST
        ),
        "SNS and SQS": scans * SNS_REQUEST / BATCH + (scans + 2 * runs * batches + IDLE_POLLS) * SQS_REQUEST,
        "DynamoDB": scans * (2 * DYNAMODB_WRITE + (2 + max(1.0, issues_kb / 4)) * DYNAMODB_READ)
        + runs * estate.accounts * coverage_units * DYNAMODB_READ,
        "Logs": scans * 0.6e-6 * LOGS_GB,  # a line of 500 bytes a target, and Lambda's own three a batch
        "Host": HOST,
        "Alarms, metrics, key, secrets": 9 * ALARM + 3 * METRIC + KEY + 2 * SECRET,
    }


def immediate() -> float:
    """US dollars a month that `immediate_remediation` adds: a poll and three log lines a minute, alarms, a metric."""
    polls = 60 * HOURS
    return polls * (SQS_REQUEST + 0.6e-6 * LOGS_GB) + 3 * ALARM + METRIC


def table() -> str:
    """The costs for 10, 100 and 1,000 accounts, as a table in Markdown."""
    sizes = (10, 100, 1000)
    costs = [monthly(Estate(accounts)) for accounts in sizes]
    lines = ["| US dollars a month | " + " | ".join(f"{size:,} accounts" for size in sizes) + " |"]
    lines.append("|---|" + "---:|" * len(sizes))
    lines += [f"| {name} | " + " | ".join(f"{cost[name]:,.2f}" for cost in costs) + " |" for name in costs[0]]
    lines.append("| **all** | " + " | ".join(f"**{sum(cost.values()):,.2f}**" for cost in costs) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())  # noqa: T201
