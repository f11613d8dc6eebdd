"""What a deployment costs a month, worked out from the numbers of calls, invocations and items. Pure.

`python -m deployment.cost` prints the table of deployment/README.md, which a test holds against it.
"""

from __future__ import annotations

from dataclasses import dataclass

# US dollars, eu-west-1, on demand, without the free tier, as AWS's price pages said in 2025; look before you budget.
LAMBDA_GB_SECOND = 0.0000133334  # arm64
LAMBDA_REQUEST = 0.20e-6
SNS_REQUEST = 0.50e-6
DYNAMODB_WRITE = 0.705e-6  # a write unit: 1 KB
DYNAMODB_READ = 0.141e-6  # a read unit: 4 KB, strongly consistent
LOGS_GB = 0.57
ALARM = 0.10
METRIC = 0.30
KEY = 1.00
SECRET = 0.40
HOST = 0.0092 * 730 + 8 * 0.088 + 0.005 * 730  # t4g.micro, 8 GB of gp3, a public IPv4 address

HOURS = 730


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


def monthly(estate: Estate) -> dict[str, float]:
    """US dollars a month, by what they are for."""
    scans = estate.accounts * estate.regions * estate.scans_an_hour * HOURS
    runs = estate.scans_an_hour * HOURS
    # A scan: 1.5 s at 1 GB, most of it waiting for AWS; a coverage item of one unit, which is in no index;
    # a query of the region's issues of about 2 KB each, at least one unit.
    issues_kb = 2 * estate.open_issues / estate.regions
    # Initiation reads every account's coverage: 300 bytes a region.
    coverage_units = max(1.0, estate.regions * 0.3 / 4)
    return {
        "Lambda": scans * (1.5 * LAMBDA_GB_SECOND + LAMBDA_REQUEST) + runs * estate.accounts * 0.01 * LAMBDA_GB_SECOND,
        "SNS": scans * SNS_REQUEST,
        "DynamoDB": scans * (DYNAMODB_WRITE + max(1.0, issues_kb / 4) * DYNAMODB_READ)
        + runs * estate.accounts * coverage_units * DYNAMODB_READ,
        "Logs": scans * 1.0e-6 * LOGS_GB,  # about 1 KB a scan, Lambda's own lines among it
        "Host": HOST,
        "Alarms, metrics, key, secrets": 9 * ALARM + 3 * METRIC + KEY + 2 * SECRET,
    }


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
