"""The text of a rule, and of a source."""

from __future__ import annotations

import pytest

from library.security_groups.exposure import Exposure, rule_text, source_text
from library.security_groups.group import IngressRule

TEXTS: dict[str, IngressRule | Exposure] = {
    "tcp/22 from 0.0.0.0/0": IngressRule("tcp", 22, 22, cidr="0.0.0.0/0"),
    "udp/161-162 from ::/0": IngressRule("17", 161, 162, cidr="::/0"),
    "tcp/0 from 10.0.0.0/8": IngressRule("tcp", 0, 0, cidr="10.0.0.0/8"),
    "tcp/22 from ::1/128": IngressRule("tcp", 22, None, cidr="::1/128"),
    "all traffic from sg-2": IngressRule("-1", None, None, group_id="sg-2"),
    "icmp from 0.0.0.0/0": IngressRule("icmp", 8, -1, cidr="0.0.0.0/0"),
    "protocol 50 from pl-1": IngressRule("50", None, None, prefix_list_id="pl-1"),
    "tcp/3389 from pl-1 (8.8.8.0/24)": Exposure("tcp", 3389, 3389, "8.8.8.0/24", "open_partly", "pl-1"),
    "tcp/3389 from 8.8.8.0/24": Exposure("tcp", 3389, 3389, "8.8.8.0/24", "open_partly"),
}


@pytest.mark.parametrize(("text", "rule"), TEXTS.items(), ids=TEXTS)
def test_rule_text(text: str, rule: IngressRule | Exposure) -> None:
    assert rule_text(rule) == text


def test_a_source_of_which_nothing_is_known_is_no_text() -> None:
    assert source_text("") == ""
    assert rule_text(Exposure("tcp", 22, 22, "", "open_partly")) == "tcp/22 from "
