"""What is remembered of a finding, and when it is published again."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from identification.inspector.classic import parse_classic
from identification.inspector.delivery import (
    PUBLISHED_AGAIN_AFTER,
    Delivery,
    DeliveryPlan,
    FindingRecord,
    confirm,
    fingerprint,
    no_record,
    plan_delivery,
    record_id,
    release,
)
from identification.inspector.expected_ports import FilterDecision, decide
from identification.inspector.v2 import parse_v2
from library.network.ports import PortSet
from tests.builders.inspector_samples import classic_port, section, v2_event

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TIMEOUT = timedelta(minutes=2)


def decision(*arguments: Any, **values: Any) -> FilterDecision:
    return decide(parse_v2(v2_event(*arguments, **values)), section(), PortSet(), date(2026, 11, 22))


def classic(run: str, number: int, **changes: Any) -> FilterDecision:
    arn = f"arn:aws:inspector:us-east-1:123456789012:target/0-a/template/0-b/run/{run}/finding/{number}"
    return decide(parse_classic({**classic_port(), "arn": arn, **changes}), section(), PortSet(), date(2026, 11, 22))


def planned(record: FindingRecord, what: FilterDecision, claimant: str = "two", now: datetime = NOW) -> DeliveryPlan:
    return plan_delivery(record, what, claimant, now + TIMEOUT, now)


def written(record: FindingRecord, what: FilterDecision, claimant: str = "two", now: datetime = NOW) -> FindingRecord:
    """The record that the plan writes first."""
    after = planned(record, what, claimant, now).record
    assert after is not None
    return after


def published(what: FilterDecision, record: FindingRecord | None = None, now: datetime = NOW) -> FindingRecord:
    """The record once a finding was published."""
    before = record or no_record("123456789012", record_id(what.finding))
    return confirm(written(before, what, "one", now), what, now)


LATER = "Fri Sep 06 00:00:00 UTC 2024"
EARLIER = "Wed Sep 04 00:00:00 UTC 2024"
FIRST = decision()
CLOSED = decision(status="CLOSED")
CLAIM = written(no_record("123456789012", "x"), FIRST, "one")


@pytest.mark.parametrize(
    ("record", "what", "claimant", "now", "delivery"),
    [
        pytest.param(no_record("1", "x"), FIRST, "one", NOW, Delivery.PUBLISH, id="never published"),
        pytest.param(published(FIRST), FIRST, "two", NOW, Delivery.PUBLISHED_BEFORE, id="published"),
        pytest.param(
            published(FIRST), decision(updatedAt=LATER), "two", NOW, Delivery.PUBLISHED_BEFORE, id="seen again"
        ),
        pytest.param(published(FIRST), decision((22, 23)), "two", NOW, Delivery.PUBLISH, id="changed"),
        pytest.param(
            published(FIRST), decision((1, 2), updatedAt=EARLIER), "two", NOW, Delivery.OUTDATED, id="outdated"
        ),
        pytest.param(
            published(FIRST),
            FIRST,
            "two",
            NOW + PUBLISHED_AGAIN_AFTER - SECOND,
            Delivery.PUBLISHED_BEFORE,
            id="not yet expired",
        ),
        pytest.param(published(FIRST), FIRST, "two", NOW + PUBLISHED_AGAIN_AFTER, Delivery.PUBLISH, id="expired"),
        pytest.param(CLAIM, FIRST, "two", NOW, Delivery.IN_PROGRESS, id="claimed by another"),
        pytest.param(CLAIM, FIRST, "one", NOW, Delivery.PUBLISH, id="claimed by a failed try of its own"),
        pytest.param(CLAIM, decision((22, 23)), "two", NOW, Delivery.PUBLISH, id="something else is claimed"),
        pytest.param(
            CLAIM, decision((1, 2), updatedAt=EARLIER), "two", NOW, Delivery.OUTDATED, id="something newer is claimed"
        ),
        pytest.param(CLAIM, FIRST, "two", NOW + TIMEOUT - SECOND, Delivery.IN_PROGRESS, id="claim holds"),
        pytest.param(CLAIM, FIRST, "two", NOW + TIMEOUT, Delivery.PUBLISH, id="claim ran out"),
        pytest.param(release(CLAIM), FIRST, "two", NOW, Delivery.PUBLISH, id="claim given up"),
        pytest.param(written(published(FIRST), CLOSED), FIRST, "two", NOW, Delivery.PUBLISH, id="it had ended"),
        pytest.param(
            written(published(FIRST), decision(status="CLOSED", updatedAt=LATER)),
            FIRST,
            "two",
            NOW,
            Delivery.OUTDATED,
            id="late copy",
        ),
        pytest.param(
            written(no_record("1", "x"), decision(status="CLOSED", updatedAt=LATER)),
            FIRST,
            "two",
            NOW,
            Delivery.OUTDATED,
            id="end came before the beginning",
        ),
        pytest.param(CLAIM, CLOSED, "two", NOW, Delivery.IGNORED, id="closed"),
        pytest.param(
            CLAIM,
            decide(parse_v2(v2_event()), section(allowed_ports={"web": [22]}), PortSet(), NOW.date()),
            "two",
            NOW,
            Delivery.HELD_BACK,
            id="expected",
        ),
    ],
)
def test_delivery(
    record: FindingRecord, what: FilterDecision, claimant: str, now: datetime, delivery: Delivery
) -> None:
    assert planned(record, what, claimant, now).delivery is delivery


def test_an_older_end_changes_nothing() -> None:
    """ACTIVE, then an older CLOSED, then ACTIVE: the finding was published before."""
    record = published(FIRST)
    plan = planned(record, decision(status="CLOSED", updatedAt=EARLIER))
    assert plan == DeliveryPlan(Delivery.IGNORED, None, is_current=False)
    assert planned(record, FIRST).delivery is Delivery.PUBLISHED_BEFORE


def test_an_end_that_is_older_than_an_unchanged_repetition_changes_nothing() -> None:
    seen = written(published(FIRST), decision(updatedAt=LATER))
    between = decision(status="CLOSED", updatedAt="Thu Sep 05 20:00:00 UTC 2024")
    assert planned(seen, between) == DeliveryPlan(Delivery.IGNORED, None, is_current=False)


def test_what_is_remembered_already_costs_no_write() -> None:
    assert planned(published(FIRST), FIRST) == DeliveryPlan(Delivery.PUBLISHED_BEFORE)
    ended = written(published(FIRST), CLOSED)
    assert planned(ended, CLOSED) == DeliveryPlan(Delivery.IGNORED)
    vulnerability = decision(type="PACKAGE_VULNERABILITY", networkReachabilityDetails=None, status="CLOSED")
    assert planned(no_record("1", "x"), vulnerability) == DeliveryPlan(Delivery.IGNORED)


def test_every_write_counts() -> None:
    revisions = [CLAIM.revision, confirm(CLAIM, FIRST, NOW).revision, release(CLAIM).revision]
    assert revisions == [1, 2, 2]
    again = written(published(FIRST), FIRST, "two", NOW + PUBLISHED_AGAIN_AFTER)
    assert (again.revision, again.published) == (3, "")


def test_a_claim_on_something_new_keeps_what_was_published() -> None:
    record = written(published(FIRST), decision((22, 23)))
    assert planned(release(record), FIRST, "three").delivery is Delivery.PUBLISHED_BEFORE


@pytest.mark.parametrize("record", [CLAIM, published(FIRST)], ids=["claim", "published"])
def test_item_and_back(record: FindingRecord) -> None:
    item = record.to_item()
    assert item["expires_at"] == int((NOW + PUBLISHED_AGAIN_AFTER).timestamp())
    assert "status" not in item
    assert FindingRecord.from_item(item) == record


def test_identity_is_the_same_for_both_accounts_copies() -> None:
    event = v2_event()
    event["detail"]["findingArn"] = event["detail"]["findingArn"].replace("123456789012", "210987654321")
    assert record_id(parse_v2(event)) == record_id(FIRST.finding)
    assert record_id(decision(finding_id="2").finding) != record_id(FIRST.finding)


def test_fingerprint_ignores_what_changes_at_every_look_even_where_nothing_was_filtered() -> None:
    unfiltered = decision(protocol="ALL")
    tags = {"Name": "web", "patched": "today"}
    assert fingerprint(decision(protocol="ALL", tags=tags, lastObservedAt=LATER)) == fingerprint(unfiltered)
    assert fingerprint(decision(protocol="ALL", description="other")) != fingerprint(unfiltered)
    assert fingerprint(decision(tags=tags, title="other", lastObservedAt=LATER)) == fingerprint(FIRST)


def test_findings_without_an_arn_are_told_apart_by_what_they_hold() -> None:
    one, two = (decision(findingArn=None, description=text) for text in ("one", "two"))
    assert record_id(one.finding) != record_id(two.finding)
    assert record_id(one.finding) == record_id(decision(findingArn=None, description="one", updatedAt=LATER).finding)


def test_classic_finds_the_same_in_every_run() -> None:
    monday = published(classic("monday", 1))
    tuesday = classic("tuesday", 7)
    assert record_id(tuesday.finding) == monday.issue_id
    assert planned(monday, tuesday).delivery is Delivery.PUBLISHED_BEFORE
    assert planned(monday, classic("monday", 1)).delivery is Delivery.PUBLISHED_BEFORE
    assert planned(monday, classic("monday", 2)).delivery is Delivery.PUBLISH
    assert record_id(classic("tuesday", 1, severity="High").finding) == monday.issue_id
    assert planned(monday, classic("tuesday", 1, severity="High")).delivery is Delivery.PUBLISH
