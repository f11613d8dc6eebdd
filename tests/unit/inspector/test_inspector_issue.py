"""A finding as an issue: what is kept of it, and what tickets and alerts say."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from identification.inspector.delivery import can_be_issue, detection, issue_id, record_id
from identification.inspector.expected_ports import FilterDecision, decide
from identification.inspector.finding import parse_classic, parse_v2
from library.documents.document import plain_text
from library.issues.issue import INSPECTOR_FINDING, FindingDetails, Issue, Timestamps
from library.issues.reconcile import reconcile
from library.network.ports import PortSet
from library.security_groups.users import GroupUsers
from reporting.context import texts_for
from reporting.ticket_facts import Location, TicketFacts
from tests.builders.forecasts import a_forecast
from tests.builders.inspector_samples import classic_port, section, v2_event

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
ISSUE_ID = "finding-i-12345678901234567-"


def decision(*arguments: Any, **values: Any) -> FilterDecision:
    config = section(allowed_ports={"web": ["tcp/24-25"]})
    return decide(parse_v2(v2_event(*arguments, **values)), config, PortSet(), date(2026, 11, 22))


def issue(*arguments: Any, **values: Any) -> Issue:
    change = reconcile(None, detection(decision(*arguments, **values)), NOW)
    assert change is not None
    return change.issue


def test_what_is_kept() -> None:
    kept = issue((22, 25))
    assert kept.issue_id.startswith(ISSUE_ID)
    assert kept.to_item() == {
        "account_id": "123456789012",
        "issue_id": kept.issue_id,
        "status": "open",
        "issue_details": {
            "name": "web",
            "region": "eu-central-1",
            "vpc_id": "vpc-0123456789abcdef0",
            "status": "open_completely",
            "tags": {"Name": "web"},
            "perms": [
                {"protocol": "tcp", "from_port": 22, "to_port": 23, "cidr": "0.0.0.0/0", "status": "open_completely"}
            ],
            "finding": {
                "arn": "arn:aws:inspector2:eu-central-1:123456789012:finding/FINDING_ID",
                "server_id": "i-12345678901234567",
                "severity": "MEDIUM",
                "title": "Port 22 is reachable from an Internet Gateway - TCP",
                "path": [
                    "igw-261bab4d",
                    "acl-171b527d",
                    "sg-0d34debf87410f2d9",
                    "eni-094ad651219472857",
                    "i-12345678901234567",
                ],
                "held_back": ['tcp/24-25: allowed_ports "web"'],
                "notes": [],
            },
        },
        "timestamps": Timestamps(identified=NOW, updated=NOW).to_item(),
        "revision": 1,
        "occurrence": 1,
        "jira_details": {},
        "slack_details": {},
        "remediation_details": {},
        # Not the region itself: a look at the region's groups must not resolve it.
        "open_region": "inspector eu-central-1",
    }
    assert Issue.from_item(kept.to_item()) == kept
    assert kept.kind is INSPECTOR_FINDING


def test_the_id_is_the_same_as_long_as_it_is_the_same_finding() -> None:
    first = issue_id(decision().finding)
    assert issue_id(decision((22, 80), status="CLOSED", severity="HIGH").finding) == first
    assert issue_id(decision(finding_id="2").finding) != first
    untrusted = parse_v2(v2_event(resources=[{"id": "arn:aws/é x" * 50}]))
    assert issue_id(untrusted).isascii()
    assert len(issue_id(untrusted)) < 70


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(decision(status="CLOSED"), id="closed"),
        pytest.param(decision((24, 24)), id="expected"),
        pytest.param(decision(protocol="ALL"), id="ports unknown"),
    ],
)
def test_nothing_is_kept_of_what_has_no_unexpected_port(what: FilterDecision) -> None:
    assert detection(what) is None


def test_only_what_can_be_followed_to_its_end_is_kept() -> None:
    assert can_be_issue(decision().finding)
    assert not can_be_issue(parse_classic(classic_port()))
    assert not can_be_issue(parse_v2({"detail": {}}))
    assert not can_be_issue(decision(type="PACKAGE_VULNERABILITY", networkReachabilityDetails=None).finding)


LOCATION = Location("slave1", "123456789012", "eu-central-1")


FACTS = TicketFacts(
    location=LOCATION,
    restricted=PortSet(),
    used_by=GroupUsers(),
    closes_at=None,
    strategy="replace_rule",
    scope=frozenset(),
    retention_days=21,
    procedure_url="",
    owner_notes=("Nobody is assigned.",),
)


def test_ticket() -> None:
    kept = issue((22, 25))
    assert texts_for(kept).summary(kept, LOCATION, PortSet()) == (
        'Amazon Inspector: tcp 22-23 open on "web" (i-12345678901234567), slave1 (123456789012), eu-central-1'
    )
    text = plain_text(texts_for(kept).ticket(kept, FACTS))
    assert text.startswith(
        'Amazon Inspector reports ports of "web" (i-12345678901234567) in account slave1 (123456789012), region '
        "eu-central-1, VPC vpc-0123456789abcdef0, as reachable from outside, and nobody expects them to be. "
        "Severity: MEDIUM.\n\nNobody is assigned.\n\nWhat is open\n------------\n\n  * tcp 22-23\n\nOver which path\n"
        "---------------\n\nigw-261bab4d > acl-171b527d > sg-0d34debf87410f2d9 > eni-094ad651219472857 > "
        "i-12345678901234567\n\nWhat is expected, and was taken out\n-----------------------------------\n\n"
        '  * tcp/24-25: allowed_ports "web"\n\n'
    )
    # Nothing that is true of security groups only.
    assert "revoke" not in text
    assert "exempt" not in text


def test_comments_and_alert() -> None:
    kept = issue((22, 25))
    changed = plain_text(texts_for(kept).changed(kept, 7, ["x"], again=False, scope=FACTS.scope))
    assert changed == 'The finding on "web" (i-12345678901234567) has changed. Open now:\n\n  * tcp 22-23\n'
    again = plain_text(texts_for(kept).changed(kept, None, None, again=True, scope=FACTS.scope))
    assert again == 'The finding on "web" (i-12345678901234567) is back. Open now:\n\n  * tcp 22-23\n'
    assert plain_text(texts_for(kept).ended(kept, exempt=False)).startswith(
        'Nothing unexpected is open on "web" (i-12345678901234567) any more by this finding: '
    )
    notified = texts_for(kept).alert(kept, FACTS, is_reminder=False, has_ticket=True)
    assert notified.text == "Amazon Inspector, MEDIUM: tcp 22-23 open, and nobody expects it"
    assert notified.details[1:] == ('Held back tcp/24-25: allowed_ports "web"',)


def test_a_long_title_is_cut() -> None:
    kept = issue(tags={"Name": "x" * 300})
    assert len(texts_for(kept).summary(kept, LOCATION, PortSet())) == 255


def test_remediation_is_not_announced_for_a_finding() -> None:
    kept = issue()
    forecast = a_forecast(kept.account_id, retention=timedelta(days=1))
    assert forecast.of(kept, NOW).closes_at() is None
    assert forecast.of(replace(kept, issue_id="sg-1"), NOW).closes_at() is not None


def test_ports_of_udp_and_what_else_a_reader_should_know_are_kept() -> None:
    what = replace(decision((22, 22)), left=PortSet.parse(["tcp/22", "udp/161-162"]), notes=("The tag is odd.",))
    found = detection(what)
    assert found is not None
    assert found.whitelisted is False
    assert isinstance(found.details, FindingDetails)
    assert found.details.notes == ("The tag is odd.",)
    assert [perm[:3] for perm in found.details.perms] == [("tcp", 22, 22), ("udp", 161, 162)]


@pytest.mark.parametrize("left_out", ["arn", "account_id"])
def test_without_a_name_or_an_account_a_finding_cannot_be_followed(left_out: str) -> None:
    finding = decision().finding
    changes: dict[str, Any] = {left_out: ""}
    assert can_be_issue(finding)
    assert not can_be_issue(replace(finding, **changes))


def test_an_id_holds_the_server_and_what_tells_its_findings_apart() -> None:
    finding = replace(decision().finding, server_id="i-1/é" + "x" * 50)
    number = record_id(finding).removeprefix("inspector#")
    assert issue_id(finding) == f"finding-i-1{'x' * 37}-{number[:12]}"
