"""What an issue keeps of its source, in a Slack thread and in the HTML report; and what a damaged map says: nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hammer.formats.report.view import view
from library.issues.history import PastOccurrence
from library.issues.issue import Issue
from library.network.ports import PortSet
from library.security_groups.exposure import Exposure
from library.security_groups.users import GroupUsers
from library.source.location import Confidence, Kind, RuleLocation, diff_lines, dispute_of, made_by, source_lines
from library.source.location import Location as SourceLocation
from reporting.group_text import alert
from reporting.ticket_facts import Location, TicketFacts
from tests.builders.issues import an_issue
from tests.builders.listings import a_listed_issue

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DIFF = '--- a/main.tf\n+++ b/main.tf\n@@ -1 +1 @@\n-\tcidr = "0.0.0.0/0"\r\n+\tcidr = "10.0.0.0/8"\r\n'
RULE = {
    "protocol": "tcp",
    "from_port": 22,
    "to_port": 22,
    "cidr": "0.0.0.0/0",
    "kind": "terraform",
    "where": "main.tf:7",
    "edit": "patch",
    "note": "",
}
SOURCE: dict[str, Any] = {
    "made_by": "terraform main.tf:3",
    "group": {"kind": "terraform", "where": "main.tf:3", "confidence": "exact"},
    "rules": [RULE],
    "diff": DIFF,
    "returns": "at the next apply",
}


FACTS = TicketFacts(
    Location("shop", "210987654321", "eu-west-1"),
    PortSet.parse([22]),
    GroupUsers(),
    None,
    "replace_rule",
    frozenset({"open_completely"}),
    21,
    "",
)


def issue(**source: Any) -> Issue:
    past = PastOccurrence(
        NOW - timedelta(days=9),
        NOW - timedelta(days=2),
        remediated=NOW - timedelta(days=3),
        source="terraform main.tf:3",
    )
    return replace(an_issue(), source=SOURCE | source, history=(past,))


def thread(given: Issue) -> str:
    return "\n".join(alert(given, FACTS, is_reminder=False, has_ticket=True).details)


def test_slack_says_where_it_is_defined_whether_it_comes_back_and_the_dispute() -> None:
    said = thread(issue())
    assert "The group: terraform, main.tf:3 (exact)." in said
    assert "port 22 from 0.0.0.0/0: terraform, main.tf:7; patch." in said
    assert "What is closed in EC2 alone comes back: at the next apply." in said
    assert "In dispute: terraform main.tf:3 opened this group again once after Hammer had closed it" in said


@pytest.mark.parametrize(
    ("before", "now", "is_same"),
    [
        ("terraform main.tf:3", "terraform main.tf:41", True),  # somebody wrote more above it
        ("terraform main.tf:3", "terraform other/main.tf:3", False),
        ("cloudformation network/Web", "cloudformation network/WebIn", True),
        ("cloudformation root > network/Web", "cloudformation network/Web", False),
        ("other Shop/Web", "other Shop/Db", False),
        ("", "terraform main.tf:3", False),
    ],
)
def test_a_source_is_the_same_wherever_in_its_file_or_stack_it_stands(before: str, now: str, *, is_same: bool) -> None:
    given = issue(made_by=now)
    dispute = dispute_of(replace(given, history=tuple(replace(past, source=before) for past in given.history)))
    assert (dispute is not None) == is_same
    assert dispute is None or dispute.source == now


def located(kind: Kind = Kind.UNKNOWN, where: str = "") -> SourceLocation:
    return SourceLocation(kind, Confidence.EXACT, where)


WEB = located(Kind.CLOUDFORMATION, "network/Web")


@pytest.mark.parametrize(
    ("group", "rules", "said"),
    [
        (WEB, [WEB], "cloudformation network/Web"),
        (WEB, [located()], ""),  # a person added the rule
        (WEB, [located(), located(Kind.CLOUDFORMATION, "network/WebIn")], "cloudformation network/Web"),
        (WEB, [located(Kind.TERRAFORM, "main.tf:7")], "terraform main.tf:7"),
        (located(Kind.OTHER, "shop"), [located()], "other shop"),
        (located(Kind.OTHER, "Shop/Web"), [located(Kind.OTHER, "Shop/Web/from 0.0.0.0")], "other Shop/Web"),
        (located(), [located(Kind.TERRAFORM, "main.tf:7")], "terraform main.tf:7"),
    ],
)
def test_what_opens_a_group_is_where_its_open_rules_are_defined(
    group: SourceLocation, rules: list[SourceLocation], said: str
) -> None:
    exposure = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
    assert made_by(group, [RuleLocation(exposure, rule) for rule in rules]) == said


def test_a_thread_has_room_for_a_few_rules_only() -> None:
    lines = thread(issue(rules=[RULE | {"where": f"{'x' * 900}.tf:{n}"} for n in range(20)])).splitlines()
    locations = [line for line in lines if "terraform, xxx" in line]
    assert len(locations) == 4
    assert max(map(len, lines)) < 600
    assert any("16 more rules have a place." in line for line in lines)
    assert any("comes back: at the next apply" in line for line in lines)


def test_no_text_of_a_template_is_markup_in_slack() -> None:
    said = thread(issue(group={"kind": "cloudformation", "where": "<!channel> *x*", "confidence": "exact"}))
    assert "<!channel>" not in said


def test_the_report_shows_the_same_with_the_diff() -> None:
    given = issue()
    shown = view(
        replace(
            a_listed_issue(), source_lines=source_lines(given), source_diff=diff_lines(given), dispute="In dispute: x"
        ),
        1,
        NOW,
    )
    facts = dict(shown.facts)
    assert facts["In dispute"] == "x"
    assert facts["Defined"].endswith("What is closed in EC2 alone comes back: at the next apply.")
    assert shown.diff.splitlines()[3:] == ['-\tcidr = "0.0.0.0/0"', '+\tcidr = "10.0.0.0/8"']


@pytest.mark.parametrize(
    "damage",
    [
        {"group": "yes"},
        {"rules": [7]},
        {"rules": 7},
        {"rules": [RULE | {"from_port": "x"}]},
        {"rules": [{"kind": "terraform", "from_port": 1}]},
    ],
)
def test_a_damaged_map_says_nothing(damage: dict[str, Any]) -> None:
    assert source_lines(issue(**damage)) == ()
    assert "comes back" not in thread(issue(**damage))


@pytest.mark.parametrize("diff", [None, 7, "", ["-x"]])
def test_a_damaged_diff_is_none(diff: object) -> None:
    assert diff_lines(issue(diff=diff)) == ()
