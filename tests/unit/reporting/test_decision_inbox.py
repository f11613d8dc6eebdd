"""What an envelope of Slack's says, read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from library.issues.decision_record import DecisionKind
from reporting.decision_inbox import read_press

VALUE = "v1|987654321098|us-east-1|sg-0abc|3|0123456789abcdef|-"


def submitted(metadata: object) -> dict[str, Any]:
    return {
        "type": "view_submission",
        "team": {"id": "T1"},
        "user": {"id": "W1", "team_id": "T1"},
        "api_app_id": "A1",
        "view": {"id": "V1", "callback_id": "hammer_exempt", "private_metadata": metadata, "state": {"values": {}}},
    }


@pytest.mark.parametrize(
    ("metadata", "location"),
    [
        (json.dumps({"value": VALUE, "channel": "C1", "ts": "1.1"}), ("C1", "1.1")),
        (json.dumps({"value": VALUE}), ("", "")),
        (VALUE, ("", "")),
    ],
    ids=["with the message", "without it", "the button's value alone"],
)
def test_a_view_is_read(metadata: str, location: tuple[str, str]) -> None:
    press = read_press(submitted(metadata), "A1")
    assert press is not None
    assert (press.kind, press.raw_value, press.location) == (DecisionKind.EXEMPT, VALUE, location)


@pytest.mark.parametrize("metadata", [None, 7, "", "7", "[]", "null", json.dumps({"value": "v0|x"}), "v1|x"])
def test_what_carries_no_button_is_no_view_of_hammers(metadata: object, caplog: pytest.LogCaptureFixture) -> None:
    assert read_press(submitted(metadata), "A1") is None
    assert caplog.text == ""
