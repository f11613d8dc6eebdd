"""A plan that Terraform itself printed: tests/data/terraform-plan, by Terraform 1.15 with the AWS provider 3.39.

`tests/deployment/test_terraform_plan.py` makes it anew from the folder, where Terraform is installed.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from hammer.listing.issue import Listing, default_context
from hammer.planned import Judge, scan_plan_file
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exposure import Evaluator

FOLDER = Path(__file__).parents[2] / "data" / "terraform-plan"


def judged(file: Path) -> Listing:
    """What the plan would open on SSH and RDP."""
    judge = Judge(Evaluator(PortSet.parse([22, 3389]), AddressSet()), default_context(date(2026, 11, 29)))
    return scan_plan_file(str(file), judge, (), datetime(2026, 11, 29, tzinfo=UTC))


def check(listing: Listing) -> None:
    """Blocks, dynamic blocks, rules of their own with an index, a list that the plan makes, count, a module."""
    found = {
        issue.group_id: [(perm.cidr, perm.prefix_list_id) for perm in issue.details.perms] for issue in listing.issues
    }
    offices = "aws_ec2_managed_prefix_list.offices"
    assert found == {
        "aws_security_group.bare": [("8000::/1", ""), ("::/1", "")],
        "aws_security_group.dynamic": [("0.0.0.0/1", ""), ("128.0.0.0/1", "")],
        "aws_security_group.inline": [("0.0.0.0/0", "")],
        "aws_security_group.listed[0]": [("0.0.0.0/0", offices)],
        "aws_security_group.listed[1]": [("0.0.0.0/0", offices)],
        "module.net.aws_security_group.this": [("0.0.0.0/0", "")],
    }
    assert {issue.details.status for issue in listing.issues} == {"open_completely"}
    assert [failed.reason for failed in listing.failed] == [
        "aws_security_group.later: cidr_blocks is known after apply"
    ]
    assert [row.groups for row in listing.scanned] == [8]


def test_a_real_plan_is_judged() -> None:
    check(judged(FOLDER / "plan.json"))
