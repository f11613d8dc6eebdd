"""Exemptions: the entries of the whitelist.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from library.network.addresses import AddressSet
from library.network.intervals import EMPTY, IntervalSet
from library.network.ports import PortSet


@dataclass(frozen=True, slots=True)
class Exemption:
    """What somebody decided about one security group.

    Attributes:
        group: the group's id (`sg-…`), or its VPC's id and its name (`vpc-…:name`).
        ports: exempt these ports only; None: every port and protocol.
        sources: exempt these sources only; None: every source.
        expires: the first day, in UTC, on which it no longer counts; None: it always counts.
        reason: why, for people; untrusted input.
        author: who wrote the reason, such as a name or an address; untrusted input, or empty.
        other_traffic: with `ports`, what it exempts of protocols without ports, on the axis of traffic.
        decided: the id of the decision of a person that it follows from; empty: the file `whitelist` has it.
    """

    group: str
    ports: PortSet | None = None
    sources: AddressSet | None = None
    expires: date | None = None
    reason: str = ""
    author: str = ""
    other_traffic: IntervalSet = EMPTY
    decided: str = ""

    @property
    def reason_and_author(self) -> str:
        """The reason and who wrote it, untrusted input; empty: neither is known."""
        return f"{self.reason} ({self.author})" if self.reason and self.author else self.reason or self.author

    @property
    def is_whole(self) -> bool:
        """Whether it exempts the group as a whole."""
        return self.ports is None and self.sources is None

    def names(self, group_id: str, vpc_id: str, name: str) -> bool:
        """Whether it is about this group."""
        return self.group in (group_id, f"{vpc_id}:{name}")

    def counts_on(self, today: date) -> bool:
        """Whether it counts on this day, in UTC."""
        return self.expires is None or today < self.expires


class Exemptions(tuple[Exemption, ...]):
    """An account's exemptions, in order. `applying` finds those of a group without looking at all of them."""

    @cached_property
    def by_group(self) -> Mapping[str, Sequence[Exemption]]:
        """By what they are about: a group's id, or its VPC's id and its name."""
        found: dict[str, list[Exemption]] = {}
        for exemption in self:
            found.setdefault(exemption.group, []).append(exemption)
        return found


def applying(
    exemptions: Iterable[Exemption], group_id: str, vpc_id: str, name: str, today: date
) -> tuple[Exemption, ...]:
    """Those of an account's exemptions that are about this group and count on this day, in UTC."""
    about = _about(exemptions, group_id, vpc_id, name)
    return tuple(exemption for exemption in about if exemption.counts_on(today))


def _about(exemptions: Iterable[Exemption], group_id: str, vpc_id: str, name: str) -> Iterable[Exemption]:
    if isinstance(exemptions, Exemptions):
        exemptions = [
            exemption for key in (group_id, f"{vpc_id}:{name}") for exemption in exemptions.by_group.get(key, ())
        ]
    return (exemption for exemption in exemptions if exemption.names(group_id, vpc_id, name))


def deciding(exemptions: Iterable[Exemption], group_id: str, vpc_id: str, name: str, today: date) -> Exemption | None:
    """The exemption whose end exposes a group again; None: none counts on this day, in UTC.

    Of those that exempt the whole group it is the one that ends last. Without such a one it is the first of the others
    to end, because all of them together cover what is open.
    """
    counting = applying(exemptions, group_id, vpc_id, name, today)
    if whole := [exemption for exemption in counting if exemption.is_whole]:
        return max(whole, key=_end)
    return min(counting, key=_end, default=None)


def last_ended(exemptions: Iterable[Exemption], group_id: str, vpc_id: str, name: str, today: date) -> Exemption | None:
    """Of the exemptions of a group that count no longer on this day, in UTC, the one that ended last."""
    about = _about(exemptions, group_id, vpc_id, name)
    over = (exemption for exemption in about if not exemption.counts_on(today))
    return max(over, key=_end, default=None)


def _end(exemption: Exemption) -> date:
    return exemption.expires or date.max


REMIND_DAYS = (14, 3)
"""How many days before an exemption ends the owner of the group is notified, the most first."""

WARN_DAYS = 30
"""How many days before an exemption ends people are warned of it."""


@dataclass(frozen=True, slots=True)
class Review:
    """What to look at among an account's exemptions.

    Those that have expired, those that end within `WARN_DAYS`, those without an end, and those that match no known
    group.
    """

    expired: tuple[Exemption, ...] = ()
    expiring: tuple[Exemption, ...] = ()
    endless: tuple[Exemption, ...] = ()
    unmatched: tuple[Exemption, ...] = ()


def review(
    exemptions: Iterable[Exemption], today: date, known: Collection[tuple[str, str, str]] | None = None
) -> Review:
    """Sort an account's exemptions by what somebody should look at.

    `known` has id, VPC id and name of each group that is known of the account; None: it is not known which there are.
    """
    listed = tuple(exemptions)
    counting = tuple(exemption for exemption in listed if exemption.counts_on(today))
    warn_until = today + timedelta(days=WARN_DAYS)
    return Review(
        # Of the table's nobody has to take those out that are over.
        expired=tuple(each for each in listed if not each.counts_on(today) and not each.decided),
        expiring=tuple(exemption for exemption in counting if exemption.expires and exemption.expires <= warn_until),
        endless=tuple(exemption for exemption in counting if exemption.expires is None),
        unmatched=()
        if known is None
        else tuple(exemption for exemption in counting if not any(exemption.names(*group) for group in known)),
    )
