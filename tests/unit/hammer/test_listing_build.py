"""What is listed of an issue beyond what the table says: owner, name of the account, due day, exemption, controls."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from hammer.listing.controls import controls_broken, exposed_ports
from hammer.listing.issue import context_of, default_context, listed_detection, listed_issue
from library.issues.issue import Status, Timestamps
from library.network.ports import PortSet
from tests.builders.config_files import config_with, parse
from tests.builders.issues import DETAILS, EARLIER, RDP, SSH, a_detection, an_issue

CHECK = "secgrp_unrestricted_access"
ACCOUNT = "210987654321"
TODAY = date(2026, 11, 22)
REPORTED = EARLIER + timedelta(hours=1)
EXEMPTION = {"group": "sg-1", "expires": "2027-01-01", "reason": "a test", "author": "ana"}


def known(settings: dict[str, Any] | None = None, **files: Any) -> Any:
    return context_of(parse(config_with(settings or {}), **files), TODAY)


@pytest.mark.parametrize(
    ("tags", "owners", "expected"),
    [
        pytest.param({"owner": "ana", "bu": "retail"}, {"jira_owner": "bo"}, "ana", id="the tag comes first"),
        pytest.param({}, {"jira_owner": "bo", "slack_owner": ["#a", "#b"]}, "#a", id="then who is told in Slack"),
        pytest.param({}, {"jira_owner": "bo"}, "bo", id="then who gets the ticket"),
        pytest.param({}, {"jira_owner": "bo", "account": {ACCOUNT: {"jira_owner": "cy"}}}, "cy", id="of the account"),
        pytest.param(
            {"BU": "retail", "product": "shop"},
            {"bu": {"retail": {"jira_owner": "di", "product": {"shop": {"jira_owner": "ed"}}}}},
            "ed",
            id="of what other tags name",
        ),
        pytest.param({}, {}, "", id="nobody"),
    ],
)
def test_owners(tags: dict[str, str], owners: dict[str, Any], expected: str) -> None:
    context = known(ticket_owners=owners)
    assert listed_detection(a_detection(tags=tags), context).owner == expected


ON = {f"{CHECK}/remediation": True}


@pytest.mark.parametrize(
    ("settings", "issue", "days"),
    [
        pytest.param(ON, an_issue(), 21, id="after the retention period"),
        pytest.param(ON | {f"{CHECK}/remediation_retention_period": 0}, an_issue(), 0, id="at once"),
        pytest.param({}, an_issue(), None, id="remediation is off"),
        pytest.param(ON, an_issue(Status.WHITELISTED), None, id="exempt"),
        pytest.param(ON, an_issue(timestamps=Timestamps(identified=EARLIER)), None, id="not reported"),
        pytest.param(ON, an_issue(remediation_details={"restored": {"by": "ana"}}), None, id="restored"),
        pytest.param(ON | {f"{CHECK}/remediation_accounts": []}, an_issue(), None, id="another account"),
        pytest.param(ON | {f"{CHECK}/remediation_scope": ["open_partly"]}, an_issue(), None, id="out of scope"),
    ],
)
def test_when_remediation_may_close_it(settings: dict[str, Any], issue: Any, days: int | None) -> None:
    due = listed_issue(issue, known(settings)).due
    assert due == (None if days is None else REPORTED + timedelta(days=days))


def test_an_issue_is_listed_with_what_the_configuration_knows() -> None:
    flag = {"by": "bo", "at": "2026-11-20"}
    issue = an_issue(Status.WHITELISTED, remediation_details={"restored": flag})
    listed = listed_issue(issue, known(whitelist={CHECK: {ACCOUNT: [EXEMPTION]}}))
    assert (listed.account_id, listed.account_name, listed.group_id) == (ACCOUNT, "slave1", "sg-1")
    assert (listed.details, listed.status, listed.timestamps) == (DETAILS, Status.WHITELISTED, issue.timestamps)
    assert (listed.ticket, listed.restored) == ("SEC-1", "by bo at 2026-11-20")
    assert (listed.exempt_until, listed.exempt_reason) == (date(2027, 1, 1), "a test (ana)")
    assert (listed.ports, listed.controls) == (("tcp/22",), controls_broken(DETAILS))
    assert listed_issue(an_issue(), known(whitelist={CHECK: {ACCOUNT: [EXEMPTION]}})).exempt_until is None


@pytest.mark.parametrize("whitelisted", [True, False])
def test_a_detection_is_listed_so_too(whitelisted: bool) -> None:
    context = known(whitelist={CHECK: {ACCOUNT: [EXEMPTION]}})
    listed = listed_detection(a_detection(whitelisted), context)
    assert (listed.account_id, listed.account_name, listed.group_id) == (ACCOUNT, "slave1", "sg-1")
    assert (listed.details, listed.status) == (DETAILS, Status.WHITELISTED if whitelisted else Status.OPEN)
    expected = (date(2027, 1, 1), "a test (ana)") if whitelisted else (None, "")
    assert (listed.exempt_until, listed.exempt_reason) == expected
    assert (listed.ports, listed.controls) == (("tcp/22",), controls_broken(DETAILS))


def test_without_a_configuration() -> None:
    listed = listed_issue(an_issue(details=DETAILS), default_context(TODAY))
    assert (listed.account_name, listed.owner, listed.ports, listed.due) == (ACCOUNT, "", ("tcp/22",), None)
    assert listed_detection(a_detection(tags={"owner": "ana"}), default_context(TODAY)).owner == "ana"
    assert listed_detection(a_detection(whitelisted=True), default_context(TODAY)).exempt_until is None


@pytest.mark.parametrize(
    ("perms", "expected"),
    [
        pytest.param([SSH, RDP], ("tcp/22", "tcp/3389"), id="two rules"),
        pytest.param([("tcp", 0, 65535)], ("tcp/22", "tcp/3389"), id="a range"),
        pytest.param([("17", 53, 53)], ("udp/53",), id="a protocol's number"),
        pytest.param([("tcp", None, None)], ("tcp/22", "tcp/3389"), id="TCP without ports"),
        pytest.param([("-1", None, None), SSH], ("all", "tcp/22"), id="everything"),
        pytest.param([("50", None, None)], ("protocol 50",), id="a protocol without ports"),
        pytest.param([("tcp", 80, 22)], (), id="a range that ends before it begins"),
        pytest.param([("tcp", 443, 443)], (), id="no restricted port"),
    ],
)
def test_restricted_ports_that_rules_expose(perms: list[Any], expected: tuple[str, ...]) -> None:
    rules = [SSH._replace(protocol=perm[0], from_port=perm[1], to_port=perm[2]) for perm in perms]
    assert exposed_ports(rules, PortSet.parse(["tcp/22", "tcp/3389", "udp/53"])) == expected


@pytest.mark.parametrize(
    ("name", "perms", "expected"),
    [
        ("web", [("tcp", 22, 22, "0.0.0.0/0")], "EC2.13 EC2.18 EC2.19 EC2.53 5.2 AC-17 CM-7"),
        ("web", [("tcp", 22, 22, "::/0")], "EC2.13 EC2.18 EC2.19 EC2.54 5.3 AC-17 CM-7"),
        ("web", [("udp", 3389, 3389, "::/0")], "EC2.14 EC2.18 EC2.19 EC2.54 5.3 AC-17 CM-7"),
        ("web", [("tcp", 22, 22, "0.0.0.0/0"), ("tcp", 3389, 3389, "::/0"), ("tcp", 443, 443, "::/0")],
         "EC2.13 EC2.14 EC2.18 EC2.19 EC2.53 EC2.54 5.2 5.3 AC-17 CM-7"),
        ("web", [("-1", None, None, "0.0.0.0/0")], "EC2.13 EC2.14 EC2.18 EC2.19 EC2.53 5.2 AC-17 CM-7"),
        ("web", [("tcp", 80, 80, "0.0.0.0/0")], ""),
        ("web", [("udp", 80, 80, "0.0.0.0/0")], "EC2.18"),
        ("web", [("50", None, None, "0.0.0.0/0")], "EC2.18"),
        ("default", [("tcp", 27017, 27017, "0.0.0.0/0")], "EC2.2 EC2.18 5.4"),
    ],
)  # fmt: skip
def test_controls_that_are_broken(name: str, perms: list[Any], expected: str) -> None:
    details = a_detection(
        name=name, perms=tuple(SSH._replace(protocol=p[0], from_port=p[1], to_port=p[2], cidr=p[3]) for p in perms)
    ).details
    broken = {control.id for control in controls_broken(details) if control.standard in FRAMEWORKS}
    always = {"AC-4", "AC-4(21)", "SC-7", "SC-7(4)", "SC-7(5)", "SC-7(11)", "SC-7(16)", "SC-7(21)"}
    assert broken == {*expected.split(), *always}


FRAMEWORKS = (
    "AWS Foundational Security Best Practices v1.0.0",
    "CIS AWS Foundations Benchmark v3.0.0",
    "NIST SP 800-53 Rev. 5",
)
