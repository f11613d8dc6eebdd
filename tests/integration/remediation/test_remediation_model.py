"""The same random plans applied to the emulated EC2, compared with the model of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from library.security_groups.group import IngressRule, SecurityGroup
from remediation.change import authorize, revoke
from remediation.eligibility import Policy
from remediation.group_state import describe_live
from remediation.rules import ip_permission_of
from tests.builders.remediation_cases import LISTS, Model, check, groups, policies, summary
from tests.worlds.remediation_world import World, world


@pytest.fixture(name="world", scope="module")
def _world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as made:
        yield made


@pytest.fixture(scope="module")
def lists(world: World) -> dict[str, str]:
    """The prefix lists of the cases, made once: name in the cases and id."""
    return {name: world.prefix_list(*map(str, entries)) for name, entries in LISTS.items()}


@pytest.fixture(scope="module")
def other(world: World) -> str:
    """The group to which rules refer."""
    return world.group()


# Shrinking would be done with calls of AWS: the same check runs without them in the unit tests.
@settings(
    max_examples=150,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(groups(), policies())
def test_ec2_and_the_model_agree(
    world: World, lists: dict[str, str], other: str, group: SecurityGroup, policy: Policy
) -> None:
    plan = check(group, policy)
    if plan is None:
        return
    client: Any = world.ec2()

    def there(rule: IngressRule) -> IngressRule:
        """A rule with the ids that EC2 gave."""
        # The emulator forgets the descriptions of rules of prefix lists.
        if rule.prefix_list_id:
            return rule._replace(prefix_list_id=lists[rule.prefix_list_id], description="")
        return rule._replace(group_id=other if rule.group_id else "")

    group_id = world.group()
    for rule in group.ingress:
        single = ip_permission_of(
            rule._replace(group_id="", cidr=rule.cidr or "0.0.0.0/0") if rule.group_id else there(rule)
        )
        if rule.group_id:
            single.pop("IpRanges")
            single["UserIdGroupPairs"] = [{"GroupId": other, "Description": rule.description}]
        authorize(client, group_id, [single])
    live = describe_live(client, group_id)
    assert live is not None
    assert summary(live.group.ingress) == summary(tuple(map(there, group.ingress)))
    ids = {rule._replace(rule_id=""): rule.rule_id for rule in live.group.ingress}
    if plan.add:
        authorize(client, group_id, [ip_permission_of(there(rule)) for rule in plan.add])
    revoke(client, group_id, [ids[there(rule)._replace(rule_id="")] for rule in plan.revoke])

    live = describe_live(client, group_id)
    assert live is not None
    after = Model(group.ingress).apply(plan)
    assert summary(live.group.ingress) == summary(tuple(map(there, after.rules)))
