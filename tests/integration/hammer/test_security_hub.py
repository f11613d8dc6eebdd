"""`hammer issues --to-security-hub`: what reaches Security Hub, and what it does not take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hammer.issues import import_findings
from hammer.listing.issue import ListedIssue
from library.issues.issue import Status
from tests.builders.listings import NOW, a_listed_issue


class Hub:
    """Security Hub of one account and region: keeps findings by id, refuses some, or is not enabled."""

    def __init__(self, refused: Sequence[str] = (), error: str = "") -> None:
        self.findings: dict[str, dict[str, Any]] = {}
        self.calls = 0
        self._refused, self._error = refused, error

    def batch_import_findings(self, *, Findings: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.calls += 1
        if self._error:
            raise ClientError({"Error": {"Code": self._error, "Message": "no"}}, "BatchImportFindings")
        assert len(Findings) <= 100
        failed = [f for f in Findings if f["Id"].endswith(tuple(self._refused) or "\0")]
        self.findings |= {f["Id"]: f for f in Findings if f not in failed}
        return {
            "FailedCount": len(failed),
            "SuccessCount": len(Findings) - len(failed),
            "FailedFindings": [
                {"Id": f["Id"], "ErrorCode": "InvalidInput", "ErrorMessage": "Tags is invalid"} for f in failed
            ],
        }


class Hubs(dict[tuple[str, str], Hub]):
    """Those of every account and region, made when they are asked for."""

    def client(self, account_id: str, region: str) -> Hub:
        return self.setdefault((account_id, region), Hub())


def issues(count: int, **other: Any) -> list[ListedIssue]:
    return [a_listed_issue(group_id=f"sg-{number}", **other) for number in range(count)]


def test_each_account_and_region_gets_its_own_in_batches() -> None:
    hubs = Hubs()
    sent = import_findings([*issues(201), *issues(1, region="us-east-1")], hubs.client, NOW)
    assert (sent.active, sent.archived, sent.problems) == (202, 0, [])
    assert {location: (hub.calls, len(hub.findings)) for location, hub in hubs.items()} == {
        ("210987654321", "eu-west-1"): (3, 201),
        ("210987654321", "us-east-1"): (1, 1),
    }


def test_an_issue_that_ended_archives_its_finding() -> None:
    hubs = Hubs()
    import_findings(issues(1), hubs.client, NOW)
    sent = import_findings(issues(1, status=Status.RESOLVED), hubs.client, NOW + timedelta(hours=1))
    assert (sent.active, sent.archived) == (0, 1)
    finding = hubs["210987654321", "eu-west-1"].findings["hammer/210987654321/eu-west-1/sg-0"]
    assert (finding["RecordState"], finding["Compliance"]["Status"]) == ("ARCHIVED", "PASSED")
    assert finding["UpdatedAt"] == "2026-11-22T04:00:00.000Z"


def test_what_ended_long_ago_is_not_sent_again() -> None:
    issue = a_listed_issue(status=Status.CLOSED)
    issue = replace(issue, timestamps=replace(issue.timestamps, closed=NOW - timedelta(days=31)))
    hubs = Hubs()
    sent = import_findings([issue], hubs.client, NOW)
    assert (sent.active, sent.archived, dict(hubs)) == (0, 0, {})


def test_findings_that_are_refused_are_named_and_the_others_imported() -> None:
    hubs = Hubs({("210987654321", "eu-west-1"): Hub(refused=["sg-1"])})
    sent = import_findings(issues(3), hubs.client, NOW)
    assert sent.active == 2
    assert sent.problems == [
        "210987654321 eu-west-1: hammer/210987654321/eu-west-1/sg-1: InvalidInput: Tags is invalid"
    ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("InvalidAccessException", "Security Hub is not enabled there"),
        ("LimitExceededException", "throttled: AWS still refused BatchImportFindings after the retries"),
    ],
)
def test_a_region_without_security_hub_is_named_and_the_others_go_on(error: str, reason: str) -> None:
    hubs = Hubs({("210987654321", "eu-west-1"): Hub(error=error)})
    sent = import_findings([*issues(150), *issues(1, region="us-east-1")], hubs.client, NOW)
    assert sent.active == 1
    assert hubs["210987654321", "eu-west-1"].calls == 1
    assert len(sent.problems) == 1
    assert sent.problems[0].startswith(f"210987654321 eu-west-1: findings not imported: {reason}")
