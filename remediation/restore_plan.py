"""The restore plan: how a group's ingress rules become again what a backup says.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from library.security_groups.group import IngressRule
from remediation.plan import RuleQuota
from remediation.rule_sets import RuleKey, rule_key


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What to change: first `add` and `describe`, then `revoke`.

    Attributes:
        add: rules of the backup that are gone.
        revoke: rules that Hammer made since, or all that the backup does not have; with their ids.
        describe: rules of the backup whose description is another one now.
        kept: rules made since by others, which stay.
        problem: why it cannot be done; empty: it can.
    """

    add: tuple[IngressRule, ...]
    revoke: tuple[IngressRule, ...]
    describe: tuple[IngressRule, ...]
    kept: tuple[IngressRule, ...] = ()
    problem: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether the group is already as it shall be."""
        return not (self.add or self.revoke or self.describe)


def plan_restore(
    backup: Sequence[IngressRule],
    now: Sequence[IngressRule],
    made_by_hammer: Iterable[IngressRule],
    quota: RuleQuota,
    *,
    exact: bool,
) -> RestorePlan:
    """What to change so that a group has its backup's rules again.

    Args:
        backup: the rules to have again.
        now: the rules as just described, with their ids.
        made_by_hammer: what Hammer's changes since the backup added.
        quota: how many rules the group may have: all are there before any is revoked.
        exact: revoke also what others made since.
    """
    wanted = {rule_key(rule): rule for rule in backup}
    there: dict[RuleKey, IngressRule] = {rule_key(rule): rule for rule in now}
    ours = {rule_key(rule) for rule in made_by_hammer}
    since = [rule for key, rule in there.items() if key not in wanted]
    add = tuple(rule for key, rule in wanted.items() if key not in there)
    excess = quota.exceeded((*now, *add)) if add else ""
    return RestorePlan(
        add=add,
        revoke=tuple(rule for rule in since if exact or rule_key(rule) in ours),
        describe=tuple(
            rule for key, rule in wanted.items() if key in there and there[key].description != rule.description
        ),
        kept=tuple(rule for rule in since if not exact and rule_key(rule) not in ours),
        problem=f"quota: with {len(add)} rules more it would have {excess}" if excess else "",
    )
