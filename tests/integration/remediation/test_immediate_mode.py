"""Immediate mode of remediation on EC2: what the group opens now is judged again before it is closed at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from library.issues.issue import ClosingNotice, Issue
from library.issues.reachability import Reachability, Sources, Verdict
from tests.worlds.remediation_world import ANYWHERE, NOW, World, permission, world

CRITICAL = Reachability.of(Verdict.INTERNET, Sources.ALL, "open_completely")
NOTIFIED = ClosingNotice(NOW - timedelta(minutes=2), occurrence=0).to_item()
SSH = permission("tcp", (22, 22), ANYWHERE)
OFFICE = permission("tcp", (3389, 3389), "8.8.8.0/24")


@pytest.fixture
def given(tmp_path: Path) -> Iterator[World]:
    section: dict[str, Any] = {
        "remediation_retention_period": 21,
        "remediation_immediate": {"*": ["critical"]},
        "remediation_scope": ["open_completely", "open_partly"],
    }
    with world(tmp_path, **section) as made:
        yield made


def told_at_once(given: World, group_id: str) -> Issue:
    """An issue that was critical at the last look, and whose owners were told two minutes ago."""
    issue = given.issue(group_id)
    details = replace(issue.details, perms=given.exposures(group_id), reachability=CRITICAL).to_item()
    return given.issue(group_id, reported_days=0.01, issue_details=details, closing_notice=NOTIFIED)


def test_a_group_that_its_owner_has_narrowed_since_waits_for_its_date(given: World) -> None:
    group = given.group(SSH, OFFICE)
    told_at_once(given, group)
    given.ec2().revoke_security_group_ingress(GroupId=group, IpPermissions=[SSH])
    shown = given.remediate("--dry-run").output
    assert "which is not closed at once" in " ".join(shown.split()), "a dry run shows what a run would do"
    summary = given.batch()
    assert (summary.problems, summary.left) == ([], 1)
    assert given.exposed(group) == {("8.8.8.0/24", "open_partly")}
    assert given.backups_of(group) == []
    given.configure(remediation_immediate={"*": ["critical", "high"]})
    given.batch()
    assert given.exposed(group) == set()


def test_a_group_is_closed_as_a_whole(given: World) -> None:
    group = given.group(SSH, OFFICE)
    told_at_once(given, group)
    assert given.batch().problems == []
    assert given.exposed(group) == set()
    assert given.stored(group).timestamps.remediated is not None
