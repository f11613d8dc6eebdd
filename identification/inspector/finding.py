"""An Amazon Inspector finding as a value, whichever version of Inspector reported it.

Pure. What cannot be understood is kept as a reason in `Finding.problems`, and a finding that has any is never filtered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from library.network.ports import PortSet

NETWORK_REACHABILITY = "NETWORK_REACHABILITY"
UNKNOWN_TYPE = "UNKNOWN"
OTHER_TYPE = "OTHER"
"""The type of a Classic finding of another rules package: Classic has no types."""

NAME_TAG = "Name"

ARN = re.compile(r"arn:aws[a-z-]*:(?P<service>inspector2?):(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):(?P<place>.+)")
_RUN = re.compile(r"(?P<template>target/[^/]+/template/[^/]+)/run/(?P<run>[^/]+)/")
# What a packet passes that comes straight from an internet gateway.
_DIRECT = ("igw-", "acl-", "sg-", "eni-", "i-", "subnet-", "rtb-", "vpc-")


class FindingStatus(StrEnum):
    """The status that Inspector gives a finding."""

    ACTIVE = "ACTIVE"
    SUPPRESSED = "SUPPRESSED"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. Title, tags and `raw` are hostile text.

    Attributes:
        service: `"inspector2"`, or `"inspector"` for Classic.
        arn: empty where it could not be read.
        type: v2's type; Classic's are `NETWORK_REACHABILITY` or `OTHER`; `UNKNOWN` where it could not be read.
        account_id: the account of the server, empty where it could not be read.
        server_id: the instance's id.
        vpc_id: the instance's; empty where the finding does not name it.
        tags: the instance's.
        ports: those that are reachable, as far as they could be read.
        path: the ids of what a packet passes, from outside to the instance.
        updated: when Inspector last changed it, in UTC; None where that could not be read.
        problems: what could not be understood, one reason each.
        raw: the finding as it came.
    """

    service: str
    arn: str
    type: str
    status: FindingStatus
    severity: str
    title: str
    account_id: str
    region: str
    server_id: str
    vpc_id: str
    tags: Mapping[str, str]
    ports: PortSet
    path: tuple[str, ...]
    updated: datetime | None
    problems: tuple[str, ...]
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """The value of the instance's Name tag, empty if it has none."""
        return self.tags.get(NAME_TAG, "")

    @property
    def is_about_ports(self) -> bool:
        """Whether it is a network reachability finding, or may be one."""
        return self.type in (NETWORK_REACHABILITY, UNKNOWN_TYPE)

    @property
    def groups(self) -> tuple[str, ...]:
        """The security groups in the path, each once."""
        return tuple(dict.fromkeys(place for place in self.path if place.startswith("sg-")))

    @property
    def comes_straight_from_internet(self) -> bool:
        """Whether the path holds nothing that could forward traffic from elsewhere than the Internet.

        A load balancer, a peering connection or a gateway of another kind can, and so can kinds unknown here.
        """
        return any(place.startswith("igw-") for place in self.path) and all(
            place.startswith(_DIRECT) for place in self.path
        )

    @property
    def id(self) -> str:
        """The ARN without the account, which differs between the member's and the administrator's copy."""
        match = ARN.fullmatch(self.arn)
        return f"{match['service']}:{match['region']}:{match['place']}" if match else self.arn

    @property
    def assessment(self) -> tuple[str, str]:
        """The template and the run that found a Classic finding; empty strings for others.

        Every run reports anew what the run before reported.
        """
        match = _RUN.search(self.arn)
        return (match["template"], match["run"]) if match else ("", "")
