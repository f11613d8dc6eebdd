"""What is remembered of a finding, and when it is told again."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from identification.inspector.delivery import (
    CLAIMED_FOR,
    TOLD_AGAIN_AFTER,
    FindingRecord,
    Telling,
    claimed,
    confirmed,
    fingerprint,
    nothing_told,
    over,
    record_id,
    released,
    weigh,
)
from identification.inspector.expected_ports import Decision, decide
from identification.inspector.finding import parse_classic, parse_v2
from library.network.ports import PortSet
from tests.builders.inspector_samples import classic_port, section, v2_event

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def decision(*arguments: Any, **values: Any) -> Decision:
    return decide(parse_v2(v2_event(*arguments, **values)), section(), PortSet(), date(2026, 11, 22))


def classic(run: str, number: int, **changes: Any) -> Decision:
    arn = f"arn:aws:inspector:us-east-1:123456789012:target/0-a/template/0-b/run/{run}/finding/{number}"
    return decide(parse_classic({**classic_port(), "arn": arn, **changes}), section(), PortSet(), date(2026, 11, 22))


def told(what: Decision, now: datetime = NOW) -> FindingRecord:
    record = nothing_told("123456789012", record_id(what.finding))
    return confirmed(claimed(record, what, "one", now), what, now)


FIRST = decision()
CLAIM = claimed(nothing_told("123456789012", "x"), FIRST, "one", NOW)
LATER = "Fri Sep 06 00:00:00 UTC 2024"
EARLIER = "Wed Sep 04 00:00:00 UTC 2024"


@pytest.mark.parametrize(
    ("record", "what", "claimant", "now", "telling"),
    [
        pytest.param(nothing_told("1", "x"), FIRST, "one", NOW, Telling.TELL, id="never told"),
        pytest.param(told(FIRST), FIRST, "two", NOW, Telling.TOLD, id="told"),
        pytest.param(told(FIRST), decision(updatedAt=LATER), "two", NOW, Telling.TOLD, id="seen again"),
        pytest.param(told(FIRST), decision((22, 23)), "two", NOW, Telling.TELL, id="changed"),
        pytest.param(told(FIRST), decision((1, 2), updatedAt=EARLIER), "two", NOW, Telling.OUTDATED, id="outdated"),
        pytest.param(told(FIRST), FIRST, "two", NOW + TOLD_AGAIN_AFTER - SECOND, Telling.TOLD, id="not yet expired"),
        pytest.param(told(FIRST), FIRST, "two", NOW + TOLD_AGAIN_AFTER, Telling.TELL, id="expired"),
        pytest.param(CLAIM, FIRST, "two", NOW, Telling.BEING_TOLD, id="claimed by another"),
        pytest.param(CLAIM, FIRST, "one", NOW, Telling.TELL, id="claimed by a failed try of its own"),
        pytest.param(CLAIM, decision((22, 23)), "two", NOW, Telling.TELL, id="something else is claimed"),
        pytest.param(CLAIM, FIRST, "two", NOW + CLAIMED_FOR - SECOND, Telling.BEING_TOLD, id="claim holds"),
        pytest.param(CLAIM, FIRST, "two", NOW + CLAIMED_FOR, Telling.TELL, id="claim ran out"),
        pytest.param(released(CLAIM), FIRST, "two", NOW, Telling.TELL, id="claim given up"),
        pytest.param(over(told(FIRST), FIRST.finding, NOW), FIRST, "two", NOW, Telling.TELL, id="it was over"),
        pytest.param(
            over(told(FIRST), decision(updatedAt=LATER).finding, NOW),
            FIRST,
            "two",
            NOW,
            Telling.OUTDATED,
            id="late copy",
        ),
    ],
)
def test_weigh(record: FindingRecord, what: Decision, claimant: str, now: datetime, telling: Telling) -> None:
    assert weigh(record, what, claimant, now) is telling


def test_every_write_counts() -> None:
    revisions = [CLAIM.revision, confirmed(CLAIM, FIRST, NOW).revision, released(CLAIM).revision]
    assert revisions == [1, 2, 2]
    again = claimed(told(FIRST), FIRST, "two", NOW + TOLD_AGAIN_AFTER)
    assert (again.revision, again.told) == (3, "")


def test_a_claim_on_something_new_keeps_what_was_told() -> None:
    record = claimed(told(FIRST), decision((22, 23)), "two", NOW)
    assert weigh(released(record), FIRST, "three", NOW) is Telling.TOLD


@pytest.mark.parametrize("record", [CLAIM, told(FIRST)], ids=["claim", "told"])
def test_item_and_back(record: FindingRecord) -> None:
    item = record.to_item()
    assert item["expires_at"] == int((NOW + TOLD_AGAIN_AFTER).timestamp())
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
    monday = told(classic("monday", 1))
    tuesday = classic("tuesday", 7)
    assert record_id(tuesday.finding) == monday.issue_id
    assert weigh(monday, tuesday, "two", NOW) is Telling.TOLD
    assert weigh(monday, classic("monday", 1), "two", NOW) is Telling.TOLD
    assert weigh(monday, classic("monday", 2), "two", NOW) is Telling.TELL
    assert record_id(classic("tuesday", 1, severity="High").finding) == monday.issue_id
    assert weigh(monday, classic("tuesday", 1, severity="High"), "two", NOW) is Telling.TELL
