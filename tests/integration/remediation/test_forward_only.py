"""Forward only: whatever lags, fails or is killed at any call, with owners acting in between.

Each case is one group with a fault at one of the run's changes, an owner who acts at some moment, and reads that lag.
At every change private access stays and nothing is opened; after the next healthy run everything due is closed, and
of what Hammer added only that is left which stands in for a rule that Hammer closed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from library.network.addresses import RFC_1918
from library.security_groups.group import IngressRule
from remediation.rules import lets_in_all_of
from tests.worlds.aws_faults import KilledError
from tests.worlds.eventual_world import ACCOUNT, REGION, EventualWorld
from tests.worlds.lagging_ec2 import AUTHORIZE, FAULTS, GROUPS, REVOKE, RULES, Fault, State, _error

SSH = IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", description="ssh")
ALL = IngressRule("-1", None, None, cidr="0.0.0.0/0", description="all")
RDP = IngressRule("tcp", 3389, 3389, cidr="::/0")
WEB = IngressRule("tcp", 443, 443, cidr="0.0.0.0/0")
TEN = IngressRule("tcp", 22, 22, cidr="10.0.0.0/8", description="theirs")
EVERYTHING = ["open_completely", "open_partly"]
LAGS: dict[str, dict[str, float]] = {
    "no lag": {},
    "rules lag 16 s": {RULES: 16},
    "groups lag 29 s": {GROUPS: 29},
    "both lag": {GROUPS: 60, RULES: 45},
}


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> EventualWorld:
    return EventualWorld(tmp_path)


def private(rule: IngressRule) -> set[tuple[str, str]]:
    return {(rule.protocol, cidr) for cidr in RFC_1918}


def sources(world: EventualWorld, group: str) -> set[tuple[str, str]]:
    return {(rule.protocol, rule.cidr) for rule in world.ec2.rules(group).values()}


def run(world: EventualWorld, *groups: str) -> list[str]:
    """A run, killed or not. Returns what it could not do."""
    try:
        return world.batch(*groups).problems
    except KilledError:
        return ["killed"]


def healthy_runs(world: EventualWorld, *groups: str) -> list[str]:
    """The next run, at once; if it says that it is not complete, one more later."""
    world.ec2.fault = None
    world.ec2.acts = {}
    problems = run(world, *groups)
    if problems:
        world.clock.pass_by(3600)
        problems = run(world, *groups)
    return problems


@pytest.mark.parametrize("lag", LAGS.values(), ids=LAGS)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("rules", [(SSH, WEB), (ALL, RDP)], ids=["one port", "two rules"])
def test_a_fault_at_every_change(
    tmp_path: Path, rules: tuple[IngressRule, ...], fault: Fault, lag: dict[str, float]
) -> None:
    for at in range(20):
        world = EventualWorld(tmp_path)
        world.ec2.lags = dict(lag)
        group = world.group(*rules)
        world.hold_to_the_contract()
        world.ec2.fault = (at, fault)
        run(world)
        if at >= len(world.ec2.made):
            break
        where = f"{fault.__name__} at {world.ec2.made[at]} ({at})"
        assert healthy_runs(world) == [], where
        assert not world.exposed(group), where
        entry = world.entry(group)
        assert entry is not None, where
        assert entry.step.is_finished, where
        assert world.lock.unfinished == set(), where
        assert world.stored(group).timestamps.remediated is not None, where
        first = json.loads(world.bucket.objects[world.stored(group).remediation_details["backup"]])
        assert {rule["IpProtocol"] for rule in first["IpPermissions"]} == {rule.protocol for rule in rules}, where
    assert at >= 2


class Owner:
    """What an owner does about the rule that exposes the group."""

    @staticmethod
    def closes(world: EventualWorld, group: str) -> None:
        world.ec2.remove(group, SSH)

    @staticmethod
    def adds_ten(world: EventualWorld, group: str) -> None:
        world.ec2.add(group, TEN)

    @staticmethod
    def closes_and_adds_ten(world: EventualWorld, group: str) -> None:
        world.ec2.remove(group, SSH)
        world.ec2.add(group, TEN)


OWNERS: dict[str, Callable[[EventualWorld, str], None]] = {
    "closes": Owner.closes,
    "adds 10/8": Owner.adds_ten,
    "closes and adds 10/8": Owner.closes_and_adds_ten,
}


@pytest.mark.parametrize("lag", LAGS.values(), ids=LAGS)
@pytest.mark.parametrize("act", OWNERS.values(), ids=OWNERS)
@pytest.mark.parametrize("before", [0, 1], ids=["before the adding", "before the revoking"])
@pytest.mark.parametrize("scanned", [False, True], ids=["", "a scan resolves it"])
def test_an_owner_who_acts_while_the_run_is_at_the_group(
    world: EventualWorld,
    act: Callable[[EventualWorld, str], None],
    before: int,
    lag: dict[str, float],
    *,
    scanned: bool,
) -> None:
    from library.issues.issue import Status

    world.ec2.lags = dict(lag)
    group = world.group(SSH, WEB)
    world.hold_to_the_contract()
    world.ec2.acts = {before: lambda: act(world, group)}
    problems = run(world)
    if scanned and act is not Owner.adds_ten:
        world.table.set_status(ACCOUNT, group, Status.RESOLVED)
    if problems:
        assert healthy_runs(world) == []
    theirs = {("tcp", "0.0.0.0/0")}  # port 443
    ten = {("tcp", "10.0.0.0/8")}
    closed_by_owner = act is not Owner.adds_ten
    # Before the revoking 10/8 is there already, and it is Hammer's.
    added_by_owner = act is not Owner.closes and before == 0
    expected = theirs | (set() if closed_by_owner else private(SSH)) | (ten if added_by_owner else set())
    assert sources(world, group) == expected
    assert not world.exposed(group)
    if added_by_owner:
        rule = next(rule for rule in world.ec2.rules(group).values() if rule.cidr == "10.0.0.0/8")
        assert rule.description == "theirs"
    entry = world.entry(group)
    assert entry is None or entry.step.is_finished


@pytest.mark.parametrize("lag", LAGS.values(), ids=LAGS)
@pytest.mark.parametrize("fault", ["killed_before", "killed_after", "refused", "lost_before", "lost_after"])
@pytest.mark.parametrize("at", [0, 1])
def test_the_owner_closes_the_rule_after_a_run_that_failed(
    world: EventualWorld, fault: str, at: int, lag: dict[str, float]
) -> None:
    """Nothing is opened again; what was added goes, unless Hammer may have closed the rule itself."""
    world.ec2.lags = dict(lag)
    group = world.group(ALL)
    world.hold_to_the_contract()
    world.ec2.fault = (at, FAULTS[fault])
    run(world)
    world.ec2.remove(group, ALL)
    assert healthy_runs(world) == []
    hammer_closed_it_perhaps = at == 1 and fault != "refused"
    assert sources(world, group) <= private(ALL)
    if not hammer_closed_it_perhaps and fault not in {"lost_before", "lost_after"}:
        assert sources(world, group) == set()
    entry = world.entry(group)
    assert entry is None or entry.step.is_finished


@pytest.mark.parametrize("lag", LAGS.values(), ids=LAGS)
def test_what_the_owner_took_away_stays_away(world: EventualWorld, lag: dict[str, float]) -> None:
    """Defect 0: finishing granted the private ranges again after the owner had removed them."""
    world.ec2.lags = dict(lag)
    group = world.group(SSH)
    world.ec2.fault = (1, FAULTS["killed_after"])
    assert run(world) == ["killed"]
    world.ec2.catch_up()
    for rule in list(world.ec2.rules(group).values()):
        world.ec2.remove(group, rule)
    assert healthy_runs(world) == []
    assert sources(world, group) == set()


@pytest.mark.parametrize("is_default_vpc", [False, True], ids=["vpc", "default vpc"])
@pytest.mark.parametrize("lag", [{}, {GROUPS: 29, RULES: 29}], ids=["no lag", "both lag"])
def test_a_rule_that_its_owner_edits_is_not_revoked_by_its_id(
    world: EventualWorld, lag: dict[str, float], is_default_vpc: bool
) -> None:
    """A rule keeps its id when somebody edits it: Hammer revoked what the owner had just closed himself."""
    world.configure(remediation_scope=EVERYTHING)
    world.ec2.lags, world.ec2.is_default_vpc = dict(lag), is_default_vpc
    group = world.group(SSH, SSH._replace(cidr="8.8.8.0/24", description=""))
    world.ec2.acts = {1: lambda: world.ec2.edit(group, SSH, cidr="10.7.0.0/16", description="ours now")}
    assert run(world) == []
    assert {(rule.cidr, rule.description) for rule in world.ec2.rules(group).values()} == {
        ("10.7.0.0/16", "ours now"),
        *((cidr, "Hammer: replaces 0.0.0.0/0, 8.8.8.0/24 on 2026-11-22") for cidr in RFC_1918),
    }


def test_a_rule_that_its_owner_edits_alone_needs_nothing_of_hammer(world: EventualWorld) -> None:
    group = world.group(SSH)
    world.ec2.acts = {1: lambda: world.ec2.edit(group, SSH, cidr="10.7.0.0/16")}
    assert run(world) == []
    assert sources(world, group) == {("tcp", "10.7.0.0/16")}


@pytest.mark.parametrize("lag", LAGS.values(), ids=LAGS)
def test_a_rule_that_its_owner_edits_to_another_public_source_is_closed(
    world: EventualWorld, lag: dict[str, float]
) -> None:
    world.configure(remediation_scope=EVERYTHING)
    world.ec2.lags = dict(lag)
    group = world.group(SSH)
    world.ec2.acts = {1: lambda: world.ec2.edit(group, SSH, cidr="8.0.0.0/8")}
    run(world)
    assert healthy_runs(world) == []
    assert sources(world, group) == private(SSH)


WHY_NOT: dict[str, Callable[[EventualWorld, str], None]] = {
    "exempt by now": lambda world, group: world.configure(whitelist={ACCOUNT: [group]}),
    "not in remediation_accounts any more": lambda world, _: world.configure(remediation_accounts=["210987654321"]),
    "not due any more": lambda world, _: world.configure(remediation_retention_period=400),
    "restored by somebody": lambda world, group: flag(world, group, {"by": "ana", "at": "", "backup": ""}),
}


def flag(world: EventualWorld, group: str, restored: dict[str, str] | None) -> None:
    """Have the group flagged as restored, or not."""
    world.table.items[ACCOUNT, group]["remediation_details"]["restored"] = restored


@pytest.mark.parametrize("change", WHY_NOT.values(), ids=WHY_NOT)
@pytest.mark.parametrize("at", [0, 1])
def test_a_group_that_the_run_may_not_touch_stays_as_it_is_and_is_named(
    world: EventualWorld, change: Callable[[EventualWorld, str], None], at: int
) -> None:
    group = world.group(SSH)
    world.ec2.fault = (at, FAULTS["killed_after" if at == 0 else "refused"])
    run(world)
    before = sources(world, group)
    change(world, group)
    world.ec2.fault = None
    made = len(world.ec2.made)
    (problem,) = run(world)
    assert problem.startswith(f"{group} in {ACCOUNT}, {REGION}: not complete yet: ")
    assert sources(world, group) == before
    assert len(world.ec2.made) == made
    world.configure(whitelist={}, remediation_retention_period=0, remediation_accounts=[ACCOUNT])
    flag(world, group, None)
    assert run(world) == []
    assert sources(world, group) == private(SSH)


def test_a_group_that_is_not_selected_stays_as_it_is_and_is_named(world: EventualWorld) -> None:
    group, other = world.group(SSH), world.group(SSH)
    world.ec2.fault = (0, FAULTS["killed_after"])
    assert run(world, group) == ["killed"]
    world.ec2.fault = None
    before = sources(world, group)
    (problem,) = run(world, other)
    assert problem == (
        f"{group} in {ACCOUNT}, {REGION}: not complete yet: an earlier run left it incomplete, and this run may not "
        "complete it: it is not among the groups that --account, --region and --group select"
    )
    assert sources(world, group) == before
    assert not world.exposed(other)
    assert run(world) == []


def test_what_ec2_never_shows_is_not_complete_and_the_ticket_says_so(world: EventualWorld) -> None:
    world.ec2.lags = {RULES: 1000, GROUPS: 1000}
    group = world.group(SSH)
    world.hold_to_the_contract()
    (problem,) = run(world)
    assert problem.startswith(
        f"{group} in {ACCOUNT}, {REGION}: not complete yet: EC2 does not show the change of these"
    )
    assert world.clock.slept <= 150
    ((_, comment),) = world.people.comments
    assert "that is not complete yet" in comment
    assert "Clients with private addresses (RFC 1918) that had access still have it." in comment
    assert sources(world, group) == private(SSH), "EC2 acknowledged it"
    assert world.stored(group).timestamps.remediated is None
    run(world)
    assert sources(world, group) == private(SSH)
    assert len(world.people.comments) == 1, "the ticket hears of it once"
    world.ec2.catch_up()
    assert run(world) == []
    assert world.stored(group).timestamps.remediated is not None


def test_a_change_that_a_scan_saw_before_the_run_that_completes_it_is_recorded_as_one(world: EventualWorld) -> None:
    """EC2 shows it after the run has ended. The scan resolves the issue, which Hammer has remediated all the same."""
    world.ec2.lags = {RULES: 1000, GROUPS: 1000}
    group = world.group(SSH)
    world.hold_to_the_contract()
    assert len(run(world)) == 1
    world.ec2.catch_up()
    world.table.update(world.stored(group), {"status": "resolved"})
    assert run(world) == []
    assert world.stored(group).timestamps.remediated is not None


def test_one_wait_serves_all_groups(world: EventualWorld) -> None:
    world.ec2.lags = {RULES: 60, GROUPS: 60}
    groups = [world.group(SSH) for _ in range(20)]
    assert world.batch().remediated == 20
    assert world.clock.slept <= 90
    assert not any(map(world.exposed, groups))


def test_somebody_elses_rule_is_never_taken_away(world: EventualWorld) -> None:
    """Defect 3: a rule that somebody else added in the meantime was deleted when a change was undone."""
    group = world.group(SSH)
    world.hold_to_the_contract()
    world.ec2.acts = {0: lambda: world.ec2.add(group, TEN)}
    world.ec2.fault = (2, FAULTS["killed_before"])  # one of the calls for single rules
    assert run(world) == ["killed"]
    world.ec2.remove(group, SSH)
    assert healthy_runs(world) == []
    assert sources(world, group) == {("tcp", "10.0.0.0/8")}


def test_two_rounds_restore_to_the_first_state_and_tell_everything(world: EventualWorld) -> None:
    """Defect 4."""
    group = world.group(SSH)
    world.ec2.acts = {1: lambda: world.ec2.add(group, RDP)}
    assert run(world) == []
    first = min(world.backups(group))
    assert len(world.backups(group)) == 2
    ((_, comment),) = world.people.comments
    assert "Revoked: tcp/22 from 0.0.0.0/0 (ssh)" in comment
    assert "Revoked: tcp/3389 from ::/0" in comment
    assert f"--backup {first}" in comment
    assert world.stored(group).remediation_details["backup"] == first
    world.clock.pass_by(3600)
    assert world.restore(group) == []
    # What stands in for the rule that was made after the first backup stays.
    assert sources(world, group) == {("tcp", "0.0.0.0/0"), *private(RDP)}
    assert {rule.from_port for rule in world.ec2.rules(group).values() if rule.cidr in RFC_1918} == {3389}


def test_a_change_over_two_runs_restores_to_the_first_state(world: EventualWorld) -> None:
    group = world.group(SSH)
    world.ec2.fault = (1, FAULTS["killed_before"])
    assert run(world) == ["killed"]
    world.ec2.fault = None
    assert run(world) == []
    assert len(world.backups(group)) == 2
    world.clock.pass_by(3600)
    assert world.restore(group) == []
    assert sources(world, group) == {("tcp", "0.0.0.0/0")}


@pytest.mark.parametrize("fault", ["lost_before", "lost_after", "killed_before", "killed_after"])
@pytest.mark.parametrize(
    "lag", [{}, {GROUPS: 100, RULES: 100}, {GROUPS: 100}], ids=["no lag", "both lag", "groups lag"]
)
def test_a_restore_right_after_a_revoke_without_an_answer(
    world: EventualWorld, lag: dict[str, float], fault: str
) -> None:
    """EC2 may show the rule that is gone: what stands in for it goes only where EC2 says that it is back."""
    group = world.group(SSH, WEB)
    world.ec2.lags, world.ec2.fault = dict(lag), (1, FAULTS[fault])
    seen: list[bool] = []

    def watch(operation: str, before: State, after: State) -> None:
        del operation, before
        seen.append(
            all(any(lets_in_all_of(rule, TEN._replace(cidr=each)) for rule in after[group]) for each in RFC_1918)
        )

    run(world)
    world.ec2.fault = None
    world.clock.pass_by(30)
    world.ec2.watch = watch
    assert [text for text in world.restore(group) if "not complete yet" not in text] == []
    assert all(seen)
    assert sources(world, group) == {("tcp", "0.0.0.0/0")}
    assert len(world.ec2.rules(group)) == 2


def test_the_lock_is_renewed_before_each_change(world: EventualWorld) -> None:
    world.group(ALL, RDP)
    renewals: list[int] = []
    world.ec2.watch = lambda *_: renewals.append(world.lock.renewals)
    assert run(world) == []
    assert len(renewals) == 4
    assert renewals == sorted(set(renewals)), "each change has a renewal of its own before it"


def test_a_run_that_is_switched_off_meanwhile_begins_no_group(world: EventualWorld) -> None:
    first, second = world.group(SSH), world.group(SSH)
    world.ec2.acts = {1: lambda: world.configure(remediation=False)}
    run(world)
    assert not world.exposed(first)
    assert world.exposed(second)


def test_nothing_is_taken_away_while_ec2_does_not_show_all(world: EventualWorld) -> None:
    """The group went out of scope: its stand-ins are not needed. EC2 shows those of one call before the others."""
    world.configure(remediation_scope=EVERYTHING)
    group = world.group(SSH, SSH._replace(protocol="udp"))
    world.ec2.acts = {1: lambda: world.clock.pass_by(100)}
    world.ec2.fault = (1, FAULTS["killed_after"])
    assert run(world) == ["killed"]
    added = world.clock.time
    world.ec2.fault, world.ec2.acts = None, {}
    world.configure(remediation_scope=["open_partly"])
    world.ec2.lags = {GROUPS: 150, RULES: 150}
    world.clock.pass_by(60)
    taken_away = []
    world.ec2.watch = lambda operation, *_: taken_away.append((operation, world.clock.time - added))
    run(world)
    assert [operation for operation, _ in taken_away] == [REVOKE]
    assert taken_away[0][1].total_seconds() >= 150
    assert healthy_runs(world) == []
    assert sources(world, group) == {("tcp", "0.0.0.0/0"), ("udp", "0.0.0.0/0")}


def test_order_of_calls_is_add_before_revoke(world: EventualWorld) -> None:
    world.group(ALL, RDP)
    assert run(world) == []
    first_revoke = world.ec2.made.index(REVOKE)
    assert AUTHORIZE not in world.ec2.made[first_revoke:]


@pytest.mark.parametrize("lag", LAGS.values(), ids=LAGS)
def test_what_a_run_relies_on_is_asked_for(world: EventualWorld, lag: dict[str, float]) -> None:
    """A private rule that EC2 still shows, and that its owner has just removed, is no reason not to add it."""
    group = world.group(SSH, TEN)
    world.ec2.lags = dict(lag)
    world.hold_to_the_contract()
    world.ec2.acts = {0: lambda: world.ec2.remove(group, TEN)}
    problems = run(world)
    assert problems == [] or healthy_runs(world) == []
    assert sources(world, group) == private(SSH)


@pytest.mark.parametrize("is_sent_again", [False, True], ids=["its owner was first", "sent again"])
def test_rules_that_ec2_does_not_find_may_be_named_in_another_form(
    world: EventualWorld, monkeypatch: pytest.MonkeyPatch, is_sent_again: bool
) -> None:
    """RevokeSecurityGroupIngress: in some cases, unknownIpPermissionSet might be in a different format."""
    wide = IngressRule("tcp", 22, 22, cidr="::/0")
    group = world.group(SSH, wide)
    world.ec2.is_default_vpc = True
    world.hold_to_the_contract()
    real = world.ec2._revoke

    def revoke(**arguments: Any) -> Any:
        answer = real(**arguments)
        named = answer["UnknownIpPermissions"]
        return answer | {"UnknownIpPermissions": [{"IpProtocol": each["IpProtocol"]} for each in named]}

    monkeypatch.setattr(world.ec2, "_revoke", revoke)
    if is_sent_again:
        world.ec2.fault = (1, FAULTS["repeated"])
    else:
        world.ec2.acts = {1: lambda: world.ec2.remove(group, wide)}
    run(world)
    assert healthy_runs(world) == []
    assert sources(world, group) == private(SSH)


@pytest.mark.parametrize("number", [0, 1], ids=["authorize", "revoke"])
def test_a_change_that_ec2_says_was_not_made_does_not_count(world: EventualWorld, number: int) -> None:
    group = world.group(SSH, WEB)
    world.hold_to_the_contract()
    world.ec2.fault = (number, lambda _operation, _call: {"Return": False})
    run(world)
    assert healthy_runs(world) == []
    assert sources(world, group) == private(SSH) | {("tcp", "0.0.0.0/0")}
    assert not world.exposed(group)


def test_rules_of_a_finished_change_stay_when_a_later_one_on_the_same_day_comes_to_nothing(
    world: EventualWorld,
) -> None:
    """The later change relied on them, so they have the descriptions that it would have given them."""
    group = world.group(SSH)
    assert run(world) == []
    world.ec2.add(group, SSH)
    world.ec2.fault = (len(world.ec2.made) + 1, FAULTS["killed_before"])
    assert run(world) == ["killed"]
    world.ec2.fault = None
    world.ec2.remove(group, SSH)
    world.clock.pass_by(3600)
    assert run(world) == []
    assert sources(world, group) == private(SSH)


@pytest.mark.parametrize("lag", LAGS.values(), ids=LAGS)
def test_what_an_owner_took_away_after_a_revoke_without_an_answer_stays_away(
    world: EventualWorld, lag: dict[str, float]
) -> None:
    """The next run, at once, still sees the rule that was closed, and the private one that its owner took away."""
    group = world.group(SSH)
    world.ec2.lags = dict(lag)
    world.ec2.fault = (1, FAULTS["killed_after"])
    assert run(world) == ["killed"]
    world.ec2.remove(group, TEN)
    assert healthy_runs(world) == []
    assert sources(world, group) == private(SSH) - {("tcp", "10.0.0.0/8")}


@pytest.mark.parametrize("lag", LAGS.values(), ids=LAGS)
def test_what_an_owner_took_away_before_a_revoke_that_never_arrived_is_added(
    world: EventualWorld, lag: dict[str, float]
) -> None:
    """The public rule still gives that access, and closing it must not cut it."""
    group = world.group(SSH)
    world.ec2.lags = dict(lag)
    world.ec2.fault = (1, FAULTS["killed_before"])
    assert run(world) == ["killed"]
    world.ec2.remove(group, TEN)
    assert healthy_runs(world) == []
    assert sources(world, group) == private(SSH)


def test_a_run_says_what_the_quota_made_it_leave_out(world: EventualWorld) -> None:
    wide = IngressRule("-1", None, None, cidr="10.0.0.0/8")
    group = world.group(SSH, wide, *(IngressRule("tcp", 443, 443, cidr=f"192.0.2.{number}/32") for number in range(56)))
    assert run(world) == []
    assert {("tcp", cidr) for cidr in ("172.16.0.0/12", "192.168.0.0/16")} < sources(world, group)
    assert not sources(world, group) & {("tcp", "10.0.0.0/8"), ("tcp", "0.0.0.0/0")}
    assert world.notes == [
        f"{group} in {ACCOUNT}, {REGION}: the rule quota leaves no room for all new rules. These are not added, "
        "because wider rules of the group let in the same: tcp/22 from 10.0.0.0/8"
    ]


def test_one_throttled_renewal_of_the_lock_does_not_end_a_run(
    world: EventualWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = [world.group(SSH) for _ in range(3)]
    world.ec2.lags = {GROUPS: 60, RULES: 60}
    renew, calls = world.lock.renew, iter(range(1000))

    def throttled() -> None:
        if next(calls) in (3, 7, 11):
            raise _error("ProvisionedThroughputExceededException", "UpdateItem")
        renew()

    monkeypatch.setattr(world.lock, "renew", throttled)
    problems = run(world)
    assert problems == [] or healthy_runs(world) == []
    assert not any(map(world.exposed, groups))


def test_a_restore_plans_anew_only_so_often(world: EventualWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    group = world.group(SSH)
    assert run(world) == []
    world.clock.pass_by(3600)
    ports, real = iter(range(5000, 6000)), world.lock.renew

    def somebody_acts() -> None:
        world.ec2.add(group, IngressRule("tcp", port := next(ports), port, cidr="10.0.0.0/8"))
        real()

    monkeypatch.setattr(world.lock, "renew", somebody_acts)
    (problem,) = world.restore(group)
    assert problem.endswith("somebody changes the group each time that its restore is planned: nothing was changed")
    assert ("tcp", "0.0.0.0/0") not in sources(world, group)
