"""What rules allow, port by port: nothing of a group's status is said of a port that does not have it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from library.network.addresses import INTERNET, PUBLIC, AddressSet
from library.network.intervals import EMPTY, IntervalSet
from library.network.ports import PortSet
from library.security_groups.clauses import allowed_sentence, allowed_text, audience_text, clauses
from library.security_groups.exposure import Evaluator, Exposure, OpenStatus
from library.security_groups.group import IngressRule, SecurityGroup

RESTRICTED = PortSet.parse([22, 3389, 5432, "udp/161"])


def exposure(ports: str, cidr: str, protocol: str = "tcp", prefix_list_id: str = "") -> Exposure:
    first, _, last = ports.partition("-")
    from_port, to_port = (int(first), int(last or first)) if ports else (None, None)
    status: OpenStatus = "open_completely" if cidr in ("0.0.0.0/0", "::/0") else "open_partly"
    return Exposure(protocol, from_port, to_port, cidr, status, prefix_list_id)


@pytest.mark.parametrize(
    ("perms", "text"),
    [
        pytest.param([exposure("22", "0.0.0.0/0")], "SSH (tcp/22) open to the whole Internet", id="one port"),
        pytest.param(
            [exposure("22", "0.0.0.0/0"), exposure("3389", "8.8.8.0/24")],
            "SSH (tcp/22) open to the whole Internet, Remote Desktop (tcp/3389) to 8.8.8.0/24 (256 addresses)",
            id="two ports, two audiences",
        ),
        pytest.param(
            [exposure("22", "0.0.0.0/0"), exposure("22", "::/0"), exposure("3389", "0.0.0.0/0")],
            "SSH (tcp/22), Remote Desktop (tcp/3389) open to the whole Internet",
            id="the whole Internet, with IPv6 and without",
        ),
        pytest.param(
            [exposure("22", "::/0"), exposure("22", "8.8.8.8/32")],
            "SSH (tcp/22) open to the whole IPv6 Internet and 8.8.8.8",
            id="IPv6 alone is whole",
        ),
        pytest.param(
            [exposure("22", "0.0.0.0/1"), exposure("20-25", "128.0.0.0/1"), exposure("3389", "128.0.0.0/1")],
            "SSH (tcp/22) open to the whole Internet, Remote Desktop (tcp/3389) to 43 % of IPv4",
            id="two halves at one port, one half at another",
        ),
        pytest.param(
            [exposure("", "0.0.0.0/0", "-1")], "every protocol and port open to the whole Internet", id="all traffic"
        ),
        pytest.param(
            [exposure("", "8.8.8.8/32", "-1"), exposure("22", "0.0.0.0/0")],
            "SSH (tcp/22) open to the whole Internet, every other protocol and port to 8.8.8.8",
            id="all traffic from one, a port from everywhere",
        ),
        pytest.param(
            [exposure("", "8.8.8.0/24", "50")], "protocol 50 (ESP, IPsec) open to 8.8.8.0/24 (256 addresses)", id="ESP"
        ),
        pytest.param(
            [exposure("22", "8.8.8.8/32"), exposure("22", "9.9.9.9/32")],
            "SSH (tcp/22) open to 8.8.8.8 and 9.9.9.9",
            id="two addresses",
        ),
        pytest.param(
            [exposure("22", cidr, prefix_list_id="pl-1") for cidr in ("8.8.8.0/24", "9.9.9.0/24", "9.9.11.0/24")],
            "SSH (tcp/22) open to 768 addresses in 3 ranges",
            id="a prefix list",
        ),
        pytest.param(
            [exposure("22", "10.0.0.0/7")], "SSH (tcp/22) open to 11.0.0.0/8 (16,777,216 addresses)", id="half private"
        ),
        pytest.param(
            [exposure("22", "2a00::/16")], "SSH (tcp/22) open to 2a00::/16 (less than 1 % of IPv6)", id="IPv6"
        ),
        pytest.param(
            [exposure("0-65535", "0.0.0.0/0", "udp")],
            "every UDP port open to the whole Internet",
            id="every UDP port",
        ),
        pytest.param(
            [exposure("100-200", "0.0.0.0/0", "udp")],
            "udp/100-200 (with SNMP, 161) open to the whole Internet",
            id="a range with one restricted port",
        ),
        pytest.param(
            [exposure("1-9999", "0.0.0.0/0"), exposure("22", "0.0.0.0/0")],
            "tcp/1-9999 (with SSH, 22; Remote Desktop, 3389; and 1 more) open to the whole Internet",
            id="a range with several, one of them of a rule of its own, too",
        ),
        pytest.param(
            [exposure("1-99", "8.8.8.8/32"), exposure("22", "0.0.0.0/0")],
            "SSH (tcp/22) open to the whole Internet",
            id="what is left of a range has no restricted port",
        ),
        pytest.param([exposure("", "8.8.8.8/32", "47")], "protocol 47 (GRE) open to 8.8.8.8", id="GRE"),
        pytest.param([exposure("", "8.8.8.8/32", "200")], "protocol 200 open to 8.8.8.8", id="without a known name"),
        pytest.param(
            [exposure("8080", "0.0.0.0/0")],
            "tcp/8080 open to the whole Internet",
            id="a port that is not restricted any more",
        ),
        pytest.param([], "nothing", id="nothing"),
    ],
)
def test_what_rules_allow(perms: list[Exposure], text: str) -> None:
    assert allowed_text(clauses(perms, RESTRICTED)) == text
    assert allowed_sentence(clauses(perms, RESTRICTED)) == text.replace(" open to ", " from ").replace(" to ", " from ")


def test_many_clauses_and_ports_are_counted() -> None:
    perms = [exposure(str(port), f"8.8.{port}.0/24") for port in range(1, 6)]
    assert allowed_text(clauses(perms, PortSet.parse(["1-9"]))).endswith(
        "tcp/3 to 8.8.3.0/24 (256 addresses), and 2 more"
    )
    perms = [exposure(str(port), "0.0.0.0/0") for port in range(1, 12, 2)]
    text = "tcp/1, tcp/3, tcp/5, tcp/7 and 2 more open to the whole Internet"
    assert allowed_text(clauses(perms, PortSet.parse(["1-19"]))) == text


def test_all_but_a_few_addresses_are_not_called_all() -> None:
    assert audience_text(PUBLIC - AddressSet.parse("8.8.8.8", "::/0")) == "nearly all of IPv4"
    assert audience_text(AddressSet()) == "nobody"


SOURCES = (
    *("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "64.0.0.0/2", "8.8.8.0/24", "8.8.8.8/32", "10.0.0.0/8"),
    *("::/0", "2000::/3", "2a00::/16"),
)
PORTS: tuple[tuple[int, int], ...] = ((22, 22), (22, 3389), (0, 65535), (161, 161), (5432, 5432), (80, 80))


def rule(protocol: str, ports: tuple[int, int], cidr: str) -> IngressRule:
    from_port, to_port = (None, None) if protocol in ("-1", "50") else ports
    return IngressRule(protocol, from_port, to_port, cidr=cidr)


RULES = st.builds(
    rule,
    st.sampled_from(("tcp", "udp", "6", "-1", "50", "icmp")),
    st.sampled_from(PORTS),
    st.sampled_from(SOURCES),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(RULES, min_size=1, max_size=6))
def test_every_clause_is_what_the_evaluation_found(rules: list[IngressRule]) -> None:
    group = SecurityGroup("sg-1", "web", "vpc-1", "", {}, tuple(rules))
    evaluation = Evaluator(RESTRICTED, AddressSet()).evaluate(group, {})
    found = clauses(evaluation.exposures, RESTRICTED)
    said = EMPTY
    for clause in found:
        assert not said & clause.traffic, "a port stands in one clause"
        said |= clause.traffic
        for opening in evaluation.open_traffic:
            if not opening.traffic & clause.traffic:
                continue
            whole = any(opening.sources.family(v).covers(INTERNET.family(v)) for v in (4, 6))
            assert clause.is_whole is whole
            assert clause.audience == audience_text(opening.sources)
            assert ("the whole" in clause.audience) is whole
    opened = IntervalSet.of(span for opening in evaluation.open_traffic for span in opening.traffic.spans)
    assert said == opened
    assert any(clause.is_whole for clause in found) is (
        evaluation.status == "open_completely" and bool(evaluation.exposures)
    )
