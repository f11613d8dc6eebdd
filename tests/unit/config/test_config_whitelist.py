"""The exemptions of the file `whitelist`."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exemptions import Exemption
from tests.builders.config_files import parse

ACCOUNT = "123456789012"


def _exemptions(written: object) -> tuple[Exemption, ...]:
    whitelist = {"secgrp_unrestricted_access": {ACCOUNT: written}}
    return parse(whitelist=whitelist).exemptions(ACCOUNT)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("sg-7c228307", Exemption("sg-7c228307"), id="a group's id"),
        pytest.param("vpc-654321:default", Exemption("vpc-654321:default"), id="VPC and name"),
        pytest.param("vpc-1:web: a, b", Exemption("vpc-1:web: a, b"), id="a name with colon and comma"),
        pytest.param({"group": "sg-7c228307"}, Exemption("sg-7c228307"), id="a section with the id alone"),
        pytest.param({"group": "vpc-1:web"}, Exemption("vpc-1:web"), id="a section with VPC and name alone"),
        pytest.param(
            {"group": "sg-1", "ports": ["tcp/22"]},
            Exemption("sg-1", ports=PortSet.parse(["tcp/22"])),
            id="ports",
        ),
        pytest.param(
            {"group": "sg-1", "cidrs": "8.8.8.0/24, 2001:db8::/32"},
            Exemption("sg-1", sources=AddressSet.parse("8.8.8.0/24", "2001:db8::/32")),
            id="sources",
        ),
        pytest.param(
            {"group": "sg-1", "expires": "2027-03-01", "reason": "agreed"},
            Exemption("sg-1", expires=date(2027, 3, 1), reason="agreed"),
            id="a date and a reason",
        ),
        pytest.param({"group": "sg-1", "ports": [], "cidrs": ""}, Exemption("sg-1"), id="none named means all"),
    ],
)
def test_an_exemption(written: Any, expected: Exemption) -> None:
    assert _exemptions([written]) == (expected,)


def test_exemptions_as_one_string() -> None:
    assert _exemptions("sg-7c228307, vpc-654321:default") == _exemptions(["sg-7c228307", "vpc-654321:default"])


def test_an_account_without_exemptions() -> None:
    assert parse(whitelist={"secgrp_unrestricted_access": {}}).exemptions(ACCOUNT) == ()


def test_an_absent_whitelist_is_an_empty_one() -> None:
    assert parse().exemptions(ACCOUNT) == ()
