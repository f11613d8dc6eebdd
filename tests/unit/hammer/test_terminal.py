"""A list on a terminal: whatever its width, no id, CIDR or port is cut."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest

from hammer.formats.table_format import console, show
from hammer.listing.issue import ListingSource
from library.security_groups.exposure import Exposure
from tests.builders.listings import EVERYTHING, LISTED, SSH, a_listed_issue, a_listing

LONG = Exposure("udp", 32768, 61000, "2001:db8:1111:2222:3333:4444:5555:6666/128", "open_partly")
NAME = "a name of very many words that nobody would give to anything"
WHOLE = (
    "210987654321", "ap-southeast-2", "sg-0123456789abcdef0", "OPS-12345", "2026-11-12", "tcp/22 from 0.0.0.0/0",
    "tcp/5432 from pl-0123456789abcdef0 (8.8.4.0/24)", f"udp/32768-61000 from {LONG.cidr}", "all traffic from ::/0",
)  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("source", ListingSource)
@pytest.mark.parametrize("width", [20, 80, 120, 160, 200, 300])
def test_no_id_cidr_or_port_is_cut(width: int, source: ListingSource, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {"COLUMNS": str(width), "TERM": "xterm"}.items():
        monkeypatch.setenv(variable, value)
    issue = a_listed_issue(SSH, LISTED, LONG, EVERYTHING, name=NAME, region="ap-southeast-2", ticket="OPS-12345")
    terminal = Terminal()
    show(console(terminal), a_listing(issue, replace(issue, owner=NAME), source=source))
    text = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    only_in_the_table = ("OPS-12345", "2026-11-12") if source is ListingSource.SCAN else ()
    assert [part for part in WHOLE if part not in text] == list(only_in_the_table)
    assert set(NAME.split()) <= set(text.split())
