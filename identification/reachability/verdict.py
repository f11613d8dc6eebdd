"""The verdict on a group: whether somebody on the Internet can connect through what it exposes, and who.

Pure. `ways` says which ways lead to the group's interfaces and which checks stand on each; every check is a set of the
sources that pass it. Who passes all checks of an attempt can connect.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from identification.reachability import sentences
from identification.reachability.network import Interface, RegionNetwork
from identification.reachability.ways import Attempt, PortSegment, Way, Ways, everybody
from library.issues.reachability import Blocker, Path, Reachability, Sources, Verdict
from library.network.intervals import EMPTY, IntervalSet
from library.security_groups.exposure import OpenStatus, OpenTraffic

_VERSIONS = (4, 6)


@dataclass(frozen=True, slots=True)
class PathOutcome:
    """What comes of all attempts on a way.

    Attributes:
        verdict: `internet`, `unknown` or `blocked`.
        reached: who can connect for sure, by the segment's position.
        everyone: the positions to which everybody can whom `open_completely` asks for.
        stopped: of a closed way, what is in the way, an attempt that it stops, and a source of that.
    """

    verdict: Verdict
    reached: Mapping[int, IntervalSet]
    everyone: frozenset[int] = frozenset()
    stopped: tuple[Blocker, Attempt, int] | None = None


class Judge:
    """Judges the groups of one account and region by its network."""

    def __init__(self, network: RegionNetwork) -> None:
        self._network = network
        self._ways = Ways(network)

    def judge(self, group_id: str, open_traffic: Sequence[OpenTraffic], status: OpenStatus) -> Reachability:
        """Judge a group.

        Args:
            group_id: the group.
            open_traffic: what it exposes.
            status: its status.
        """
        if self._network.interfaces is None:
            unread = (self._network.why_missing("network interfaces"),)
            return Reachability.of(Verdict.UNKNOWN, None, status, unread=unread)
        users = self._ways.users.get(group_id, [])
        versions = {version for version in _VERSIONS if any(each.sources.family(version) for each in open_traffic)}
        ways = {user.interface_id: [*self._ways.to(user, versions)] for user in users}
        segments = [*self._ways.segments(open_traffic, [way for each in ways.values() for way in each])]
        outcomes: dict[object, PathOutcome] = {}
        paths: list[Path] = []
        unread_of: set[str] = set()
        for user in users:
            judged: list[Judged] = []
            for way in ways[user.interface_id]:
                if way.kind not in outcomes:
                    outcomes[way.kind] = self._outcome(way, segments)
                judged.append(self._path(way, outcomes[way.kind], segments))
            for path, reasons in judged or [self._pathless(user, versions)]:
                if path.verdict in (Verdict.BLOCKED, Verdict.INTERNAL):
                    path, reasons = self._with_other_ways(path, user, versions)
                paths.append(path)
                unread_of.update(reasons)
        verdict = next((each for each in Verdict if any(path.verdict is each for path in paths)), Verdict.UNUSED)
        sources = None
        if verdict is Verdict.INTERNET:
            together = [(way, outcomes[way.kind].reached) for each in ways.values() for way in each]
            is_all = any(each.everyone for each in outcomes.values()) or bool(self._everyone(together, segments))
            sources = Sources.ALL if is_all else Sources.SOME
        assumptions = sentences.assumptions(verdict, users)
        return Reachability.of(verdict, sources, status, paths, assumptions, sorted(unread_of))

    def _outcome(self, way: Way, segments: Sequence[PortSegment]) -> PathOutcome:
        attempts = [*self._ways.attempts(way, segments)]
        reached: dict[int, IntervalSet] = {}
        possible = False
        for attempt in attempts:
            allowed = everybody(way.address.version)
            for check in attempt.checks.values():
                allowed &= check
            if found := allowed.definite & attempt.sources:
                reached[attempt.segment.position] = reached.get(attempt.segment.position, EMPTY) | found
            possible |= bool(allowed.possible & attempt.sources)
        if reached:
            return PathOutcome(Verdict.INTERNET, reached, self._everyone([(way, reached)], segments))
        return (
            PathOutcome(Verdict.UNKNOWN, {})
            if possible
            else PathOutcome(Verdict.BLOCKED, {}, stopped=stopped(attempts))
        )

    def _everyone(
        self, ways: Iterable[tuple[Way, Mapping[int, IntervalSet]]], segments: Iterable[PortSegment]
    ) -> frozenset[int]:
        """The positions to which these ways together let in everybody whom `open_completely` asks for, in one family.

        Addresses in the local routes of the VPCs do not count: they are no way from the Internet.
        """
        together: dict[tuple[int, int], set[IntervalSet]] = {}
        for way, reached in ways:
            version, local = way.address.version, self._network.local.get(way.entry.vpc_id)
            for position, found in reached.items():
                together.setdefault((position, version), set()).update(
                    (found, local.family(version) if local else EMPTY)
                )
        complete: set[int] = set()
        for segment in segments:
            for version in _VERSIONS:
                if sets := together.get((segment.position, version)):
                    union = IntervalSet.of(span for each in sets for span in each.spans)
                    if union.covers(segment.open_traffic.internet.family(version)):
                        complete.add(segment.position)
        return frozenset(complete)

    def _path(self, way: Way, outcome: PathOutcome, segments: Sequence[PortSegment]) -> Judged:
        blocker = outcome.stopped[0] if outcome.stopped else None
        through, text = sentences.through(self._network, way, blocker), ""
        reasons: tuple[str, ...] = ()
        if outcome.verdict is Verdict.UNKNOWN:
            reasons = sentences.not_known(self._network, way)
            text = sentences.unknown(way, reasons)
        elif outcome.stopped:
            text = sentences.blocked(self._network, way, *outcome.stopped)
        else:
            text = sentences.reachable(
                way,
                (
                    (segment.traffic, outcome.reached[segment.position], segment.position in outcome.everyone)
                    for segment in segments
                    if segment.position in outcome.reached
                ),
            )
        user, address = way.interface, way.address.text
        path = Path(user.interface_id, user.resource, address, outcome.verdict, through, blocker or "", text)
        return path, reasons

    def _pathless(self, user: Interface, versions: Collection[int]) -> Judged:
        """The path of an interface to which no public address of these families leads."""
        text = sentences.no_address(user, versions)
        return Path(user.interface_id, user.resource, "", Verdict.INTERNAL, text=text), ()

    def _with_other_ways(self, path: Path, user: Interface, versions: Iterable[int]) -> Judged:
        """A path that is closed, but where it is not known whether another way to the interface is open."""
        reasons = []
        blocked = path.blocked_by == Blocker.BLOCK_PUBLIC_ACCESS
        if path.verdict is Verdict.INTERNAL:
            blocked = not self._ways.gate(user, 4)[0].possible
        accelerator = self._ways.accelerators.get(user.vpc_id)
        if accelerator and not blocked:
            reasons.append(sentences.accelerator(accelerator, user.vpc_id))
        for entry in self._ways.network_balancers.get(user.vpc_id, ()):
            balancer = self._ways.balancer(entry)
            is_unread = balancer is None or balancer.forwards is None
            if is_unread and entry is not user and any(each.version in versions for each in entry.addresses):
                reasons.append(sentences.unread_balancer(self._network, entry))
        if not reasons:
            return path, ()
        return replace(path, verdict=Verdict.UNKNOWN, text=" ".join([path.text, *reasons[:1]])), tuple(reasons)


Judged = tuple[Path, tuple[str, ...]]
"""A path, and the sentences on what was not read if that makes it unknown."""


def stopped(attempts: Sequence[Attempt]) -> tuple[Blocker, Attempt, int]:
    """What is in the way: the first check that alone stops everybody, else somebody.

    Returns:
        The check, an attempt that it stops, and a source of that attempt which it stops.
    """
    somebody: list[tuple[Blocker, Attempt, int]] = []
    for blocker in Blocker:
        kept_out = [
            (attempt, attempt.sources - attempt.checks[blocker].possible)
            if blocker in attempt.checks
            else (attempt, EMPTY)
            for attempt in attempts
        ]
        found = [(blocker, attempt, sources.spans[0][0]) for attempt, sources in kept_out if sources]
        if found and all(sources == attempt.sources for attempt, sources in kept_out):
            return found[0]
        somebody += found[:1]
    return somebody[0]
