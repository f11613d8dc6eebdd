"""Which rules are the same to EC2."""

from __future__ import annotations

import pytest

from library.security_groups.exposure import Exposure
from library.security_groups.group import IngressRule, RuleKey, rule_key

SSH = RuleKey("tcp", 22, 22, "0.0.0.0/0")

CASES: dict[str, tuple[IngressRule | Exposure, RuleKey]] = {
    "a rule": (IngressRule("tcp", 22, 22, cidr="0.0.0.0/0"), SSH),
    "by number": (IngressRule("6", 22, 22, cidr="0.0.0.0/0"), SSH),
    "in capitals": (IngressRule("TCP", 22, 22, cidr="0.0.0.0/0"), SSH),
    "host bits": (IngressRule("tcp", 22, 22, cidr="192.168.1.0/0"), SSH),
    "description and id": (
        IngressRule("tcp", 22, 22, cidr="0.0.0.0/0", description="a", rule_id="sgr-1"),
        SSH,
    ),
    "an exposure": (Exposure("tcp", 22, 22, "0.0.0.0/0", "open_completely"), SSH),
    "an exposure by number": (Exposure("6", 22, 22, "0.0.0.0/0", "open_partly"), SSH),
    "IPv6": (IngressRule("-1", None, None, cidr="2001:DB8:0::/32"), RuleKey("-1", None, None, "2001:db8::/32")),
    "a list": (IngressRule("all", None, None, prefix_list_id="pl-1"), RuleKey("-1", None, None, "pl-1")),
    "an entry of a list": (
        Exposure("17", 53, 53, "8.8.8.0/24", "open_partly", prefix_list_id="pl-1"),
        RuleKey("udp", 53, 53, "pl-1"),
    ),
    "a group": (IngressRule("tcp", 22, 22, group_id="sg-1"), RuleKey("tcp", 22, 22, "sg-1")),
    "ICMP of all types": (IngressRule("1", -1, -1, cidr="::/0"), RuleKey("icmp", None, None, "::/0")),
    "ICMP without a type": (IngressRule("icmp", None, None, cidr="::/0"), RuleKey("icmp", None, None, "::/0")),
    "ICMP of one type": (IngressRule("icmp", 8, -1, cidr="::/0"), RuleKey("icmp", 8, -1, "::/0")),
    "no CIDR": (IngressRule("tcp", 22, 22, cidr="anywhere"), RuleKey("tcp", 22, 22, "anywhere")),
}


@pytest.mark.parametrize(("rule", "key"), CASES.values(), ids=CASES)
def test_the_key_of_a_rule(rule: IngressRule | Exposure, key: RuleKey) -> None:
    assert rule_key(rule) == key
