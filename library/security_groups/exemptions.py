"""Exemptions: the entries of the whitelist.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from library.network.addresses import AddressSet
from library.network.ports import PortSet


@dataclass(frozen=True, slots=True)
class Exemption:
    """What somebody decided about one security group.

    Attributes:
        group: the group's id (`sg-…`), or its VPC's id and its name (`vpc-…:name`).
        ports: exempt these ports only; None: every port and protocol.
        sources: exempt these sources only; None: every source.
        expires: the first day, in UTC, on which it no longer counts; None: it always counts.
        reason: why, for people.
    """

    group: str
    ports: PortSet | None = None
    sources: AddressSet | None = None
    expires: date | None = None
    reason: str = ""

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


def applying(
    exemptions: Iterable[Exemption], group_id: str, vpc_id: str, name: str, today: date
) -> tuple[Exemption, ...]:
    """Those of an account's exemptions that are about this group and count on this day, in UTC."""
    return tuple(
        exemption for exemption in exemptions if exemption.names(group_id, vpc_id, name) and exemption.counts_on(today)
    )
