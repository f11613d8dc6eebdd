"""Somebody with write access to the table: rows and journals that are odd, or that lie, written at any moment.

An attribute gets a value of another type, or a row claims what is not so: that Hammer added an owner's rule, that its
change is not complete, that the group was restored, that its backup is another group's, that its ticket is.

What must be true whatever the row says: private access stays, nothing of an owner's but what is open to the Internet
is revoked, a restore brings back nothing but what was in this group, no job ends with an error of the code, and the
other groups go on. What people are told of the poisoned group, and whether it is closed, is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.access import cells, touched
from tests.simulation.actors import add_actor

if TYPE_CHECKING:
    from tests.simulation.ec2 import Rule
    from tests.simulation.world import World

_CHAOS_S = 3600.0
_ODD: tuple[dict[str, Any], ...] = (
    {"NULL": True},
    {"BOOL": True},
    {"BOOL": False},
    {"S": ""},
    {"S": "yes"},
    {"S": "\u2028<!channel> {code}"},
    {"S": "2099-01-01T00:00:00+00:00"},
    {"S": "0001-01-01T00:00:00"},
    {"N": "0"},
    {"N": "-1"},
    {"N": "1.5"},
    {"N": "1" * 38},
    {"L": []},
    {"L": [{"NULL": True}]},
    {"L": [{"S": "sg-1"}]},
    {"M": {}},
    {"M": {"a": {"S": "b"}}},
    {"M": {"at": {"N": "7"}, "occurrence": {"S": "one"}}},
    {"SS": ["a", "b"]},
    {"B": b"\x00"},
)
_KEPT = ("account_id", "issue_id")
_OFTEN_LIE = 0.5


@contextmanager
def poisoned(world: World) -> Iterator[None]:
    """Let somebody write rows while things go wrong, and once more before the healthy runs."""
    attacker = Attacker(world, Random(f"attacker {world.seed}"))  # noqa: S311 - a simulation, not a secret
    random = attacker.random
    for number in range(random.randint(2, 8)):
        at = world.now + random.uniform(0, random.choice([120.0, 600.0, _CHAOS_S]))
        add_actor(world, f"attacker {number}", at, partial(attacker.write), is_person=True)
    world.before_quiet += [attacker.write, attacker.claim_everything]
    world.watchers.append(attacker.watch)
    yield


class Attacker:
    """Whoever writes rows, and what may not come of it.

    Args:
        world: the world.
        random: decides what is written; apart, so that the rest of the history stays as it is.
    """

    def __init__(self, world: World, random: Random) -> None:
        self.random = random
        self._world = world

    def write(self) -> None:
        """Poison a group's row, or its journal. At most half of the groups are touched: the others must go on."""
        world, random = self._world, self.random
        known = [key for key in sorted(world.table.items) if key[1].startswith("sg-")]
        at_most = max(len(known) // 2, 1)
        chosen = [key for key in known if key[1] in world.poisoned] if len(world.poisoned) >= at_most else known
        if not chosen:
            return
        account_id, group_id = random.choice(chosen)
        if group_id in world.ec2[account_id].groups() or random.random() < _OFTEN_LIE:
            world.poisoned.add(group_id)
            lies = random.random() < _OFTEN_LIE and group_id in world.ec2[account_id].groups()
            (self._lie if lies else self._spoil)(account_id, group_id)

    def claim_everything(self) -> None:
        """Say of a group that was changed once that all its rules are Hammer's, and needed for nothing."""
        world = self._world
        changed = [
            (account_id, group_id, keys[0])
            for account_id, ec2 in sorted(world.ec2.items())
            for group_id, group in sorted(ec2.groups().items())
            if group.rules and (keys := self._own_backups(group_id)) and (account_id, group_id) in world.table.items
        ]
        if not changed or len(world.poisoned) > len(world.owned) // 2:
            return
        account_id, group_id, backup = self.random.choice(changed)
        world.poisoned.add(group_id)
        at = "2026-11-01T00:00:00+00:00"
        rules = [_wire(rule, at, rule.description) for rule in world.ec2[account_id].groups()[group_id].rules]
        texts = {"kind": "remediation", "step": "verifying", "backup": backup, "newest_backup": backup, "changed": at}
        journal = {
            **{name: {"S": text} for name, text in texts.items()},
            "add": {"L": [{"M": {**rule, "state": {"S": "added"}}} for rule in rules]},
            "revoke": {"L": []},
        }
        row = _copied(world.table.items[account_id, group_id])
        row["remediation_details"] = {"M": {"journal": {"M": journal}, "restored": {"NULL": True}}}
        world.note(f"   {group_id} lies: all its rules are Hammer's")
        world.table.items[account_id, group_id] = row
        self._name_in_lock(account_id, group_id)

    def _own_backups(self, group_id: str) -> list[str]:
        return [key for key in sorted(self._world.bucket.objects) if f"/{group_id}_" in key]

    def watch(
        self, account_id: str, operation: str, group_id: str, added: tuple[Rule, ...], removed: tuple[Rule, ...]
    ) -> None:
        """Hammer changes a group."""
        del account_id, operation, added
        world, actor = self._world, self._world.scheduler.current
        if actor is None or actor.is_person:
            return
        for rule in removed:
            is_right = world.is_hammers(rule) or bool(touched(cells([rule])))
            world.check(is_right, f"{group_id}: {rule} is its owner's, exposes nothing, and was revoked")

    def _spoil(self, account_id: str, group_id: str) -> None:
        """Give an attribute, at any depth, a value of another kind; or take it away."""
        world, random = self._world, self.random
        name = random.choice([group_id, group_id, f"journal#{group_id}"])
        item = world.table.items.get((account_id, name))
        if item is None or set(item) <= set(_KEPT):
            return
        copy = _copied(item)
        location, key, path = copy, random.choice([each for each in sorted(copy) if each not in _KEPT]), []
        while True:
            path.append(key)
            inner = location[key].get("M") or (location[key].get("L") or [{}])[0].get("M")
            if not inner or random.random() < 0.3:
                break
            location, key = inner, random.choice(sorted(inner))
        if random.random() < 0.15:
            del location[key]
        else:
            location[key] = _copied(random.choice(_ODD))
        world.note(f"   {name}: {'.'.join(path)} = {location.get(key)}")
        world.table.items[account_id, name] = copy

    def _lie(self, account_id: str, group_id: str) -> None:
        """Claim what is not so, in values of the right types."""
        world, random = self._world, self.random
        row = _copied(world.table.items[account_id, group_id])
        details = row.setdefault("remediation_details", {"M": {}})
        what = random.choice(("journal", "journal", "journal", "restored", "backup", "kept", "reported", "ticket"))
        if "M" not in details:
            details.clear()
            details["M"] = {}
        remediation = details["M"]
        if what == "journal":
            self._claim(account_id, group_id, remediation)
        elif what == "restored":
            remediation["restored"] = {"M": {"backup": {"S": self._some_backup()}, "by": {"S": "me"}}}
        elif what == "backup":
            remediation["backup"] = {"S": self._some_backup()}
        elif what == "kept":
            kept = {"cidr": {"S": "0.0.0.0/0"}, "by": {"S": "me"}, "at": {"S": world.clock().isoformat()}}
            remediation["kept"] = {"L": [{"M": kept}]}
        elif what == "reported" and "M" in row.get("timestamps", {}):
            row["timestamps"]["M"]["reported"] = {"S": "2020-01-01T00:00:00+00:00"}
        elif what == "ticket" and "M" in row.get("jira_details", {}):
            claimed = random.choice(["SEC-1", "SEC-2", "NONE-1", "sg-1", "../1"])
            row["jira_details"]["M"]["ticket"] = {"S": claimed}
            world.claimed.add(claimed)
        world.note(f"   {group_id} lies: {what}")
        world.table.items[account_id, group_id] = row
        if random.random() < 0.7 and what == "journal":
            self._name_in_lock(account_id, group_id)

    def _claim(self, account_id: str, group_id: str, remediation: dict[str, Any]) -> None:
        """Have the journal say that Hammer added the group's rules, or closed them."""
        world, random = self._world, self.random
        now = random.choice([world.clock().isoformat(), "2026-11-01T00:00:00+00:00", "2099-01-01T00:00:00+00:00"])
        backup = self._some_backup(group_id)
        words = random.choice(["", "Hammer: replaces 0.0.0.0/0 on 2026-11-22"])
        rules = [_wire(rule, now, rule.description or words) for rule in world.ec2[account_id].groups()[group_id].rules]
        states = {"add": ("added", "sent", "there"), "revoke": ("planned", "sent", "revoked", "gone")}
        lists = {
            name: [{"M": {**rule, "state": {"S": random.choice(known)}}} for rule in rules if random.random() < 0.7]
            for name, known in states.items()
        }
        withdrawn = [{"M": {**rule, "state": {"S": "added"}}} for rule in rules if random.random() < 0.2]
        texts = {
            "kind": random.choice(("remediation", "remediation", "restore")),
            "step": random.choice(("adding", "revoking", "verifying", "verifying", "done")),
            "backup": backup,
            "newest_backup": random.choice([backup, self._some_backup()]),
            "restored_from": random.choice(["", self._some_backup()]),
            "changed": now,
            "started": now,
        }
        summary = {name: {"S": value} for name, value in texts.items()}
        full = {**summary, **{name: {"L": each} for name, each in lists.items()}, "withdrawn": {"L": withdrawn}}
        if random.random() < 0.5:
            remediation["journal"] = {"M": full}
            return
        own = {"BOOL": True}
        remediation["journal"] = {"M": {**summary, "own_item": own, "add": {"L": []}, "revoke": {"L": []}}}
        key = f"journal#{group_id}"
        world.table.items[account_id, key] = {
            "account_id": {"S": account_id},
            "issue_id": {"S": key},
            "remediation_details": {"M": {"journal": {"M": {**full, "own_item": own}}}},
        }

    def _some_backup(self, group_id: str = "") -> str:
        """The key of a backup: this group's, another's, or of none."""
        keys = sorted(self._world.bucket.objects)
        own = [key for key in keys if group_id and f"/{group_id}_" in key]
        return self.random.choice(["", "reports/1.json", *(own or keys), *(own or keys), *keys])

    def _name_in_lock(self, account_id: str, group_id: str) -> None:
        world = self._world
        for key in sorted(world.table.items):
            if key[1] == "lock#remediation":
                lock = _copied(world.table.items[key])
                named = set(lock.get("unfinished", {"SS": []})["SS"]) | {
                    f"{account_id}/{world.region_of(account_id, group_id)}/{group_id}"
                }
                lock["unfinished"] = {"SS": sorted(named)}
                world.table.items[key] = lock


def _wire(rule: Rule, at: str, description: str) -> dict[str, Any]:
    """A rule as the journal has it."""
    ports = {"from_port": rule.from_port, "to_port": rule.to_port}
    source = {"PrefixListIds": "prefix_list_id", "UserIdGroupPairs": "group_id"}.get(rule.kind, "cidr")
    return {
        "protocol": {"S": rule.protocol},
        **{name: {"NULL": True} if port is None else {"N": str(port)} for name, port in ports.items()},
        source: {"S": rule.source},
        "rule_id": {"S": rule.rule_id},
        "description": {"S": description},
        "at": {"S": at},
        "replaces": {"L": []},
    }


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(entry) for key, entry in value.items()}
    return [_copied(entry) for entry in value] if isinstance(value, list) else value
