"""Which refusals of EC2 stay, and until when the same is not tried again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from library.aws.failures import explain
from library.issues.schedule import Skipped, SkipReason
from library.security_groups.group import IngressRule
from remediation.change import is_lasting
from remediation.plan import Plan
from remediation.planning import (
    TRIED_AGAIN_AFTER,
    next_try,
    plan_fingerprint,
    refused_before,
    refused_item,
)

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SSH = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", description="ssh", rule_id="sgr-1")
TEN = IngressRule("tcp", 22, 22, cidr="10.0.0.0/8", description="Hammer: replaces 0.0.0.0/0 on 2026-11-22")
PLAN = Plan((TEN,), (SSH,))


def error(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "AuthorizeSecurityGroupIngress")


@pytest.mark.parametrize(
    ("raised", "lasts"),
    [
        pytest.param(error("OperationNotPermitted"), True, id="a service manages the group"),
        pytest.param(error("RulesPerSecurityGroupLimitExceeded"), True, id="quota"),
        pytest.param(
            error("UnauthorizedOperation", "with an explicit deny in a service control policy"), True, id="SCP"
        ),
        pytest.param(error("AccessDenied", "with an Explicit Deny in a resource control policy"), True, id="RCP"),
        pytest.param(error("UnauthorizedOperation", "no identity-based policy allows it"), False, id="not granted"),
        pytest.param(error("RequestLimitExceeded"), False, id="throttled"),
        pytest.param(error("InvalidGroup.NotFound"), False, id="gone"),
        pytest.param(ReadTimeoutError(endpoint_url="https://ec2"), False, id="timeout"),
        pytest.param(None, False, id="no answer"),
    ],
)
def test_what_stays(raised: Exception | None, lasts: bool) -> None:
    assert is_lasting(raised) is lasts


def test_what_aws_encodes_for_itself_is_not_told() -> None:
    said = "with an explicit deny. Encoded authorization failure message: AbC_d-9 (Service: Ec2)"
    assert explain(error("UnauthorizedOperation", said)).endswith("with an explicit deny. (Service: Ec2)")


def test_the_same_attempt_on_another_day_is_the_same() -> None:
    tomorrow = Plan((TEN._replace(description="Hammer: replaces 0.0.0.0/0 on 2026-11-23"),), (SSH,))
    assert plan_fingerprint([SSH], PLAN, ()) == plan_fingerprint([SSH], tomorrow, ())


@pytest.mark.parametrize(
    ("rules", "plan"),
    [
        pytest.param([SSH, TEN._replace(rule_id="sgr-2")], PLAN, id="another rule in the group"),
        pytest.param([SSH._replace(rule_id="sgr-3")], PLAN, id="the same rule made anew"),
        pytest.param([SSH._replace(from_port=21)], PLAN, id="a rule was edited"),
        pytest.param([SSH], replace(PLAN, add=(TEN._replace(cidr="172.16.0.0/12"),)), id="another source"),
        pytest.param([SSH], replace(PLAN, revoke=()), id="nothing to revoke"),
        pytest.param([SSH], Skipped(SkipReason.FIXED, "safe already"), id="no plan"),
    ],
)
def test_another_group_or_plan_is_another_attempt(rules: list[IngressRule], plan: Plan | Skipped) -> None:
    assert plan_fingerprint(rules, plan, ()) != plan_fingerprint([SSH], PLAN, ())


REFUSED = {"refused": refused_item("x", "no", NOW)}
OVER = NOW + TRIED_AGAIN_AFTER


@pytest.mark.parametrize(
    ("details", "attempt", "now", "reason"),
    [
        pytest.param(REFUSED, "x", NOW, "no", id="just now"),
        pytest.param(REFUSED, "x", OVER - SECOND, "no", id="still"),
        pytest.param(REFUSED, "x", OVER, "", id="a week later"),
        pytest.param(REFUSED, "y", NOW, "", id="another attempt"),
        pytest.param(REFUSED, "x", NOW - SECOND, "", id="a time to come"),
        pytest.param({}, "x", NOW, "", id="never"),
        pytest.param({"refused": None}, "x", NOW, "", id="forgotten"),
        pytest.param({"refused": "x"}, "x", NOW, "", id="no map"),
        pytest.param({"refused": {"attempt": "x", "at": "then"}}, "x", NOW, "", id="no time"),
        pytest.param({"refused": {"attempt": "x", "at": 7}}, "x", NOW, "", id="a number for a time"),
    ],
)
def test_until_when_it_is_not_tried_again(details: dict[str, Any], attempt: str, now: datetime, reason: str) -> None:
    assert refused_before(details, attempt, now) == reason


def test_people_see_when_it_is_tried_again() -> None:
    assert next_try(REFUSED, NOW) == (
        " It is tried again when the group or its plan changes, at the latest after 2026-11-29 03:00 UTC."
    )
    assert (next_try(REFUSED, OVER), next_try({}, NOW)) == ("", "")
