"""Issues as they are listed, for tests of the formats: ordinary ones, and groups whose names mean harm."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hammer.listing.controls import controls_broken, exposed_ports
from hammer.listing.issue import Failed, ListedIssue, Listing, ListingSource, Scanned, Sort, Wanted, chosen
from library.config import DEFAULT_RESTRICTED_PORTS
from library.issues.issue import IssueDetails, Status, Timestamps
from library.issues.opening_calls import OpenedBy
from library.issues.reachability import Path, Reachability, Sources, Verdict
from library.security_groups.exposure import Exposure

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
LISTED = Exposure("tcp", 5432, 5432, "8.8.4.0/24", "open_partly", "pl-0123456789abcdef0")
EVERYTHING = Exposure("-1", None, None, "::/0", "open_completely")

UNTRUSTED_NAMES = (
    "<script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=\'taken\'">',
    "=cmd|' /C calc'!A0",
    '+1;=HYPERLINK("http://198.51.100.7")',
    "@SUM(1+1)\t-2\r=3",
    "\u202egnp.exe\u2066\u200f",
    "\x1b[31mred\x07",
    "</title></style></script><!--",
    "{{ 7 * 7 }}{% raw %}${7*7}",
    "javascript:alert(1)",
    "Zürich – Ω 東京",
    "\ud800 alone",
)

INTERNET = Reachability.of(
    Verdict.INTERNET,
    Sources.ALL,
    "open_completely",
    [
        Path(
            "eni-0aa11bb22cc33dd44",
            "instance i-0123456789abcdef0 (bastion)",
            "203.0.113.10",
            Verdict.INTERNET,
            ("igw-0a", "rtb-0b", "acl-0c", "subnet-0d", "eni-0aa11bb22cc33dd44"),
            text="Anyone on the Internet can connect now to tcp/22 of instance i-0123456789abcdef0 at 203.0.113.10.",
        )
    ],
    ["instance i-0123456789abcdef0 runs"],
)


def a_listed_issue(*perms: Exposure, status: Status = Status.OPEN, name: str = "web", **other: Any) -> ListedIssue:
    """An issue that was found ten days ago, in the region `eu-west-1`."""
    perms = perms or (SSH,)
    details = IssueDetails(
        name=name,
        region=other.pop("region", "eu-west-1"),
        vpc_id="vpc-0123456789abcdef0",
        status="open_completely" if any(p.status == "open_completely" for p in perms) else "open_partly",
        tags=other.pop("tags", {"Name": name, "owner": "ana"}),
        perms=perms,
        reachability=other.pop("reachability", None),
    )
    found = NOW - timedelta(days=10)
    ended = None if status.is_exposed else NOW - timedelta(days=1)
    issue = ListedIssue(
        account_id="210987654321",
        account_name="shop",
        group_id="sg-0123456789abcdef0",
        details=details,
        status=status,
        owner="ana",
        ports=exposed_ports(perms, DEFAULT_RESTRICTED_PORTS),
        controls=controls_broken(details),
        timestamps=Timestamps(identified=found, updated=found, reported=found + timedelta(hours=1), resolved=ended),
    )
    return replace(issue, **other)


def opened_by(principal: str = "arn:aws:iam::210987654321:user/bo") -> OpenedBy:
    """Who opened a group, by the console."""
    return OpenedBy(
        principal=principal,
        source_ip="203.0.113.9",
        user_agent="console.ec2.amazonaws.com",
        event_name="AuthorizeSecurityGroupIngress",
        event_time=NOW - timedelta(days=10, minutes=3),
        event_id="11111111-2222-3333-4444-555555555555",
    )


def a_listing(*issues: ListedIssue, source: ListingSource = ListingSource.TABLE, **other: Any) -> Listing:
    """A list of issues that was made at `NOW`, of one region that was seen and one that could not be read."""
    values: dict[str, Any] = {
        "scanned": (Scanned("210987654321", "shop", "eu-west-1", 21, 1, NOW),),
        "failed": (Failed("210987654321", "us-east-1", "role missing", "shop"),),
        "whitelisted": 1,
    }
    return Listing(source=source, generated=NOW, issues=issues, **(values | other))


def a_whole_listing(*issues: ListedIssue, source: ListingSource = ListingSource.TABLE, **other: Any) -> Listing:
    """A list of issues with the accounts and regions that they are in, so that its numbers agree.

    One region could not be read: in a scan one without issues, else one whose issues are as they were found before.
    """
    names = {issue.account_id: issue.account_name for issue in issues} or {"210987654321": "shop"}
    locations = {(issue.account_id, issue.details.region) for issue in issues} or {("210987654321", "eu-west-1")}
    is_scan = source is ListingSource.SCAN
    unread = ("210987654321", "eu-central-1" if is_scan else "us-east-1")
    exempt = [(issue.account_id, issue.details.region) for issue in issues if issue.whitelisted]
    scanned = tuple(
        Scanned(
            *(account_id, names[account_id], region),
            groups=0 if (account_id, region) == unread else 21,
            whitelisted=exempt.count((account_id, region)),
            when=NOW - timedelta(days=2 if (account_id, region) == unread else 0),
        )
        for account_id, region in sorted(locations)
    )
    reason = "role missing" if is_scan else "its last scan: failed: role missing"
    values: dict[str, Any] = {
        "scanned": scanned,
        "failed": (Failed(*unread, reason, "shop"),),
        "whitelisted": len(exempt),
    }
    listed = chosen(issues, Wanted(), Sort.SEVERITY)
    return Listing(source=source, generated=NOW, issues=listed, **(values | other))


def listing_of_untrusted_names(source: ListingSource = ListingSource.TABLE) -> Listing:
    """A list of groups whose names, tags, owners and accounts mean harm."""
    issues = [
        a_listed_issue(
            SSH,
            LISTED,
            name=name,
            group_id=f"sg-{number:017x}",
            owner=name,
            account_name=name,
            tags={"Name": name, name: name, "empty": ""},
            ticket=name,
            exempt_reason=name,
            restored=name,
            opened_by=opened_by(name),
            reachability=replace(
                INTERNET, paths=(replace(INTERNET.paths[0], resource=name, text=name),), unread=(name,)
            ),
        )
        for number, name in enumerate(UNTRUSTED_NAMES)
    ]
    failed = tuple(Failed("210987654321", "us-east-1", name) for name in UNTRUSTED_NAMES)
    return a_listing(*issues, source=source, failed=failed)


def many_issues(count: int) -> list[ListedIssue]:
    """So many issues of every kind, in several accounts and regions, of several owners and ages."""
    rdp = Exposure("tcp", 3389, 3389, "0.0.0.0/0", "open_completely")
    every = Exposure("tcp", 0, 65535, "0.0.0.0/0", "open_completely")
    rules = ((SSH,), (SSH, LISTED), (EVERYTHING,), (LISTED,), (rdp,), (every, LISTED))
    accounts = (("123456789012", "main"), ("210987654321", "shop"), ("321098765432", "analytics-production"))
    verdicts = (INTERNET, None, Reachability.of(Verdict.UNUSED, None, "open_partly"))
    made = []
    for number in range(count):
        account_id, account_name = accounts[number % 3]
        found = NOW - timedelta(days=(0, 2, 5, 12, 40, 120, 121)[number % 7])
        status = Status.WHITELISTED if number % 10 == 9 else Status.OPEN
        made.append(
            a_listed_issue(
                *rules[number % 6],
                status=status,
                name=f"WebServerSecurityGroup-{number}",
                region=("eu-west-1", "us-east-1", "ap-southeast-2")[number // 3 % 3],
                reachability=verdicts[number // 2 % 3],
                group_id=f"sg-{number:017x}",
                account_id=account_id,
                account_name=account_name,
                owner=("ana", "bo", "#platform", "")[number % 4],
                opened_by=opened_by() if number % 2 else None,
                ticket=f"OPS-{number}",
                ticket_url=f"https://jira.example.com/browse/OPS-{number}",
                timestamps=Timestamps(identified=found, updated=found, reported=min(found + timedelta(hours=1), NOW)),
                due=found + timedelta(days=21) if status is Status.OPEN else None,
            )
        )
    return made
