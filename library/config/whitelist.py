"""The exemptions that people wrote down: `whitelist`.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from library.config.fields import (
    AccountKey,
    Cidrs,
    Expiry,
    ListOf,
    Ports,
    Section,
    read_section_or_text,
)
from library.config.problems import show
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exemptions import Exemption, Exemptions

_GROUP = r"sg-[0-9A-Za-z-]+|vpc-[0-9A-Za-z-]+:.+"


def read_group(value: object) -> str:
    """A group's id, or its VPC's id and its name."""
    if isinstance(value, str) and re.fullmatch(_GROUP, value):
        return value
    raise ValueError(f'{show(value)} is not a security group: write "sg-7c228307" or "vpc-654321:default"')


Group = Annotated[str, BeforeValidator(read_group), WithJsonSchema({"type": "string", "pattern": f"^({_GROUP})$"})]


class ExemptionEntry(Section):
    """One exemption as a section. Only `group` is required."""

    group: Group = Field(description="sg-…, or vpc-…:name.")
    ports: Ports = Field(PortSet(), description="Exempt these ports only; none: all.")
    cidrs: Cidrs = Field(AddressSet(), description="Exempt these sources only; none: all.")
    expires: Expiry = Field(None, description="First day in UTC on which it no longer counts.")
    reason: str = Field("", description="Why, for people.")
    author: str = Field("", description="Who wrote the reason, for people.")


def _from_text(value: object) -> Any:
    """A text is an entry with nothing but its group."""
    what = 'a security group such as "sg-7c228307", or a section with "group"'
    return read_section_or_text(value, lambda text: ExemptionEntry.model_construct(group=read_group(text)), what)


def _exemptions(entries: Iterable[ExemptionEntry]) -> Exemptions:
    return Exemptions(
        Exemption(entry.group, entry.ports or None, entry.cidrs or None, entry.expires, entry.reason, entry.author)
        for entry in entries
    )


Entry = Annotated[ExemptionEntry, BeforeValidator(_from_text, json_schema_input_type=Group | ExemptionEntry)]
ExemptionList = Annotated[tuple[Exemption, ...], ListOf(Entry, _exemptions)]


class Whitelist(Section):
    """The file `whitelist`."""

    secgrp_unrestricted_access: Mapping[AccountKey, ExemptionList] = Field(
        {}, description="Exempt security groups by account id."
    )
