"""What is expected of a finding: one table of cases, the mission's own among them, and the arithmetic's property."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identification.inspector.events import read_message
from identification.inspector.expected_ports import (
    FilterAction,
    FilterDecision,
    decide,
    decide_by_groups,
    matches,
    needs_groups,
)
from identification.inspector.finding import Finding, FindingStatus, parse_classic
from library.network.addresses import AddressSet, Network, parse_network
from library.network.intervals import IntervalSet
from library.network.ports import PortSet
from library.security_groups.group import SecurityGroup, parse_security_group
from tests.builders.inspector_samples import V2_GROUP, classic_aggregate, classic_port, classic_with, section, v2_event

TODAY = date(2026, 11, 22)
RESTRICTED = PortSet.parse([22, 3389])

# The mission's own servers, and what its author wants to expect of them.
MISSION = {
    "allowed_ports": {"webapps (Prod)": ["tcp/80", "tcp/443"], "vpn.foobar.com": ["tcp/80", "tcp/443", "udp/1194"]},
    "ephemeral_ports": {"webapps (Prod)": ["tcp/32768-60999"]},
}


def v2(*arguments: Any, **values: Any) -> Finding:
    finding = read_message(v2_event(*arguments, **values))
    assert isinstance(finding, Finding)
    return finding


def decided(finding: Finding, **config: Any) -> FilterDecision:
    return decide(finding, section(**config), RESTRICTED, TODAY)


def held(decision: FilterDecision) -> list[tuple[str, str]]:
    return [(str(part.ports), part.reason) for part in decision.held]


WEBAPPS = {"Name": "webapps (Prod)"}
VPN = {"Name": "vpn.foobar.com"}


@pytest.mark.parametrize(
    ("finding", "left", "held_back"),
    [
        pytest.param(
            parse_classic(classic_aggregate("[[80 - 80], [443 - 443]]")),
            "",
            [("tcp/80", 'allowed_ports "webapps (Prod)"'), ("tcp/443", 'allowed_ports "webapps (Prod)"')],
            id="webapps",
        ),
        pytest.param(
            parse_classic(classic_aggregate("[[80 - 80], [443 - 443], [32768 - 60999]]")),
            "",
            [
                ("tcp/80", 'allowed_ports "webapps (Prod)"'),
                ("tcp/443", 'allowed_ports "webapps (Prod)"'),
                ("tcp/32768-60999", 'ephemeral_ports "webapps (Prod)"'),
            ],
            id="webapps with Docker's ports",
        ),
        pytest.param(
            parse_classic(classic_aggregate("[[80 - 80], [443 - 443], [32000 - 61000]]")),
            "tcp/32000-32767, tcp/61000",
            [
                ("tcp/80", 'allowed_ports "webapps (Prod)"'),
                ("tcp/443", 'allowed_ports "webapps (Prod)"'),
                ("tcp/32768-60999", 'ephemeral_ports "webapps (Prod)"'),
            ],
            id="more than Docker's ports",
        ),
        pytest.param(
            parse_classic(classic_aggregate("[[443 - 443]]", "[[1194 - 1194]]", "vpn.foobar.com")),
            "",
            [("tcp/443", 'allowed_ports "vpn.foobar.com"'), ("udp/1194", 'allowed_ports "vpn.foobar.com"')],
            id="VPN",
        ),
        pytest.param(
            # The list from which its author removes while walking it: the second of two neighbours stays.
            parse_classic(classic_aggregate("[[80 - 80], [443 - 443], [8080 - 8080], [9090 - 9090]]")),
            "tcp/8080, tcp/9090",
            [("tcp/80", 'allowed_ports "webapps (Prod)"'), ("tcp/443", 'allowed_ports "webapps (Prod)"')],
            id="nothing is skipped",
        ),
        pytest.param(
            parse_classic(classic_aggregate("[[1194 - 1194]]", "[]", "vpn.foobar.com")),
            "tcp/1194",
            [],
            id="a UDP port is not allowed as TCP",
        ),
        pytest.param(
            parse_classic(classic_aggregate("[]", "[[443 - 443]]", "vpn.foobar.com")),
            "udp/443",
            [],
            id="a TCP port is not allowed as UDP",
        ),
        pytest.param(parse_classic(classic_port()), "tcp/22", [], id="another server"),
        pytest.param(parse_classic(classic_aggregate()), "", [], id="no ports at all"),
        pytest.param(v2((443, 443), tags=WEBAPPS), "", [("tcp/443", 'allowed_ports "webapps (Prod)"')], id="v2"),
        pytest.param(
            v2((79, 81), tags=WEBAPPS),
            "tcp/79, tcp/81",
            [("tcp/80", 'allowed_ports "webapps (Prod)"')],
            id="v2, a range that is partly allowed",
        ),
        pytest.param(v2((1194, 1194), "UDP", VPN), "", [("udp/1194", 'allowed_ports "vpn.foobar.com"')], id="v2, VPN"),
        pytest.param(v2((1194, 1194), "TCP", VPN), "tcp/1194", [], id="v2, a UDP port is not allowed as TCP"),
        pytest.param(v2((443, 443), tags={"name": "webapps (Prod)"}), "tcp/443", [], id="v2, the tag's case counts"),
        pytest.param(v2((443, 443), tags={}), "tcp/443", [], id="v2, no tags"),
    ],
)
def test_the_missions_servers(finding: Finding, left: str, held_back: list[tuple[str, str]]) -> None:
    decision = decided(finding, **MISSION)
    assert str(decision.left) == left
    assert held(decision) == held_back
    assert decision.action is (FilterAction.PUBLISH if left else FilterAction.HOLD_BACK)
    assert decision.filtered


@pytest.mark.parametrize(
    ("server", "tags", "meant"),
    [
        pytest.param("web", {"Name": "web"}, True, id="exact"),
        pytest.param("web", {"Name": "web-1"}, False, id="not a prefix"),
        pytest.param("web-*", {"Name": "web-1"}, True, id="glob"),
        pytest.param("web-?", {"Name": "web-12"}, False, id="glob of one letter"),
        pytest.param("Web", {"Name": "web"}, False, id="case"),
        pytest.param("WEB-*", {"Name": "web-1"}, False, id="case of a glob"),
        pytest.param("webapps (Prod)", {"Name": "webapps (Prod)"}, True, id="parentheses"),
        pytest.param("web [blue]", {"Name": "web [blue]"}, True, id="brackets mean themselves"),
        pytest.param("web [blue]", {"Name": "web b"}, True, id="brackets are a glob too"),
        pytest.param("what?", {"Name": "what?"}, True, id="question mark"),
        pytest.param("*", {}, False, id="no Name tag"),
        pytest.param("*", {"Name": ""}, True, id="an empty Name tag"),
        pytest.param("tag:Role=web", {"Role": "web"}, True, id="another tag"),
        pytest.param("tag:Role=web*", {"Role": "webapp"}, True, id="another tag's glob"),
        pytest.param("tag:Role=web", {"role": "web"}, False, id="another tag's case"),
        pytest.param("tag:Role=web", {"Name": "tag:Role=web"}, False, id="not a name"),
        pytest.param("tag:aws:stack=a=b", {"aws:stack": "a=b"}, True, id="a colon in the key, = in the value"),
        pytest.param("tag:Role=*", {"Name": "x"}, False, id="a tag that is not there"),
    ],
)
def test_matches(server: str, tags: dict[str, str], meant: bool) -> None:
    assert matches(server, tags) is meant


@pytest.mark.parametrize(
    ("expires", "left"),
    [("2026-11-23", ""), ("2026-11-22", "tcp/8080"), ("2026-11-21", "tcp/8080")],
    ids=["tomorrow", "today", "yesterday"],
)
def test_entries_expire(expires: str, left: str) -> None:
    entry = {"ports": ["tcp/8080"], "expires": expires, "reason": "migration"}
    decision = decided(v2((8080, 8080)), allowed_ports={"web": [entry]})
    assert str(decision.left) == left
    assert held(decision) == ([] if left else [("tcp/8080", f'allowed_ports "web" until {expires}: migration')])


def test_what_is_allowed_adds_up() -> None:
    decision = decided(
        v2((78, 84), tags={"Name": "web-1", "Role": "web"}),
        allowed_ports={"web-*": ["tcp/79-80"], "tag:Role=web": ["80-81"], "db": ["tcp/84"]},
        ephemeral_ports={"web-1": [83]},
    )
    assert str(decision.left) == "tcp/78, tcp/82, tcp/84"
    assert held(decision) == [
        ("tcp/79-80", 'allowed_ports "web-*"'),
        ("tcp/81", 'allowed_ports "tag:Role=web"'),
        ("tcp/83", 'ephemeral_ports "web-1"'),
    ]


@pytest.mark.parametrize(
    ("value", "left", "notes"),
    [
        pytest.param("tcp/20-25", "tcp/22", ["the instance's tag open may not allow tcp/22: restricted"], id="range"),
        pytest.param("20-21 23 24-25", "tcp/22", [], id="spaces"),
        pytest.param("20 - 21, 23,24-25", "tcp/22", [], id="commas"),
        pytest.param(
            "all tcp/20 99999", "tcp/21-25", ["the instance's tag open lists what is no port: all 99999"], id="nonsense"
        ),
        pytest.param("", "tcp/20-25", [], id="empty"),
        pytest.param("udp/20-25", "tcp/20-25", [], id="other protocol"),
    ],
)
def test_own_tag(value: str, left: str, notes: list[str]) -> None:
    finding = v2((20, 25), tags={"Name": "web", "open": value})
    decision = decided(finding, allowed_ports_tag="open")
    assert str(decision.left) == left
    assert list(decision.notes) == notes
    # Off unless it is configured.
    assert str(decided(finding).left) == "tcp/20-25"


def test_own_tag_never_allows_a_restricted_port_but_the_configuration_may() -> None:
    finding = v2((22, 22), tags={"Name": "web", "open": "22"})
    assert decided(finding, allowed_ports_tag="open").action is FilterAction.PUBLISH
    assert decided(finding, allowed_ports_tag="open", allowed_ports={"web": [22]}).action is FilterAction.HOLD_BACK


@pytest.mark.parametrize(
    "finding",
    [
        pytest.param(v2((443, 443), "ALL", WEBAPPS), id="unknown protocol"),
        pytest.param(parse_classic(classic_aggregate("[[80 - 80]]", "[[x]]")), id="half of it readable"),
        pytest.param(v2((443, 443), tags=WEBAPPS, status="?"), id="unknown status"),
    ],
)
def test_what_is_not_understood_is_passed_on_whole_and_marked(finding: Finding) -> None:
    decision = decided(finding, **MISSION)
    assert (decision.action, decision.filtered, decision.held) == (FilterAction.PUBLISH, False, ())
    assert decision.left == finding.ports
    assert decision.notes[0].startswith("not filtered, because it was not understood: ")


@pytest.mark.parametrize("status", [FindingStatus.CLOSED, FindingStatus.SUPPRESSED])
def test_what_is_over_is_ignored(status: FindingStatus) -> None:
    assert decided(v2(status=str(status))).action is FilterAction.IGNORE


def test_other_findings() -> None:
    vulnerability = v2(type="PACKAGE_VULNERABILITY", networkReachabilityDetails=None)
    assert decided(vulnerability).action is FilterAction.IGNORE
    passed = decided(vulnerability, other_findings="pass")
    assert (passed.action, passed.filtered) == (FilterAction.PUBLISH, False)


# Ports whose groups admit only trusted addresses.

TRUSTED = AddressSet.parse("8.8.8.0/24", "2a00:1::/32")
SELF = {"UserIdGroupPairs": [{"GroupId": V2_GROUP}]}


def group(*permissions: tuple[str, int, int, dict[str, Any] | str], group_id: str = V2_GROUP) -> SecurityGroup:
    raw = []
    for protocol, first, last, source in permissions:
        if isinstance(source, str):
            family, key = ("Ipv6Ranges", "CidrIpv6") if ":" in source else ("IpRanges", "CidrIp")
            source = {"PrefixListIds": [{"PrefixListId": source}]} if source[:3] == "pl-" else {family: [{key: source}]}
        raw.append({"IpProtocol": protocol, "FromPort": first, "ToPort": last, **source})
    return parse_security_group({"GroupId": group_id, "GroupName": "g", "IpPermissions": raw})


PREFIX_LISTS: dict[str, tuple[Network, ...]] = {
    "pl-trusted": (parse_network("8.8.8.0/25"),),
    "pl-public": (parse_network("9.9.9.0/25"),),
    "pl-aws": (),
}
LB = {"steps": [{"componentId": name, "componentType": "x"} for name in ("igw-1", "arn:elb", V2_GROUP, "i-1")]}


def by_groups(finding: Finding, *groups: SecurityGroup) -> FilterDecision:
    return decide_by_groups(decided(finding), finding.groups, groups, PREFIX_LISTS, TRUSTED)


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        pytest.param([("tcp", 20, 25, "8.8.8.8/32")], "", id="one trusted address"),
        pytest.param([("tcp", 20, 25, "8.8.8.0/24"), ("tcp", 20, 25, "2a00:1::/48")], "", id="both families"),
        pytest.param([("-1", -1, -1, "8.8.8.0/24")], "", id="all traffic"),
        pytest.param([("tcp", 20, 25, "8.8.0.0/16")], "tcp/20-25", id="more than what is trusted"),
        pytest.param([("tcp", 20, 25, "0.0.0.0/0")], "tcp/20-25", id="everybody"),
        pytest.param(
            [("tcp", 20, 25, "8.8.8.8/32"), ("tcp", 22, 22, "0.0.0.0/0")], "tcp/22", id="one port open to everybody"
        ),
        pytest.param([("tcp", 22, 23, "8.8.8.8/32")], "tcp/20-21, tcp/24-25", id="two ports known"),
        pytest.param([("tcp", 20, 25, "8.8.8.8/32"), ("-1", -1, -1, "::/0")], "tcp/20-25", id="IPv6 open to everybody"),
        pytest.param([("udp", 20, 25, "8.8.8.8/32")], "tcp/20-25", id="other protocol"),
        pytest.param([("tcp", 20, 25, "8.8.8.8/32"), ("udp", 0, 65535, "0.0.0.0/0")], "", id="other protocol open"),
        pytest.param([("tcp", 20, 25, "8.8.8.8/32"), ("icmp", -1, -1, "0.0.0.0/0")], "", id="ICMP open"),
        pytest.param([("tcp", 20, 25, "8.8.8.8/32"), ("tcp", 0, 65535, "10.0.0.0/8")], "", id="private sources too"),
        pytest.param([("tcp", 20, 25, "8.8.8.8/32"), ("-1", -1, -1, SELF)], "", id="the group itself too"),
        pytest.param([("tcp", 20, 25, "10.0.0.0/8")], "tcp/20-25", id="private sources alone"),
        pytest.param([("tcp", 20, 25, SELF)], "tcp/20-25", id="the group itself alone"),
        pytest.param([], "tcp/20-25", id="no rules"),
        pytest.param([("tcp", 20, 25, "pl-trusted")], "", id="prefix list"),
        pytest.param([("tcp", 20, 25, "pl-public")], "tcp/20-25", id="prefix list with others"),
        pytest.param([("tcp", 20, 25, "8.8.8.8/32"), ("tcp", 22, 22, "pl-aws")], "tcp/22", id="prefix list of AWS"),
    ],
)
def test_groups_that_admit_only_trusted_addresses(rules: list[Any], left: str) -> None:
    decision = by_groups(v2((20, 25)), group(*rules))
    assert str(decision.left) == left
    assert decision.action is (FilterAction.PUBLISH if left else FilterAction.HOLD_BACK)
    assert all(reason == f"{V2_GROUP} admits only trusted_cidrs" for _, reason in held(decision))
    assert not decision.notes


def test_one_open_group_of_the_path_is_enough() -> None:
    finding = v2((22, 22), groups=("sg-1", "sg-2"))
    trusted = group(("tcp", 22, 22, "8.8.8.8/32"), group_id="sg-1")
    assert by_groups(finding, trusted, group(group_id="sg-2")).action is FilterAction.HOLD_BACK
    opened = group(("tcp", 22, 22, "9.9.9.9/32"), group_id="sg-2")
    assert by_groups(finding, trusted, opened).action is FilterAction.PUBLISH


@pytest.mark.parametrize("other", [SELF, {"IpRanges": [{"CidrIp": "10.0.0.0/8"}]}], ids=["group", "private"])
def test_behind_a_load_balancer_every_other_source_counts(other: dict[str, Any]) -> None:
    finding = v2(networkReachabilityDetails={**v2().raw["networkReachabilityDetails"], "networkPath": LB})
    trusted = ("tcp", 22, 22, "8.8.8.8/32")
    assert by_groups(finding, group(trusted)).action is FilterAction.HOLD_BACK
    assert by_groups(finding, group(trusted, ("tcp", 22, 22, other))).action is FilterAction.PUBLISH


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        pytest.param([], f"{V2_GROUP} does not exist", id="gone"),
        pytest.param([group(("tcp", 22, 22, {}))], f"{V2_GROUP}: a tcp rule without a source", id="not understood"),
        pytest.param(
            [group(("tcp", 22, 22, "8.8.8.8/32"), ("tcp", 22, 22, "pl-unknown"))],
            f"{V2_GROUP}: source 'pl-unknown'",
            id="prefix list that could not be read",
        ),
    ],
)
def test_groups_that_could_not_be_read(groups: list[SecurityGroup], reason: str) -> None:
    decision = by_groups(v2(), *groups)
    assert (decision.action, str(decision.left), decision.held) == (FilterAction.PUBLISH, "tcp/22", ())
    assert decision.notes[0].startswith("security groups could not be read, so none of it is held back for trusted")
    assert reason in decision.notes[0]


def test_groups_are_asked_only_where_they_matter() -> None:
    finding = v2()
    assert needs_groups(decided(finding), TRUSTED)
    assert not needs_groups(decided(finding), AddressSet())
    assert not needs_groups(decided(finding, allowed_ports={"web": [22]}), TRUSTED)
    assert not needs_groups(decided(v2(groups=())), TRUSTED)
    assert not needs_groups(decided(v2(protocol="ALL")), TRUSTED)


# The property: what is published and what is held back are exactly the finding's ports.

PORTS = st.integers(0, 40)
SPANS = st.lists(st.tuples(PORTS, PORTS).map(lambda pair: (min(pair), max(pair))), max_size=4)


def classic(tcp: list[tuple[int, int]], udp: list[tuple[int, int]], tag: list[tuple[int, int]]) -> Finding:
    tcp_ports, udp_ports = (
        "[" + ", ".join(f"[{first} - {last}]" for first, last in spans) + "]" for spans in (tcp, udp)
    )
    raw = classic_aggregate(tcp_ports, udp_ports, "web")
    raw["attributes"].append({"key": "SECURITY_GROUP", "value": V2_GROUP})
    raw["attributes"].append({"key": "IGW", "value": "igw-1"})
    listed = ",".join(f"{first}-{last}" for first, last in tag)
    raw["assetAttributes"]["tags"].append({"key": "open", "value": listed})
    return parse_classic(raw)


ENTRIES = st.lists(
    st.tuples(st.sampled_from(["", "tcp/", "udp/"]), PORTS, PORTS).map(
        lambda entry: f"{entry[0]}{min(entry[1:])}-{max(entry[1:])}"
    ),
    max_size=3,
)
RULES = st.lists(
    st.tuples(
        st.sampled_from(["tcp", "udp"]), st.just(0), PORTS, st.sampled_from(["8.8.8.8/32", "9.9.9.9/32", "10.0.0.0/8"])
    ),
    max_size=3,
)


@given(SPANS, SPANS, SPANS, ENTRIES, ENTRIES, RULES)
def test_published_and_held_back_ports_are_the_findings(
    tcp: list[tuple[int, int]],
    udp: list[tuple[int, int]],
    tag: list[tuple[int, int]],
    allowed: list[str],
    ephemeral: list[str],
    rules: list[tuple[str, int, int, str]],
) -> None:
    finding = classic(tcp, udp, tag)
    assert finding.ports == PortSet(IntervalSet.of(tcp), IntervalSet.of(udp))
    decision = decide_by_groups(
        decided(finding, allowed_ports={"w*": allowed}, ephemeral_ports={"web": ephemeral}, allowed_ports_tag="open"),
        finding.groups,
        [group(*rules)],
        PREFIX_LISTS,
        TRUSTED,
    )
    parts = [decision.left, *(part.ports for part in decision.held)]
    union = PortSet()
    for ports in parts:
        assert not union & ports, "a port is in two parts"
        union |= ports
    assert union == finding.ports

    # Port by port, without intervals: left is what no rule of the configuration, the tag or the group allows.
    for protocol in ("tcp", "udp"):
        for port in range(41):
            open_to = {source for name, first, last, source in rules if name == protocol and first <= port <= last}
            expected = (
                any(port in PortSet.parse([entry]).protocol(protocol) for entry in allowed + ephemeral)
                or (port not in (22, 3389) and any(first <= port <= last for first, last in tag))
                or ("8.8.8.8/32" in open_to and "9.9.9.9/32" not in open_to)
            )
            found = port in finding.ports.protocol(protocol)
            assert (port in decision.left.protocol(protocol)) is (found and not expected)
    assert decision.action is (FilterAction.PUBLISH if decision.left else FilterAction.HOLD_BACK)


def test_classic_finds_the_groups_of_the_path() -> None:
    finding = parse_classic(classic_with(SECURITY_GROUP="sg-1"))
    assert by_groups(finding, group(("tcp", 22, 22, "8.8.8.8/32"), group_id="sg-1")).action is FilterAction.HOLD_BACK


def test_icmp_that_is_open_does_not_count_as_udp() -> None:
    rules = [("udp", 20, 25, "8.8.8.8/32"), ("icmp", 20, 25, "0.0.0.0/0"), ("icmpv6", 20, 25, "::/0")]
    assert str(by_groups(v2((20, 25), "UDP"), group(*rules)).left) == ""
