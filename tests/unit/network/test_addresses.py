"""Networks, sets of addresses, and which addresses are public."""

import json
import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.network.addresses import INTERNET, NOT_PUBLIC, PUBLIC, RFC_1918, AddressSet, Network, parse_network

# From the contract's own list, where the IANA special-purpose registries are named as the source.
BLOCKS = json.loads((Path(__file__).parents[2] / "data" / "not-public-addresses.json").read_text())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("8.8.8.0/24", "8.8.8.0/24", id="IPv4 network"),
        pytest.param("8.8.8.8", "8.8.8.8/32", id="IPv4 address"),
        pytest.param("8.8.8.8/24", "8.8.8.0/24", id="IPv4 host bits"),
        pytest.param("192.168.1.0/0", "0.0.0.0/0", id="host bits of the whole Internet"),
        pytest.param("255.255.255.255/32", "255.255.255.255/32", id="last IPv4 address"),
        pytest.param("2a00:1450::/32", "2a00:1450::/32", id="IPv6 network"),
        pytest.param("2a00:1450::1", "2a00:1450::1/128", id="IPv6 address"),
        pytest.param("2A00:1450:0:0::1/32", "2a00:1450::/32", id="IPv6 host bits, long form, capitals"),
        pytest.param("::/0", "::/0", id="all of IPv6"),
        pytest.param("::ffff:8.8.8.8/128", "::ffff:808:808/128", id="IPv4 in IPv6"),
    ],
)
def test_parse_network(text: str, expected: str) -> None:
    assert str(parse_network(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["", " ", "/", "/8", "8.8.8.8/", "8.8.8.8/33", "8.8.8.8/-1", "8.8.8.8/ 8", "8.8.8.8/+8", "8.8.8.8/008",
     "8.8.8.8/255.255.255.0", "8.8.8/24", "8.8.8.8.8/24", "8.8.8.256/24", "08.8.8.8/24", "8.8.8.8/٨", "٨.8.8.8/8",
     "8.8.8.8/8/8", "8.8.8.8\0/8", "::/129", "fe80::1%eth0/64", ":::/0", "::/", "g::/8", "0x8080808/8",
     "134744072", "sg-1", "anywhere"],
)  # fmt: skip
def test_what_is_not_a_network(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the callers say what was wrong
        parse_network(text)


@pytest.mark.parametrize("text", ["8.8.8.8/33", "8.8.8.8/x", "fe80::1%eth0/64"])
def test_the_error_names_what_is_no_network(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{text!r} is not a CIDR")):
        parse_network(text)


def test_the_union_of_many_sets_keeps_the_families_apart() -> None:
    sets = [AddressSet.parse("8.8.8.0/25"), AddressSet.parse("8.8.8.128/25", "2a00::/16"), AddressSet()]
    assert AddressSet.union(sets) == AddressSet.parse("8.8.8.0/24", "2a00::/16")


@given(st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_parse_network_agrees_with_ipaddress_on_ipv4(number: int, bits: int) -> None:
    text = f"{IPv4Address(number)}/{bits}"
    known = ip_network(text, strict=False)
    assert parse_network(text) == Network(4, int(known.network_address), int(known.broadcast_address))
    assert str(parse_network(text)) == str(known)
    assert parse_network(text).size == known.num_addresses


@given(st.integers(0, 2**128 - 1), st.integers(0, 128))
def test_parse_network_agrees_with_ipaddress_on_ipv6(number: int, bits: int) -> None:
    text = f"{IPv6Address(number)}/{bits}"
    known = ip_network(text, strict=False)
    assert parse_network(text) == Network(6, int(known.network_address), int(known.broadcast_address))
    assert str(parse_network(text)) == str(known)


_SMALL = st.one_of(
    st.tuples(st.integers(0, 15), st.integers(28, 32)).map(lambda pair: f"8.8.8.{pair[0]}/{pair[1]}"),
    st.tuples(st.integers(0, 15), st.integers(124, 128)).map(lambda pair: f"2a00::{pair[0]:x}/{pair[1]}"),
)
_CIDRS = st.lists(_SMALL, max_size=6)


def members(cidrs: list[str]) -> set[IPv4Address | IPv6Address]:
    return {address for cidr in cidrs for address in ip_network(cidr, strict=False)}


def listed(addresses: AddressSet) -> set[IPv4Address | IPv6Address]:
    v4 = {IPv4Address(number) for first, last in addresses.v4.spans for number in range(first, last + 1)}
    v6 = {IPv6Address(number) for first, last in addresses.v6.spans for number in range(first, last + 1)}
    return v4 | v6


@given(_CIDRS, _CIDRS)
def test_operations_are_those_of_sets(left: list[str], right: list[str]) -> None:
    a, b = AddressSet.parse(*left), AddressSet.parse(*right)
    mine, theirs = members(left), members(right)
    assert listed(a) == mine
    assert listed(a | b) == mine | theirs
    assert listed(a & b) == mine & theirs
    assert listed(a - b) == mine - theirs
    assert a.covers(b) == (mine >= theirs)
    assert bool(a) == bool(mine)


def test_families_are_apart() -> None:
    everything = AddressSet.parse("0.0.0.0/0", "::/0")
    assert everything.family(4).spans == ((0, 2**32 - 1),)
    assert everything.family(6).spans == ((0, 2**128 - 1),)
    assert not AddressSet.parse("0.0.0.0/0").covers(AddressSet.parse("::1/128"))


def test_not_public_is_what_the_list_says() -> None:
    assert AddressSet.parse(*BLOCKS["ipv4"], *BLOCKS["ipv6"]) == NOT_PUBLIC


def test_public_is_everything_else() -> None:
    assert AddressSet.parse("0.0.0.0/0", "::/0") == NOT_PUBLIC | PUBLIC
    assert not NOT_PUBLIC & PUBLIC


def test_the_internet_is_public_and_of_the_complete_blocks() -> None:
    assert AddressSet.parse("0.0.0.0/0", BLOCKS["complete_ipv6"]) - NOT_PUBLIC == INTERNET


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("9.255.255.255", True), ("10.0.0.0", False), ("10.255.255.255", False), ("11.0.0.0", True),
        ("172.15.255.255", True), ("172.16.0.0", False), ("172.31.255.255", False), ("172.32.0.0", True),
        ("100.63.255.255", True), ("100.64.0.0", False), ("100.128.0.0", True),
        ("192.167.255.255", True), ("192.168.0.0", False), ("192.169.0.0", True),
        ("169.254.169.254", False), ("192.0.0.8", False), ("198.17.255.255", True), ("198.19.255.255", False),
        ("223.255.255.255", True), ("224.0.0.1", False), ("255.255.255.255", False), ("0.0.0.0", False),
        ("::", False), ("::1", False), ("::2", True), ("::ffff:8.8.8.8", False), ("2001:db8::1", False),
        ("2a00::1", True), ("fd00::1", False), ("fe80::1", False), ("ff02::1", False), ("4000::1", True),
    ],
)  # fmt: skip
def test_public_addresses(address: str, public: bool) -> None:
    number = ip_address(address)
    assert (int(number) in PUBLIC.family(number.version)) == public


def test_rfc_1918_is_not_public() -> None:
    assert NOT_PUBLIC.covers(AddressSet.parse(*RFC_1918))
