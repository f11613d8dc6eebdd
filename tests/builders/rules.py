"""Rules as one line of text, for the tables of tests.

`"tcp/22 from 0.0.0.0/0"` is a rule, `"tcp/22 from 0.0.0.0/0: open_completely"` what is exposed by one, and
`"tcp/22 from 8.8.8.0/24 of pl-1: open_partly"` the same by an entry of a prefix list.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from library.security_groups.exposure import Exposure


def permission(text: str) -> dict[str, Any]:
    """A rule as EC2 describes it: several sources are separated by commas."""
    traffic, _, sources = text.partition(" from ")
    protocol, _, ports = traffic.partition("/")
    described: dict[str, Any] = {"IpProtocol": protocol}
    if ports:
        first, _, last = ports.partition("..")
        described |= {"FromPort": int(first), "ToPort": int(last or first)}
    described |= {"IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}
    for source in sources.split(", "):
        if source.startswith("pl-"):
            described["PrefixListIds"].append({"PrefixListId": source})
        elif source.startswith("sg-"):
            described["UserIdGroupPairs"].append({"GroupId": source, "UserId": "210987654321"})
        elif ":" in source:
            described["Ipv6Ranges"].append({"CidrIpv6": source})
        else:
            described["IpRanges"].append({"CidrIp": source})
    return described


def described_group(rules: Iterable[str | dict[str, Any]], **other: Any) -> dict[str, Any]:
    """A group as EC2 describes it; a rule that is a map already is taken as it is."""
    return {
        "GroupId": "sg-7c228307",
        "GroupName": "web",
        "VpcId": "vpc-654321",
        "OwnerId": "210987654321",
        "Description": "for the web",
        "IpPermissions": [permission(rule) if isinstance(rule, str) else rule for rule in rules],
    } | other


def exposure_text(exposure: Exposure) -> str:
    """What is exposed, as text."""
    ports = "" if exposure.from_port is None else f"/{exposure.from_port}"
    if exposure.to_port != exposure.from_port:
        ports += f"..{exposure.to_port}"
    listed = f" of {exposure.prefix_list_id}" if exposure.prefix_list_id else ""
    return f"{exposure.protocol}{ports} from {exposure.cidr}{listed}: {exposure.status}"
