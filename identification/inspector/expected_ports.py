"""What of a finding was expected: its ports less those that are allowed for that server, each with the reason.

Pure. Ports are subtracted one protocol at a time as intervals: what is left and what is held back are together exactly
the finding's ports, however its range and the allowed ones overlap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from identification.inspector.finding import NAME_TAG, Finding, FindingStatus
from library.network.addresses import PUBLIC, AddressSet
from library.network.intervals import IntervalSet
from library.network.ports import ALL_PORTS, HIGHEST_PORT, PortSet, parse_ports, protocol_name
from library.security_groups.exposure import networks_of

if TYPE_CHECKING:
    from library.config import AllowedPorts, Inspector
    from library.security_groups.exposure import PrefixLists
    from library.security_groups.group import IngressRule, SecurityGroup

_OTHER_TAG = "tag:"
_TAG_SHOWN = 100


class FilterAction(StrEnum):
    """What the filter does with a finding."""

    PUBLISH = "publish"
    HOLD_BACK = "hold back"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Held:
    """Ports of a finding that are expected, and why. The reason may hold untrusted input."""

    ports: PortSet
    reason: str


@dataclass(frozen=True, slots=True)
class FilterDecision:
    """What the filter decides about one finding.

    Attributes:
        left: the ports that are not expected.
        held: the expected ports. Together with `left` they are the finding's ports, none of them twice.
        filtered: whether expected ports were taken out at all.
        notes: further remarks for the reader: why nothing was filtered, or what could not be taken into account.
    """

    finding: Finding
    action: FilterAction
    left: PortSet
    held: tuple[Held, ...] = ()
    filtered: bool = True
    notes: tuple[str, ...] = ()


def decide(finding: Finding, section: Inspector, restricted: PortSet, today: date) -> FilterDecision:
    """Decide by the configuration and the finding's own tags, which can never allow a restricted port."""
    nothing = PortSet()
    if finding.status is not FindingStatus.ACTIVE:
        return FilterDecision(
            finding, FilterAction.IGNORE, nothing, filtered=False, notes=(f"it is {finding.status.lower()}",)
        )
    if not finding.is_about_ports:
        action = FilterAction.PUBLISH if section.other_findings == "pass" else FilterAction.IGNORE
        note = "it is not about reachable ports: Hammer filters nothing of it"
        return FilterDecision(finding, action, nothing, filtered=False, notes=(note,))
    if finding.problems:
        note = f"not filtered, because it was not understood: {'; '.join(finding.problems)}"
        return FilterDecision(finding, FilterAction.PUBLISH, finding.ports, filtered=False, notes=(note,))
    decision = FilterDecision(finding, FilterAction.PUBLISH, finding.ports)
    for ports, reason in _configured(finding, section, today):
        decision = _hold_back(decision, ports, reason)
    return _with_action(_by_own_tag(decision, section.allowed_ports_tag, restricted))


def needs_groups(decision: FilterDecision, trusted: AddressSet) -> bool:
    """Whether the security groups of the finding's path can still change the decision."""
    return decision.filtered and bool(decision.left) and bool(trusted) and bool(decision.finding.groups)


def decide_by_groups(
    decision: FilterDecision,
    group_ids: Sequence[str],
    groups: Sequence[SecurityGroup],
    prefix_lists: PrefixLists,
    trusted: AddressSet,
) -> FilterDecision:
    """Hold back, too, the ports that these groups together open to trusted addresses alone.

    `group_ids` are the groups of the path and of the interfaces in it, `groups` those of them that exist. A prefix list
    without entries (one that AWS owns, whose addresses anybody may come from) is not trusted. One that is missing could
    not be read.
    """
    described = {group.group_id for group in groups}
    unreadable = [f"{group_id} does not exist" for group_id in group_ids if group_id not in described]
    unreadable += [f"{group.group_id}: {reason}" for group in groups for reason in group.unreadable]
    # Other addresses matter only where something other than an internet gateway brings the traffic.
    concerned = PUBLIC if decision.finding.comes_straight_from_internet else None
    admitted, open_to_others = PortSet(), PortSet()
    for group in groups:
        for rule in group.ingress:
            ports = _ports(rule)
            if not ports:
                continue
            try:
                networks = networks_of(rule, prefix_lists)
            except (KeyError, ValueError):
                unreadable.append(f"{group.group_id}: source {rule.prefix_list_id or rule.cidr!r:.100}")
                continue
            sources = AddressSet.of(networks)
            others = sources - trusted if concerned is None else (sources & concerned) - trusted
            if others or (not networks and (rule.prefix_list_id or concerned is None)):
                open_to_others |= ports
            if sources & trusted:
                admitted |= ports
    if unreadable:
        return without_groups(decision, "; ".join(unreadable))
    reason = f"{', '.join(group_ids)} admits only trusted_cidrs"
    return _with_action(_hold_back(decision, admitted - open_to_others, reason))


def without_groups(decision: FilterDecision, reason: str) -> FilterDecision:
    """The decision where the groups of the path could not be read, and a note that says so."""
    note = f"security groups could not be read, so none of it is held back for trusted_cidrs: {reason}"
    return replace(decision, notes=(*decision.notes, note))


def matches(server: str, tags: Mapping[str, str]) -> bool:
    """Whether a key of `allowed_ports` or `ephemeral_ports` means an instance with these tags.

    A key is a value of the Name tag or a glob for it, or `tag:<key>=` and the same for another tag. Letters differ
    in case. A value that holds `[`, `*` or `?` means itself, too. An instance without the tag is never meant.
    """
    key, pattern = NAME_TAG, server
    if server.startswith(_OTHER_TAG):
        key, _, pattern = server.removeprefix(_OTHER_TAG).partition("=")
    value = tags.get(key)
    return value is not None and (value == pattern or fnmatchcase(value, pattern))


def _configured(finding: Finding, section: Inspector, today: date) -> Iterator[tuple[PortSet, str]]:
    listed: tuple[tuple[str, Mapping[str, tuple[AllowedPorts, ...]]], ...] = (
        ("allowed_ports", section.allowed_ports),
        ("ephemeral_ports", section.ephemeral_ports),
    )
    for name, servers in listed:
        for server, entries in servers.items():
            if not matches(server, finding.tags):
                continue
            for entry in entries:
                if entry.counts_on(today):
                    until = f" until {entry.expires}" if entry.expires else ""
                    because = f": {entry.reason}" if entry.reason else ""
                    yield entry.ports, f'{name} "{server}"{until}{because}'


def _by_own_tag(decision: FilterDecision, key: str, restricted: PortSet) -> FilterDecision:
    """Whoever may tag an instance must not be able to silence an alarm about a restricted port."""
    value = decision.finding.tags.get(key) if key else None
    if value is None:
        return decision
    ports, wrong = PortSet(), []
    # Not every AWS service lets a tag hold a comma.
    for entry in re.sub(r"\s*-\s*", "-", value).replace(",", " ").split():
        try:
            ports |= parse_ports(entry)
        except ValueError:
            wrong.append(entry)
    notes = (
        [f"the instance's tag {key} may not allow {refused}: restricted"]
        if (refused := decision.left & ports & restricted)
        else []
    )
    if wrong:
        notes.append(f"the instance's tag {key} lists what is no port: {' '.join(wrong)[:_TAG_SHOWN]}")
    decision = replace(decision, notes=(*decision.notes, *notes))
    return _hold_back(decision, ports - restricted, f"the instance's tag {key}")


def _hold_back(decision: FilterDecision, ports: PortSet, reason: str) -> FilterDecision:
    held = decision.left & ports
    if not held:
        return decision
    return replace(decision, left=decision.left - held, held=(*decision.held, Held(held, reason)))


def _with_action(decision: FilterDecision) -> FilterDecision:
    return replace(decision, action=FilterAction.PUBLISH if decision.left else FilterAction.HOLD_BACK)


def _ports(rule: IngressRule) -> PortSet:
    """The TCP and UDP ports that a rule opens."""
    name = protocol_name(rule.protocol)
    if name == "-1":
        return PortSet(ALL_PORTS, ALL_PORTS)
    first, last = rule.from_port or 0, HIGHEST_PORT if rule.to_port is None else rule.to_port
    if name == "tcp":
        return PortSet(tcp=IntervalSet(((first, last),)))
    return PortSet(udp=IntervalSet(((first, last),))) if name == "udp" else PortSet()
