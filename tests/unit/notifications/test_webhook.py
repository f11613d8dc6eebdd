"""The webhook's events and their signature: pure, so whole bodies are asserted."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from library.aws.secrets import SecretError, SecretReader
from library.issues.change_notifications import new_notification
from library.issues.decision_record import Decision, DecisionKind, Untold, Via
from library.issues.issue import Issue, IssueDetails, Status, Timestamps
from library.notifications.webhook import signed_headers
from library.notifications.webhook_events import (
    MOST_BYTES,
    EventType,
    Subject,
    WebhookEvent,
    change_event,
    decision_event,
    issue_event,
)
from library.security_groups.exposure import Exposure

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
SSH = Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely")
DETAILS = IssueDetails("web", "eu-west-1", "vpc-1", "open_completely", {"owner": "ana"}, (SSH,))
ISSUE = Issue(
    *("123456789012", "sg-1", Status.OPEN, DETAILS, Timestamps(identified=NOW)), jira_details={"ticket": "SEC-1"}
)
SUBJECT = Subject("shop", "https://jira.example.com/browse/SEC-1", "https://console.example.com/sg-1")


def event(issue: Issue = ISSUE, kind: EventType = EventType.NEW, *key: object, text: str = "Open.") -> WebhookEvent:
    return issue_event(issue, SUBJECT, kind, at=NOW, occurrence=issue.occurrence, key=key, reason="new", text=text)


def read(this: WebhookEvent) -> Any:
    return json.loads(this.body)


def test_an_event_says_everything_about_its_issue() -> None:
    this = event()
    assert read(this) == {
        "version": 1,
        "id": this.id,
        "type": "new",
        "time": "2026-11-22T03:00:00+00:00",
        "reason": "new",
        "text": "Open.",
        "issue": {
            "id": "123456789012/sg-1",
            "kind": "security group",
            "account_id": "123456789012",
            "account_name": "shop",
            "region": "eu-west-1",
            "group_id": "sg-1",
            "name": "web",
            "vpc_id": "vpc-1",
            "status": "open",
            "exposure": "open_completely",
            "severity": "high",
            "verdict": None,
            "occurrence": 1,
            "timestamps": {
                "identified": "2026-11-22T03:00:00+00:00",
                **dict.fromkeys(("updated", "reported", "remediated", "resolved", "closed")),
            },
            "perms": [
                {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "0.0.0.0/0", "status": "open_completely"}
            ],
            "perms_total": 1,
            "tags": {"owner": "ana"},
            "ticket": "SEC-1",
            "ticket_url": "https://jira.example.com/browse/SEC-1",
            "console_url": "https://console.example.com/sg-1",
        },
    }


def test_the_same_event_has_the_same_id() -> None:
    assert event().id == event().id == event(text="In other words.").id


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(event(replace(ISSUE, issue_id="sg-2")), id="group"),
        pytest.param(event(replace(ISSUE, account_id="210987654321")), id="account"),
        pytest.param(event(replace(ISSUE, occurrence=2)), id="occurrence"),
        pytest.param(event(ISSUE, EventType.CHANGED), id="type"),
        pytest.param(event(ISSUE, EventType.NEW, 1), id="key"),
    ],
)
def test_another_event_has_another_id(other: WebhookEvent) -> None:
    assert other.id != event().id


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("Remediated", "remediated"),
        ("Completed", "remediated"),
        ("Not remediated", "refused"),
        ("Not complete yet", "refused"),
        ("Not restored", "refused"),
        ("Restore not complete", "refused"),
        ("Restored", "decided"),
        ("Released", "decided"),
    ],
)
def test_what_remediation_did_has_its_type(heading: str, kind: str) -> None:
    notification = new_notification(1, NOW, heading, "Hammer closed the group.", ("Backup: s3://b/k",), webhook=True)
    said = read(change_event(ISSUE, SUBJECT, notification))
    assert (said["type"], said["reason"], said["text"]) == (kind, heading, "Hammer closed the group.")
    assert said["change"] == {"heading": heading, "details": ["Backup: s3://b/k"]}


DECISION = Decision(DecisionKind.EXEMPT, "U1", Via.SLACK, NOW, 1, "a reason", date(2026, 12, 1))


@pytest.mark.parametrize(
    ("decision", "text"),
    [
        pytest.param(DECISION, "U1 decided exempt in slack", id="done"),
        pytest.param(
            DECISION.refused("it is over"),
            "U1 wanted to decide exempt in slack, and was refused: it is over",
            id="refused",
        ),
    ],
)
def test_a_decision(decision: Decision, text: str) -> None:
    said = read(decision_event(ISSUE, SUBJECT, Untold(3, decision, ticket=False)))
    assert (said["type"], said["reason"], said["text"]) == ("decided", "exempt", text)
    assert said["decision"] == decision.to_item()


def test_a_finding_has_no_group_id() -> None:
    with pytest.raises(KeyError):
        read(event(replace(ISSUE, issue_id="finding-1")))["issue"]["group_id"]


def test_what_does_not_print_is_spelled_out() -> None:
    untrusted = replace(ISSUE, details=replace(DETAILS, name="a\x1b[2J\ud800\u202e", tags={"k\n": "v\0"}))
    said = read(event(untrusted, text="two\nlines"))
    assert said["issue"]["name"] == "a\\x1b[2J\\ud800\\u202e"
    assert said["issue"]["tags"] == {"k\\n": "v\\x00"}
    assert said["text"] == "two\\nlines"


@pytest.mark.parametrize("text", ["x", "\U0001f525", "\0"])
def test_a_body_is_bounded(text: str) -> None:
    perms = tuple(SSH._replace(cidr=f"{text * 300}{number}") for number in range(1000))
    tags = {f"{text * 128}{number}": text * 256 for number in range(100)}
    huge = replace(ISSUE, details=replace(DETAILS, name=text * 5000, perms=perms, tags=tags))
    notification = new_notification(1, NOW, "Remediated", text * 9000, (text * 9000,) * 90, webhook=True)
    for this in (event(huge, text=text * 90_000), change_event(huge, SUBJECT, notification)):
        assert len(this.body) <= MOST_BYTES
        assert read(this)["issue"]["perms_total"] == 1000
        about = read(this)["issue"]
        assert about.get("shortened", len(about["perms"]) == 100)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    # The example of the specification and of its libraries' tests.
    key = SecretReader(_no_client, {"HAMMER_WEBHOOK_SECRET": '{"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}'})
    this = WebhookEvent("msg_p5jXN8AQM9LWM0D4loKWxJek", EventType.NEW, b'{"test": 2432232314}')
    assert signed_headers(this, key.webhook("").key, datetime.fromtimestamp(1614265330, UTC)) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def _no_client() -> Any:
    raise AssertionError("AWS was asked")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param('{"secret": "plain text ü"}', "plain text ü".encode(), id="text"),
        pytest.param('{"secret": " whsec_' + b64encode(b"\0\1").decode() + '\\n"}', b"\0\1", id="base64"),
    ],
)
def test_keys(text: str, key: bytes) -> None:
    secret = SecretReader(_no_client, {"HAMMER_WEBHOOK_SECRET": text}).webhook("hammer/webhook")
    assert secret.key == key
    assert repr(secret) == "WebhookSecret()"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        pytest.param("s3cr3t", "is not a JSON object", id="no JSON"),
        pytest.param('{"token": "s3cr3t"}', 'must be {"secret": …}', id="another name"),
        pytest.param('{"secret": ""}', 'must be {"secret": …}', id="empty"),
        pytest.param('{"secret": "whsec_s3cr3t!"}', "what follows is not base64", id="no base64"),
        pytest.param('{"secret": "whsec_"}', "what follows is not base64", id="nothing after the prefix"),
    ],
)
def test_wrong_keys_are_named_without_themselves(text: str, wrong: str) -> None:
    with pytest.raises(SecretError) as error:
        SecretReader(_no_client, {"HAMMER_WEBHOOK_SECRET": text}).webhook("hammer/webhook")
    assert wrong in str(error.value)
    assert "s3cr3t" not in str(error.value)
