"""Where a ticket and a message send their reader to fix a group: to what defines it, not past that into EC2."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from library.documents.document import plain_text
from library.issues.reachability import Verdict
from library.security_groups.exposure import Exposure
from reporting.exposure_text import fix_location
from reporting.group_text import alert, ticket
from tests.unit.reporting.test_whole_tickets import ANA, FACTS, SSH, issue, judged

STACK = {"kind": "cloudformation", "confidence": "exact", "where": "web-stack/Group"}
FILE = {"kind": "terraform", "confidence": "likely", "where": "network/web.tf:12"}
HINT = {"kind": "terraform", "confidence": "hint", "where": "network/web.tf:12"}
CONSTRUCT = {"kind": "other", "confidence": "exact", "where": "Shop/Web/Group"}
UNKNOWN = {"kind": "unknown", "confidence": "hint", "where": ""}
IN_STACK = 'CloudFormation stack "web-stack", resource Group'
AT_APPLY = "the next apply opens again what is closed in EC2 alone"
AT_UPDATE = "change its template, or an update opens the group again"


def source(group: dict[str, str], *rules: dict[str, str]) -> dict[str, Any]:
    return {"source": {"group": group, "rules": list(rules)}}


@pytest.mark.parametrize(
    ("given", "fix", "console", "terraform"),
    [
        pytest.param({}, "", "Fix it", True, id="nothing is known"),
        pytest.param(source(HINT, UNKNOWN), "", "Fix it", True, id="a hint is not enough"),
        pytest.param({"source": {"group": 7, "rules": "x"}}, "", "Fix it", True, id="somebody damaged the map"),
        pytest.param(source(STACK, STACK), f"Fix it in {IN_STACK}: {AT_UPDATE}.", "Look at it", False, id="a stack"),
        pytest.param(
            source(FILE, FILE), f"Fix it in Terraform, network/web.tf:12: {AT_APPLY}.", "Look at it", True, id="a file"
        ),
        pytest.param(
            source(CONSTRUCT, CONSTRUCT),
            "Fix it in the code of Shop/Web/Group: its next deployment may open again what is closed in EC2 alone.",
            "Look at it",
            False,
            id="a construct",
        ),
        pytest.param(
            source(STACK, FILE, STACK),
            f"Fix it in Terraform, network/web.tf:12, {IN_STACK}: {AT_APPLY}; {AT_UPDATE}.",
            "Look at it",
            True,
            id="the rules are of two places",
        ),
        pytest.param(
            source(STACK, STACK, UNKNOWN),
            f"Fix it in {IN_STACK}: {AT_UPDATE}.",
            "Fix the other rules",
            False,
            id="nobody knows where one rule is from",
        ),
        pytest.param(
            {"opened_by": replace(ANA, user_agent="APN/1.0 HashiCorp/1.0 Terraform/1.9.0")},
            f"Fix it in the Terraform code that opened it: {AT_APPLY}.",
            "Look at it",
            True,
            id="opened with Terraform",
        ),
        pytest.param(
            {"opened_by": replace(ANA, user_agent="APN/1.0 Pulumi/1.0 PulumiAWS/6.5 Terraform/1.5")},
            "Fix it in the Pulumi code that opened it: its next deployment may open again what is closed in EC2 alone.",
            "Look at it",
            False,
            id="opened with Pulumi",
        ),
        pytest.param(
            {"tags": {"elbv2.k8s.aws/cluster": "shop", "ingress.k8s.aws/stack": "web"}},
            "Fix it in AWS Load Balancer Controller, cluster shop, which made the group and may open it again: change "
            "the annotation alb.ingress.kubernetes.io/inbound-cidrs of ingress web.",
            "Look at it",
            False,
            id="a controller",
        ),
    ],
)
def test_the_top_of_a_ticket_names_the_place_of_the_fix(
    given: dict[str, Any], fix: str, console: str, terraform: bool
) -> None:
    text = plain_text(ticket(issue(**given), FACTS))
    top, _, rest = text.partition("\nWhat to do, in detail\n")
    assert f" {console} in the AWS console: https://" in top
    assert f"\nWhat to do: {fix or 'Narrow the source of this rule'} " in top
    assert ("\nWith Terraform\n" in rest) is terraform
    assert ("Commands change EC2 alone" in rest) is bool(fix)


def thread(**given: Any) -> tuple[str, ...]:
    facts = replace(FACTS, closes_at=None, procedure_url="", sources=("10.9.0.0/16",))
    return alert(issue(**given), facts, is_reminder=False, has_ticket=False).details


def test_a_thread_says_whom_a_command_would_cut_off_before_the_command() -> None:
    lines = thread()
    revoke = next(n for n, line in enumerate(lines) if "revoke-security-group-ingress" in line)
    assert lines[revoke - 1] == "    If 10.9.0.0/16 need these ports, open them to those first."
    assert lines[revoke].startswith("    Close it: `aws ec2 ")


def test_a_thread_names_the_place_of_the_fix_before_any_command() -> None:
    lines = thread(**source({**STACK, "where": "a<b>/Group"}))
    fix = lines.index(f'    Fix it in CloudFormation stack "a&lt;b&gt;", resource Group: {AT_UPDATE}.')
    assert all("`aws ec2" not in line for line in lines[:fix])
    assert any(line.startswith("    Commands change EC2 alone: they help until ") for line in lines[fix:])


def test_a_group_that_a_stack_defines_is_not_deleted_past_it() -> None:
    unused = replace(judged(Verdict.UNUSED), **source(STACK, STACK))
    text = plain_text(ticket(unused, FACTS))
    assert f"If nothing needs the group any more, remove it from {IN_STACK}." in text
    assert "delete-security-group" not in text
    said = alert(unused, FACTS, is_reminder=False, has_ticket=False).details
    assert not any("delete-security-group" in line for line in said)


def test_a_long_list_of_places_is_counted() -> None:
    locations = [{**FILE, "where": f"{n}.tf:1"} for n in range(5)]
    location = fix_location(
        issue(SSH, Exposure("tcp", 23, 23, "0.0.0.0/0", "open_completely"), **source(FILE, *locations))
    )
    assert location is not None
    assert location.where == "Terraform, 0.tf:1, Terraform, 1.tf:1, Terraform, 2.tf:1 and 2 more places"
