"""Rows of the issue table that somebody else wrote: no job crashes, and no group is changed because a row asks for it.

Every attribute of a row is poisoned, each in a row of its own, all in one table: the wrong values take turns. Their
groups expose nothing. Beside them is one honest row, whose group is exposed and due: every job still does its work.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.poisoned_rows import EVIL, MAIN, REGION, cases, poisoned, row
from tests.worlds.poisoned_world import hammer, poisoned_world, put
from tests.worlds.remediation_world import ANYWHERE, World, permission

pytestmark = pytest.mark.usefixtures("table_in_memory")

PRIVATE = permission("tcp", (22, 22), "10.1.2.0/24", about="theirs")
WEB = permission("tcp", (443, 443), ANYWHERE, about="web")


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> Iterator[World]:
    sections = {"usage": {"enabled": True}, "decisions": {"enabled": True}, "cronjobs": {"publishing": "0 6 * * *"}}
    with poisoned_world(tmp_path, sections, remediation_limit_per_run=10_000) as made:
        yield made


READING = (
    ("status",),
    ("issues",),
    ("issues", "--format", "html"),
    ("exemptions",),
    ("report", "--dry-run"),
    ("remediate", "--dry-run"),
)
WRITING = (("usage",), ("report",), ("remediate", "--batch"), ("publish",), ("identify",))
AFTERWARDS = (("status",), ("issues", "--format", "json"))


def test_every_job_does_its_work_beside_poisoned_rows_and_changes_no_group_for_them(made: World) -> None:
    open_group = made.group(permission("tcp", (22, 22), ANYWHERE))
    made.issue(open_group)
    private = made.group(PRIVATE, WEB)
    before = made.described(private)
    groups = []
    for number, (path, wrong) in enumerate(cases()):
        # One group in EC2 stands for all, whose rows have its name in their journals; the other rows' groups are gone.
        groups.append(f"sg-{number:017x}")
        put(made, poisoned(groups[-1], path, wrong))
    for wrong in (f"sg-{EVIL}", "sg-", "sg-../x", "finding-x"):
        put(made, {**row("sg-1"), "issue_id": wrong})
    put(made, poisoned(private, ("issue_details", "status"), "open_completely"))
    named = ("--account", MAIN, "--region", REGION, "--group", private)
    of_one = (("explain", *named), ("restore", "--batch", *named))
    for arguments in (*READING, *of_one, *WRITING, *AFTERWARDS):
        hammer(made, *arguments)
    assert made.described(private) == before
    assert made.exposed(open_group) == set(), "what is due is closed"
