"""What is remembered of a finding, and when it is published again."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from identification.inspector.delivery import (
    PUBLISHED_AGAIN_AFTER,
    DeliveryPlan,
    FindingDelivery,
    FindingRecord,
    confirm,
    fingerprint,
    no_record,
    plan_delivery,
    record_id,
    release,
)
from identification.inspector.expected_ports import FilterDecision, decide
from identification.inspector.finding import parse_classic, parse_v2
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


FORMS: dict[str, list[Any]] = {
    "today's": [f"Tue Jun 18 00:{minute}.000 UTC 2024" for minute in ("10:00", "20:00", "27:04")],
    "older": [f"Jun 18, 2024, 12:{minute} AM" for minute in ("10:00", "20:00", "27:04")],
    "narrow space": [f"Jun 18, 2024, 12:{minute}\u202fAM" for minute in ("10:00", "20:00", "27:04")],
    "seconds": [1718669400.0, 1718670000.0, 1718670424.0],
    "milliseconds": [1718669400000, 1718670000000, 1718670424000],
    "ISO 8601": [f"2024-06-18T00:{minute}Z" for minute in ("10:00", "20:00", "27:04")],
}


@pytest.mark.parametrize("delayed", FORMS)
@pytest.mark.parametrize("end", FORMS)
def test_what_is_older_than_its_end_is_not_published_in_whatever_form_its_time_comes(end: str, delayed: str) -> None:
    begun = published(decision(updatedAt=FORMS[end][0]))
    ended = written(begun, decision(status="CLOSED", updatedAt=FORMS[end][2]))
    assert planned(ended, decision(updatedAt=FORMS[delayed][1])).delivery is FindingDelivery.OUTDATED


LATER = "Fri Sep 06 00:00:00 UTC 2024"
EARLIER = "Wed Sep 04 00:00:00 UTC 2024"
FIRST = decision()
CLOSED = decision(status="CLOSED")
CLAIM = written(no_record("123456789012", "x"), FIRST, "one")


@pytest.mark.parametrize(
    ("record", "what", "claimant", "now", "delivery"),
    [
        pytest.param(no_record("1", "x"), FIRST, "one", NOW, FindingDelivery.PUBLISH, id="never published"),
        pytest.param(published(FIRST), FIRST, "two", NOW, FindingDelivery.PUBLISHED_BEFORE, id="published"),
        pytest.param(
            published(FIRST), decision(updatedAt=LATER), "two", NOW, FindingDelivery.PUBLISHED_BEFORE, id="seen again"
        ),
        pytest.param(published(FIRST), decision((22, 23)), "two", NOW, FindingDelivery.PUBLISH, id="changed"),
        pytest.param(
            published(FIRST), decision((1, 2), updatedAt=EARLIER), "two", NOW, FindingDelivery.OUTDATED, id="outdated"
        ),
        pytest.param(
            published(FIRST),
            FIRST,
            "two",
            NOW + PUBLISHED_AGAIN_AFTER - SECOND,
            FindingDelivery.PUBLISHED_BEFORE,
            id="not yet expired",
        ),
        pytest.param(
            published(FIRST), FIRST, "two", NOW + PUBLISHED_AGAIN_AFTER, FindingDelivery.PUBLISH, id="expired"
        ),
        pytest.param(CLAIM, FIRST, "two", NOW, FindingDelivery.IN_PROGRESS, id="claimed by another"),
        pytest.param(CLAIM, FIRST, "one", NOW, FindingDelivery.PUBLISH, id="claimed by a failed try of its own"),
        pytest.param(CLAIM, decision((22, 23)), "two", NOW, FindingDelivery.PUBLISH, id="something else is claimed"),
        pytest.param(
            CLAIM,
            decision((1, 2), updatedAt=EARLIER),
            "two",
            NOW,
            FindingDelivery.OUTDATED,
            id="something newer is claimed",
        ),
        pytest.param(CLAIM, FIRST, "two", NOW + TIMEOUT - SECOND, FindingDelivery.IN_PROGRESS, id="claim holds"),
        pytest.param(CLAIM, FIRST, "two", NOW + TIMEOUT, FindingDelivery.PUBLISH, id="claim ran out"),
        pytest.param(release(CLAIM), FIRST, "two", NOW, FindingDelivery.PUBLISH, id="claim given up"),
        pytest.param(written(published(FIRST), CLOSED), FIRST, "two", NOW, FindingDelivery.PUBLISH, id="it had ended"),
        pytest.param(
            written(published(FIRST), decision(status="CLOSED", updatedAt=LATER)),
            FIRST,
            "two",
            NOW,
            FindingDelivery.OUTDATED,
            id="late copy",
        ),
        pytest.param(
            written(no_record("1", "x"), decision(status="CLOSED", updatedAt=LATER)),
            FIRST,
            "two",
            NOW,
            FindingDelivery.OUTDATED,
            id="end came before the beginning",
        ),
        pytest.param(CLAIM, CLOSED, "two", NOW, FindingDelivery.IGNORED, id="closed"),
        pytest.param(
            CLAIM,
            decide(parse_v2(v2_event()), section(allowed_ports={"web": [22]}), PortSet(), NOW.date()),
            "two",
            NOW,
            FindingDelivery.HELD_BACK,
            id="expected",
        ),
    ],
)
def test_delivery(
    record: FindingRecord, what: FilterDecision, claimant: str, now: datetime, delivery: FindingDelivery
) -> None:
    assert planned(record, what, claimant, now).delivery is delivery


def test_an_older_end_changes_nothing() -> None:
    """ACTIVE, then an older CLOSED, then ACTIVE: the finding was published before."""
    record = published(FIRST)
    plan = planned(record, decision(status="CLOSED", updatedAt=EARLIER))
    assert plan == DeliveryPlan(FindingDelivery.IGNORED, None, is_current=False)
    assert planned(record, FIRST).delivery is FindingDelivery.PUBLISHED_BEFORE


def test_an_end_that_is_older_than_an_unchanged_repetition_changes_nothing() -> None:
    seen = written(published(FIRST), decision(updatedAt=LATER))
    between = decision(status="CLOSED", updatedAt="Thu Sep 05 20:00:00 UTC 2024")
    assert planned(seen, between) == DeliveryPlan(FindingDelivery.IGNORED, None, is_current=False)


def test_what_is_remembered_already_costs_no_write() -> None:
    assert planned(published(FIRST), FIRST) == DeliveryPlan(FindingDelivery.PUBLISHED_BEFORE)
    ended = written(published(FIRST), CLOSED)
    assert planned(ended, CLOSED) == DeliveryPlan(FindingDelivery.IGNORED)
    vulnerability = decision(type="PACKAGE_VULNERABILITY", networkReachabilityDetails=None, status="CLOSED")
    assert planned(no_record("1", "x"), vulnerability) == DeliveryPlan(FindingDelivery.IGNORED)


def test_every_write_counts() -> None:
    revisions = [CLAIM.revision, confirm(CLAIM, FIRST, NOW).revision, release(CLAIM).revision]
    assert revisions == [1, 2, 2]
    again = written(published(FIRST), FIRST, "two", NOW + PUBLISHED_AGAIN_AFTER)
    assert (again.revision, again.published) == (3, "")


def test_a_claim_on_something_new_keeps_what_was_published() -> None:
    record = written(published(FIRST), decision((22, 23)))
    assert planned(release(record), FIRST, "three").delivery is FindingDelivery.PUBLISHED_BEFORE


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
    assert fingerprint(decision((22, 23), protocol="ALL")) != fingerprint(unfiltered), "ports that could not be read"
    assert fingerprint(decision(tags=tags, title="other", lastObservedAt=LATER)) == fingerprint(FIRST)


VULNERABILITY: dict[str, Any] = {
    "type": "PACKAGE_VULNERABILITY",
    "title": "CVE-2024-0001 - openssl",
    "networkReachabilityDetails": None,
    "inspectorScore": 7.5,
    "fixAvailable": "NO",
    "exploitAvailable": "NO",
    "packageVulnerabilityDetails": {
        "vulnerabilityId": "CVE-2024-0001",
        "vendorUpdatedAt": 1718669400.0,
        "cvss": [{"baseScore": 7.5, "scoringVector": "CVSS:3.1/AV:N", "source": "NVD", "version": "3.1"}],
        "vulnerablePackages": [{"name": "openssl", "version": "1.1.1", "fixedInVersion": "NotAvailable"}],
    },
}
_DETAILS: dict[str, Any] = VULNERABILITY["packageVulnerabilityDetails"]


def passed(**changes: Any) -> FilterDecision:
    """The delivery of a finding about a package, where such findings are passed on."""
    finding = parse_v2(v2_event(**{**VULNERABILITY, **changes}))
    return decide(finding, section(other_findings="pass"), PortSet(), date(2026, 11, 22))


def details(**changes: Any) -> dict[str, Any]:
    return {"packageVulnerabilityDetails": {**_DETAILS, **changes}}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"updatedAt": LATER, "lastObservedAt": 1725580000.0}, id="times"),
        pytest.param({"inspectorScore": 8.1, "inspectorScoreDetails": {"adjustedCvss": {"score": 8.1}}}, id="score"),
        pytest.param({"epss": {"score": 0.02}}, id="EPSS"),
        pytest.param({"exploitabilityDetails": {"lastKnownExploitAt": 1725580000.0}}, id="date of an exploit"),
        pytest.param({"description": "reworded", "remediation": {"recommendation": {"text": "x"}}}, id="prose"),
        pytest.param(details(vendorUpdatedAt=1725580000.0, vendorSeverity="high"), id="the vendor's dates and opinion"),
        pytest.param(details(cvss=[{"baseScore": 9.1, "source": "NVD"}]), id="CVSS"),
        pytest.param(details(referenceUrls=["https://example.com"], sourceUrl="https://example.com"), id="links"),
        pytest.param({"somethingNewThatAwsAdds": 3}, id="a member that is not known today"),
    ],
)
def test_a_finding_that_drifts_is_the_same_finding(changes: dict[str, Any]) -> None:
    assert planned(published(passed()), passed(**changes)).delivery is FindingDelivery.PUBLISHED_BEFORE


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"severity": "HIGH"}, id="severity"),
        pytest.param({"fixAvailable": "YES"}, id="a fix"),
        pytest.param({"exploitAvailable": "YES"}, id="an exploit"),
        pytest.param(
            details(vulnerablePackages=[{"name": "openssl", "version": "1.1.1", "fixedInVersion": "1.1.2"}]),
            id="the version that mends it",
        ),
        pytest.param(details(vulnerabilityId="CVE-2024-0002"), id="another vulnerability"),
        pytest.param({"resources": [{"type": "AWS_EC2_INSTANCE", "id": "i-2"}]}, id="another resource"),
    ],
)
def test_a_finding_that_changed_is_published_again(changes: dict[str, Any]) -> None:
    assert planned(published(passed()), passed(**changes)).delivery is FindingDelivery.PUBLISH


def test_findings_of_classics_other_packages_do_not_drift() -> None:
    attributes = [{"key": "CVE_ID", "value": "CVE-2016-0001"}, {"key": "package_name", "value": "openssl"}]

    def found(run: str, score: str, **changes: Any) -> FilterDecision:
        raw = {
            **classic_port(),
            "arn": f"arn:aws:inspector:us-east-1:123456789012:target/0-a/template/0-b/run/{run}/finding/1",
            "id": "CVE-2016-0001",
            "title": "vulnerable to CVE-2016-0001",
            "attributes": [*attributes, {"key": "CVSS3_SCORE", "value": score}],
            **changes,
        }
        return decide(parse_classic(raw), section(other_findings="pass"), PortSet(), date(2026, 11, 22))

    assert fingerprint(found("1", "7.5")) == fingerprint(found("1", "7.6", numericSeverity=7.6, confidence=9))
    assert fingerprint(found("1", "7.5")) != fingerprint(found("1", "7.5", id="CVE-2016-0002"))


def test_findings_without_an_arn_are_told_apart_by_what_they_hold() -> None:
    this, two = (decision(findingArn=None, title=text) for text in ("one", "two"))
    assert record_id(this.finding) != record_id(two.finding)
    assert record_id(this.finding) == record_id(decision(findingArn=None, title="one", updatedAt=LATER).finding)
    strange = [parse_v2({"source": "aws.inspector2", "detail": {"x": number}}) for number in (1, 2)]
    assert record_id(strange[0]) != record_id(strange[1]), "nothing in it counts: the whole does"


def test_classic_finds_the_same_in_every_run() -> None:
    monday = published(classic("monday", 1))
    tuesday = classic("tuesday", 7)
    assert record_id(tuesday.finding) == monday.issue_id
    assert planned(monday, tuesday).delivery is FindingDelivery.PUBLISHED_BEFORE
    assert planned(monday, classic("monday", 1)).delivery is FindingDelivery.PUBLISHED_BEFORE
    assert planned(monday, classic("monday", 2)).delivery is FindingDelivery.PUBLISH
    assert record_id(classic("tuesday", 1, severity="High").finding) == monday.issue_id
    assert planned(monday, classic("tuesday", 1, severity="High")).delivery is FindingDelivery.PUBLISH


SEEN = FIRST.finding.updated
PRINT = fingerprint(FIRST)
LATER_TIME = datetime(2024, 9, 6, tzinfo=UTC)


def test_a_claim_says_who_claims_what_until_when() -> None:
    record = FindingRecord("123456789012", "x", NOW + SECOND, published="old", finding_id="f", run="r", revision=4)
    expected = FindingRecord(
        "123456789012",
        "x",
        NOW + PUBLISHED_AGAIN_AFTER,
        published="old",
        finding_id="f",
        run="r",
        updated=SEEN,
        claim=PRINT,
        claimant="two",
        claimed_until=NOW + TIMEOUT,
        revision=5,
    )
    assert planned(record, FIRST) == DeliveryPlan(FindingDelivery.PUBLISH, expected)
    assert planned(replace(record, updated=NOW - 1000 * SECOND), decision(updatedAt=None)).record == replace(
        expected, updated=NOW - 1000 * SECOND
    )
    confirmed = confirm(expected, FIRST, NOW + SECOND)
    assert confirmed == FindingRecord(
        "123456789012",
        "x",
        NOW + SECOND + PUBLISHED_AGAIN_AFTER,
        published=PRINT,
        finding_id=FIRST.finding.id,
        updated=SEEN,
        revision=6,
    )
    assert release(expected) == replace(expected, claim="", claimant="", claimed_until=None, revision=6)


def test_of_an_expired_record_its_place_and_revision_stay() -> None:
    expired = FindingRecord("123456789012", "x", NOW, published=PRINT, finding_id="f", updated=NOW, revision=4)
    plan = planned(expired, FIRST)
    assert plan.record is not None
    assert (plan.delivery, plan.record.account_id, plan.record.issue_id) == (
        FindingDelivery.PUBLISH,
        "123456789012",
        "x",
    )
    assert (plan.record.published, plan.record.finding_id, plan.record.revision) == ("", "", 5)


def test_a_newer_time_of_what_was_published_is_remembered() -> None:
    record = published(FIRST)
    newer = decision(updatedAt=LATER)
    assert planned(record, newer) == DeliveryPlan(
        FindingDelivery.PUBLISHED_BEFORE, replace(record, updated=LATER_TIME, revision=record.revision + 1)
    )
    assert planned(replace(record, updated=None), FIRST).record == replace(record, revision=record.revision + 1)
    assert planned(published(newer), FIRST) == DeliveryPlan(FindingDelivery.PUBLISHED_BEFORE, is_current=False)


def test_what_is_older_than_what_was_published_is_not_current() -> None:
    assert planned(published(decision((1, 2), updatedAt=LATER)), FIRST) == DeliveryPlan(
        FindingDelivery.OUTDATED, is_current=False
    )
    assert planned(CLAIM, FIRST) == DeliveryPlan(FindingDelivery.IN_PROGRESS)


@pytest.mark.parametrize("record", [published(FIRST), CLAIM], ids=["published", "claimed"])
@pytest.mark.parametrize("updated", [LATER, None])
def test_the_end_of_a_finding_is_remembered_with_its_time(record: FindingRecord, updated: str | None) -> None:
    after = written(record, decision(status="CLOSED", updatedAt=updated), now=NOW + SECOND)
    assert after == replace(
        release(record),
        expires=NOW + SECOND + PUBLISHED_AGAIN_AFTER,
        published="",
        updated=LATER_TIME if updated else SEEN,
    )


def test_the_end_of_a_finding_that_nobody_published_is_remembered_if_it_is_news() -> None:
    nothing = no_record("123456789012", "x")
    assert nothing == FindingRecord("123456789012", "x", datetime(1970, 1, 1, tzinfo=UTC), revision=0)
    assert planned(nothing, decision(status="CLOSED", updatedAt=None)) == DeliveryPlan(FindingDelivery.IGNORED)
    assert planned(replace(nothing, updated=SEEN), CLOSED).record is not None, "the record has expired"
    seen = replace(nothing, updated=SEEN, expires=NOW + SECOND)
    assert planned(seen, CLOSED) == DeliveryPlan(FindingDelivery.IGNORED)
    assert planned(seen, decision(status="CLOSED", updatedAt=LATER)).record == replace(
        seen, updated=LATER_TIME, expires=NOW + PUBLISHED_AGAIN_AFTER, revision=1
    )


@pytest.mark.parametrize("status", ["ACTIVE", "CLOSED"])
def test_a_time_that_cannot_be_yet_makes_no_later_event_an_outdated_one(status: str) -> None:
    """`20240618002704`, taken for milliseconds, is a day of the year 2611."""
    ahead = decision(status=status, updatedAt="20240618002704")
    record = published(ahead) if status == "ACTIVE" else written(published(FIRST), ahead)
    assert record.updated in {None, SEEN}
    for stored in (record, replace(record, updated=NOW + timedelta(days=1) + SECOND)):
        assert planned(stored, decision((1, 2))).delivery is FindingDelivery.PUBLISH
    tomorrow = replace(record, updated=NOW + timedelta(days=1))
    assert planned(tomorrow, decision((1, 2))).delivery is FindingDelivery.OUTDATED


def test_a_record_that_does_not_say_when_it_expires_is_none() -> None:
    with pytest.raises(ValueError, match=r"^the record x does not say when it expires$"):
        FindingRecord.from_item({"issue_id": "x", "expires": None})


def test_every_part_of_a_record_is_kept() -> None:
    whole = FindingRecord("1", "x", NOW, "p", "f", "r", NOW, "c", "who", NOW, 7)
    assert whole.to_item() == {
        "account_id": "1",
        "issue_id": "x",
        "expires_at": int(NOW.timestamp()),
        "expires": "2026-11-22T12:00:00+00:00",
        "told": "p",
        "finding_id": "f",
        "run": "r",
        "updated": "2026-11-22T12:00:00+00:00",
        "claim": "c",
        "claimant": "who",
        "claimed_until": "2026-11-22T12:00:00+00:00",
        "revision": 7,
    }
    assert FindingRecord.from_item(whole.to_item()) == whole
    nothing = no_record("1", "x")
    assert (nothing.to_item()["updated"], FindingRecord.from_item(nothing.to_item())) == (None, nothing)


def test_classic_findings_of_other_ports_are_others() -> None:
    this, two = (classic("monday", 1).finding, replace(classic("monday", 1).finding, ports=PortSet.parse(["tcp/1"])))
    assert record_id(this) != record_id(two)


def test_what_came_is_told_apart_by_what_is_in_lists_and_not_by_the_order_of_its_parts() -> None:
    def unread(raw: dict[str, Any]) -> str:
        return record_id(replace(FIRST.finding, arn="", raw=raw))

    assert unread({"a": 1, "b": 2}) == unread({"b": 2, "a": 1})
    assert unread({"a": [{"b": 1}]}) != unread({"a": [{"b": 2}]})
    assert unread({"resources": [{"id": "i-1", "tags": 1}]}) == unread({"resources": [{"id": "i-1", "tags": 2}]})
    assert unread({"resources": [{"id": "1"}, {"id": "2"}]}) == unread({"resources": [{"id": "2"}, {"id": "1"}]})
    assert unread({"at": NOW}) != unread({"at": NOW + SECOND})
