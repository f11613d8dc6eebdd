"""Which exemption's end people are told of."""

from __future__ import annotations

from datetime import date

import pytest

from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exemptions import Exemption, Exemptions, deciding, last_ended

TODAY = date(2027, 3, 1)
GROUP = ("sg-1", "vpc-1", "web")


def of_ports(expires: date | None = None) -> Exemption:
    return Exemption("sg-1", ports=PortSet.parse(["tcp/22"]), expires=expires)


def of_sources(expires: date | None = None) -> Exemption:
    return Exemption("vpc-1:web", sources=AddressSet.parse("8.8.8.0/24"), expires=expires)


def whole(expires: date | None = None, group: str = "sg-1") -> Exemption:
    return Exemption(group, expires=expires)


@pytest.mark.parametrize(
    ("exemptions", "found"),
    [
        pytest.param([], None, id="none"),
        pytest.param([whole(group="sg-2"), whole(group="vpc-1:db")], None, id="another group's"),
        pytest.param([whole(date(2027, 3, 1))], None, id="over today"),
        pytest.param([whole(date(2027, 3, 2)), whole(date(2027, 5, 1))], 1, id="of whole ones, the last to end"),
        pytest.param([whole(date(2027, 5, 1)), whole(None, "vpc-1:web")], 1, id="a whole one without an end"),
        pytest.param([of_ports(date(2027, 5, 1)), of_sources(date(2027, 4, 1))], 1, id="of parts, the first to end"),
        pytest.param([of_ports(), of_sources(date(2027, 4, 1))], 1, id="a part without an end does not end first"),
        pytest.param([of_ports(date(2027, 4, 1)), whole(date(2027, 3, 9))], 1, id="a whole one counts before parts"),
        pytest.param([of_ports(date(2027, 2, 1)), of_sources(date(2027, 4, 1))], 1, id="a part that is over"),
    ],
)
@pytest.mark.parametrize("kind", [tuple, Exemptions], ids=["listed", "by group"])
def test_the_exemption_whose_end_exposes_the_group(
    exemptions: list[Exemption], found: int | None, kind: type[tuple[Exemption, ...]]
) -> None:
    expected = None if found is None else exemptions[found]
    assert deciding(kind(exemptions), *GROUP, TODAY) is expected


@pytest.mark.parametrize(
    ("exemptions", "found"),
    [
        pytest.param([], None, id="none"),
        pytest.param([whole(), of_ports(date(2027, 3, 2))], None, id="all count"),
        pytest.param([whole(date(2027, 2, 1), "sg-2"), whole(date(2027, 2, 1), "vpc-2:web")], None, id="another's"),
        pytest.param([of_ports(date(2027, 3, 1)), whole()], 0, id="over today"),
        pytest.param([whole(date(2027, 1, 1)), of_sources(date(2027, 2, 1)), of_ports()], 1, id="the last to end"),
        pytest.param([whole(date(2027, 2, 1)), of_sources(date(2027, 1, 1))], 0, id="whatever their order"),
    ],
)
def test_the_exemption_that_ended_last(exemptions: list[Exemption], found: int | None) -> None:
    expected = None if found is None else exemptions[found]
    assert last_ended(exemptions, *GROUP, TODAY) is expected
