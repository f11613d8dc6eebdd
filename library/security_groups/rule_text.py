"""The text of an ingress rule for people: `tcp/22 from 0.0.0.0/0`.

The one place where a rule becomes text. Descriptions, which are hostile text, are not in it, and a source is as EC2
wrote it: whoever prints the text passes it through `library.documents.text.printable`.

Pure.
"""

from __future__ import annotations

from library.network.ports import port_range, protocol_name
from library.security_groups.exposure import Exposure
from library.security_groups.group import IngressRule


def traffic_text(protocol: str, from_port: int | None, to_port: int | None) -> str:
    """A protocol and its ports.

    >>> traffic_text("6", 22, 22), traffic_text("udp", 0, 65535), traffic_text("-1", None, None)
    ('tcp/22', 'udp/0-65535', 'all traffic')
    >>> traffic_text("icmp", -1, -1), traffic_text("50", None, None)
    ('icmp', 'protocol 50')
    """
    name = protocol_name(protocol)
    if name == "-1":
        return "all traffic"
    if name in ("tcp", "udp") and from_port is not None:
        return f"{name}/{port_range(from_port, from_port if to_port is None else to_port)}"
    return f"protocol {name}" if name.isdecimal() else name


def source_text(cidr: str, prefix_list_id: str = "", group_id: str = "") -> str:
    """A source; an entry of a prefix list with the list it is in.

    >>> source_text("8.8.8.0/24"), source_text("8.8.8.0/24", "pl-1")
    ('8.8.8.0/24', 'pl-1 (8.8.8.0/24)')
    >>> source_text("", "pl-1"), source_text("", "", "sg-1")
    ('pl-1', 'sg-1')
    """
    if prefix_list_id:
        return f"{prefix_list_id} ({cidr})" if cidr else prefix_list_id
    return cidr or group_id


def rule_text(rule: IngressRule | Exposure) -> str:
    """A rule, or what one exposes.

    >>> rule_text(IngressRule("tcp", 22, 22, cidr="0.0.0.0/0"))
    'tcp/22 from 0.0.0.0/0'
    >>> rule_text(Exposure("-1", None, None, "0.0.0.0/0", "open_completely", prefix_list_id="pl-1"))
    'all traffic from pl-1 (0.0.0.0/0)'
    """
    group_id = rule.group_id if isinstance(rule, IngressRule) else ""
    traffic = traffic_text(rule.protocol, rule.from_port, rule.to_port)
    return f"{traffic} from {source_text(rule.cidr, rule.prefix_list_id, group_id)}"
