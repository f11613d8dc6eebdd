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
EVENT = 1.00e-6  # an event that a rule sends to another account's bus
# A month and queue: Lambda's five pollers ask every 20 s, whether it holds messages or not.
IDLE_POLLS = 5 * 3 * 60 * 730
DYNAMODB_WRITE = 0.705e-6  # a write unit: 1 KB
DYNAMODB_READ = 0.141e-6  # a read unit: 4 KB, strongly consistent
LOGS_GB = 0.57
ALARM = 0.10
METRIC = 0.30
KEY = 1.00
SECRET = 0.40
KMS_REQUEST = 0.03 / 10_000
DASHBOARD = 3.00
HOST = 0.0092 * 730 + 8 * 0.088  # t4g.micro, 8 GB of gp3; it has no public address
DETAILED_MONITORING = 7 * METRIC  # of one instance
# The host's way out of its subnet, where the network has none: one of these.
NAT_GATEWAY = 0.048 * 730
INTERFACE_ENDPOINT = 0.011 * 730  # in one zone

HOURS = 730

# What was measured (docs/performance.md): CPU seconds of one whole core.
# From the start of the process to the end of a look at 20 groups, 2 of them exposed, from the zip with Python 3.13:
# 1.22 times importing boto3, which takes 0.19 s on the machine that the bounds are for.
COLD_START_CPU = 0.23
# Of a warm function, each target, with two new issues to write: 37 ms.
SCAN_CPU = 0.04
# What a look waits for AWS: a new TLS connection to another region's EC2 (three round trips) and its answer, and four
# calls of DynamoDB in the function's own region, or seven where there are new issues. Taken from AWS's usual latencies,
# not measured.
SCAN_WAIT = 0.75
MEMORY_GB = 1.0
CPU_SHARE = 1024 / 1769  # of a core that 1,024 MB get (AWS Lambda Developer Guide, "Configure memory")
# As deployed: messages of a batch, targets of it looked at together, batches looked at at once.
BATCH, SCANS_AT_ONCE, BATCHES_AT_ONCE = 10, 5, 20

# What the master module makes; a test holds it against the code. The host runs reporting and remediation.
WORK_QUEUES = 2
ALARM_METRICS = {
    "dead-letters": 4,  # functions
    "errors": 4,
    "waiting": WORK_QUEUES,
    "failed-invocations": 3 + 2,  # rules of the bus and the schedule; those of the main region that send to the bus
    "lost-invocations": 3,
    "not-scanned": 1,
    "never-scanned": 1,
    "remediation-limit": 1,
    "missing": 2 * 2,  # jobs; an alarm of metric math costs as many as it has metrics
    "run": 2,
    "host": 2 + 1,
}
"""How many alarms of a kind there are, as CloudWatch bills them: by the metrics that they watch."""
# Metrics made of log lines that have a value in most hours: two of initiation, the host's hourly look at its timers,
# and reporting's runs. CloudWatch bills hours with a value; all others have one a day, or none.
CUSTOM_METRICS = 4
# A data key serves a queue for five minutes (SQS Developer Guide): for the sender and for the reader of each.
DATA_KEYS_AN_HOUR = 12 * 2


@dataclass(frozen=True, slots=True)
class Estate:
    """What is looked at.

    Attributes:
        regions: of each account.
        groups: in each account and region.
        open_issues: of each account, over all regions.
        scans_an_hour: of each account and region.
        events_a_day: calls of each account that change groups or what reaches them, and lead to a scan of those groups.
    """

    accounts: int
    regions: int = 17
    groups: int = 20
    open_issues: int = 5
    scans_an_hour: float = 1.0
    events_a_day: float = 50.0


def batch_seconds() -> float:
    """How long a warm function takes for a full batch: its CPU at the share that its memory gets, or its waits."""
    return max(BATCH * SCAN_CPU / CPU_SHARE, BATCH / SCANS_AT_ONCE * (SCAN_WAIT + SCAN_CPU / CPU_SHARE))


def monthly(estate: Estate) -> dict[str, float]:
    """US dollars a month, by what they are for."""
    runs = estate.scans_an_hour * HOURS
    targets = estate.accounts * estate.regions
    scans = targets * runs
    batches = math.ceil(targets / BATCH)
    # An hour later no function is warm any more, and what Lambda spends on a start is billed like the rest.
    cold = min(batches, BATCHES_AT_ONCE) * COLD_START_CPU / CPU_SHARE
    # A scan reads the region's record twice, the exemptions that people decided, and the region's issues of about 2 KB
    # each, a unit or more; it writes its begin and what it saw.
    issues_kb = 2 * estate.open_issues / estate.regions
    # Initiation reads every account's coverage: 300 bytes a region.
    coverage_units = max(1.0, estate.regions * 0.3 / 4)
    return {
        "Lambda": runs
        * (
            (batches * batch_seconds() + cold + estate.accounts * 0.01) * MEMORY_GB * LAMBDA_GB_SECOND
            + batches * LAMBDA_REQUEST
        ),
        "SNS and SQS": scans * SNS_REQUEST / BATCH
        + (scans + 2 * runs * batches + WORK_QUEUES * IDLE_POLLS) * SQS_REQUEST,
        "DynamoDB": scans * (2 * DYNAMODB_WRITE + (3 + max(1.0, issues_kb / 4)) * DYNAMODB_READ)
        + runs * estate.accounts * coverage_units * DYNAMODB_READ,
        "Logs": scans * 0.6e-6 * LOGS_GB,  # a line of 500 bytes a target, and Lambda's own three a batch
        "Events": estate.accounts * estate.events_a_day * HOURS / 24 * event(),
        "Host": HOST + DETAILED_MONITORING,
        "Alarms, metrics, dashboard": sum(ALARM_METRICS.values()) * ALARM + CUSTOM_METRICS * METRIC + DASHBOARD,
        "Key and secrets": KEY
        + 2 * SECRET
        + (WORK_QUEUES * DATA_KEYS_AN_HOUR * HOURS + runs * min(batches, BATCHES_AT_ONCE)) * KMS_REQUEST,
    }


def event() -> float:
    """US dollars for one event: the bus, the queue, the function that takes it, and the scan of its groups."""
    received, scanned = 0.3 * 0.5, SCAN_WAIT + SCAN_CPU / CPU_SHARE  # GB seconds: 512 MB, and 1,024 MB
    return (
        EVENT
        + 2 * LAMBDA_REQUEST
        + (received + scanned * MEMORY_GB) * LAMBDA_GB_SECOND
        + SNS_REQUEST
        + 6 * SQS_REQUEST
        + 3 * DYNAMODB_WRITE
        + 4 * DYNAMODB_READ
        + 2 * 0.6e-6 * LOGS_GB
    )


def immediate() -> float:
    """US dollars a month that `immediate_remediation` adds: a poll and log lines a minute, alarms, a metric."""
    polls = 60 * HOURS
    return polls * (SQS_REQUEST + 0.6e-6 * LOGS_GB) + (1 + 1 + 2) * ALARM + METRIC


def way_out() -> str:
    """What a way out of the host's subnet adds, in words."""
    return f"{NAT_GATEWAY:.2f} for a NAT gateway, or {INTERFACE_ENDPOINT:.2f} for each interface endpoint and zone"


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
