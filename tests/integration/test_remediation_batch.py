"""`hammer remediate --batch` against the emulated AWS, as cron runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.remediation_world import ANYWHERE, MAIN, MEMBER, REGION, World, permission, world


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


@pytest.mark.parametrize("account", [MAIN, MEMBER])
def test_a_due_group_is_closed_backed_up_and_recorded(world: World, account: str) -> None:
    group = world.group(
        permission("tcp", (22, 22), ANYWHERE, "8.8.8.0/24", "10.1.0.0/16", about="ssh"),
        permission("tcp", (443, 443), ANYWHERE),
        account=account,
    )
    world.issue(group, account)
    before = world.described(group, account)
    egress = before["IpPermissionsEgress"]

    result = world.remediate("--batch")

    assert result.exit_code == 0, result.output
    assert world.rules(group, account) == {
        *(("tcp", 22, 22, cidr) for cidr in (*PRIVATE, "8.8.8.0/24", "10.1.0.0/16")),
        ("tcp", 443, 443, ANYWHERE),
    }
    assert world.described(group, account)["IpPermissionsEgress"] == egress
    issue = world.stored(group, account)
    assert issue.timestamps.remediated is not None
    assert issue.status == "open"
    key = issue.remediation_details["backup"]
    assert key.startswith(f"security_groups/{account}/{REGION}/{group}_")
    assert key.endswith("Z.json")
    (backup,) = world.backups_of(group, account)
    assert {name: backup[name] for name in before if name != "IpPermissions"} == {
        name: before[name] for name in before if name != "IpPermissions"
    }
    assert issue.remediation_details["journal"]["step"] == "done"
    assert "1 remediated" in result.output
