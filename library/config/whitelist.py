"""The exemptions that people wrote down: `whitelist`.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from library.config.fields import ACCOUNT_KEY, CIDRS, DATE, PORTS, TEXT
from library.config.problems import show
from library.config.readers import ListOf, MappingOf, Scalar, ShortOr
from library.config.section import ConfigSection, setting
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exemptions import Exemption, Exemptions

_GROUP = r"sg-[0-9A-Za-z-]+|vpc-[0-9A-Za-z-]+:.+"


def read_group(value: object) -> str:
    """A group's id, or its VPC's id and its name."""
    if isinstance(value, str) and re.fullmatch(_GROUP, value):
        return value
    raise ValueError(f'{show(value)} is not a security group: write "sg-7c228307" or "vpc-654321:default"')


GROUP = Scalar(read_group, {"pattern": f"^({_GROUP})$", "type": "string"})


class ExemptionEntry(ConfigSection):
    """One exemption as a section. Only `group` is required."""

    group: str = setting(GROUP, "sg-…, or vpc-…:name.")
    ports: PortSet = setting(PORTS, "Exempt these ports only; none: all.", default=PortSet())
    cidrs: AddressSet = setting(CIDRS, "Exempt these sources only; none: all.", default=AddressSet())
    expires: date | None = setting(DATE, "First day in UTC on which it no longer counts.", default=None)
    reason: str = setting(TEXT, "Why, for people.", default="")
    author: str = setting(TEXT, "Who wrote the reason, for people.", default="")


def _of_group(group: Any) -> ExemptionEntry:
    return ExemptionEntry(group=group)


def _exemptions(entries: Iterable[ExemptionEntry]) -> Exemptions:
    return Exemptions(
        Exemption(entry.group, entry.ports or None, entry.cidrs or None, entry.expires, entry.reason, entry.author)
        for entry in entries
    )


_ENTRY = ShortOr(ExemptionEntry, GROUP, _of_group, 'a security group such as "sg-7c228307", or a section with "group"')


class Whitelist(ConfigSection):
    """The file `whitelist`."""

    secgrp_unrestricted_access: Mapping[str, tuple[Exemption, ...]] = setting(
        MappingOf(ACCOUNT_KEY, ListOf(_ENTRY, _exemptions)), "Exempt security groups by account id.", default={}
    )
