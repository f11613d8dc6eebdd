"""What is said of remediation: which rules Hammer replaces, when, whom that cuts off, and what stays open."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from library.issues.reachability import Reachability, Verdict
from library.issues.schedule import Waiting
from library.security_groups.exposure import Exposure
from reporting.remediation_text import closing_sentences, replaced_line
from tests.unit.reporting.test_whole_tickets import FACTS, FOUND, SSH, issue

RDP = Exposure("tcp", 3389, 3389, "8.8.8.0/24", "open_partly")
ALL = Exposure("-1", None, None, "0.0.0.0/0", "open_completely")
WHOLE, BOTH = frozenset({"open_completely"}), frozenset({"open_completely", "open_partly"})
UNLESS = "Unless it is fixed or exempt by then, Hammer will replace"
THEN = (
    "What is replaced will then be open from the private networks 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 only: "
    "whoever connects through it from elsewhere is cut off."
)


@pytest.mark.parametrize(
    ("perms", "facts", "text"),
    [
        pytest.param((SSH,), {"closes_at": None}, "", id="never"),
        pytest.param((SSH,), {}, f"{UNLESS} this rule soon after. {THEN}", id="the one rule"),
        pytest.param((SSH, RDP), {"scope": BOTH}, f"{UNLESS} these rules soon after. {THEN}", id="all rules"),
        pytest.param(
            (SSH, RDP),
            {},
            f"{UNLESS} only the rules that are open completely, SSH (tcp/22) from the whole Internet, soon after. "
            f"{THEN} The other rules stay open: Remote Desktop (tcp/3389) from 8.8.8.0/24 (256 addresses).",
            id="some rules stay",
        ),
        pytest.param(
            (SSH,),
            {"strategy": "carve_ports", "sources": ("10.9.0.0/16", "pl-1")},
            f"{UNLESS} the restricted ports of this rule soon after. What is replaced will then be open from "
            "10.9.0.0/16, pl-1 only: whoever connects through it from elsewhere is cut off.",
            id="the restricted ports only, and configured sources",
        ),
        pytest.param(
            (ALL,),
            {"strategy": "carve_ports"},
            f"{UNLESS} this rule soon after. {THEN}",
            id="a rule without ports whole",
        ),
        pytest.param(
            (SSH, ALL),
            {"strategy": "carve_ports"},
            f"{UNLESS} the restricted ports of these rules, and all of those without ports, soon after. {THEN}",
            id="the restricted ports, and a rule without ports whole",
        ),
        pytest.param((SSH,), {"at_once": True}, f"{UNLESS} this rule at its next run. {THEN}", id="at once"),
    ],
)
def test_the_top_says_what_happens(perms: tuple[Exposure, ...], facts: dict[str, Any], text: str) -> None:
    restricted = FACTS.restricted | type(FACTS.restricted).parse([3389])
    assert closing_sentences(issue(*perms), replace(FACTS, restricted=restricted, **facts)) == text


def test_nobody_is_cut_off_from_what_nothing_uses() -> None:
    unused = Reachability.of(Verdict.UNUSED, None, "open_completely")
    given = issue(SSH)
    said = closing_sentences(replace(given, details=replace(given.details, reachability=unused)), FACTS)
    assert said == f"{UNLESS} this rule soon after. {THEN.partition(':')[0]}."


@pytest.mark.parametrize(
    ("scope", "waiting", "text"),
    [
        (BOTH, (), "Hammer will replace these rules soon"),
        (WHOLE, (), "Hammer will replace only the rules that are open completely soon; the others stay open"),
        (BOTH, (RDP,), "Hammer will replace what was reported before soon"),
        (frozenset(), (), "Hammer will replace only the rules that are due soon; the others stay open"),
    ],
    ids=["all", "some", "one is new and waits", "what a change was begun for"],
)
def test_one_line_says_what_stays(scope: frozenset[str], waiting: tuple[Exposure, ...], text: str) -> None:
    later = [Waiting(perm, FOUND + timedelta(days=30)) for perm in waiting]
    assert replaced_line(issue(SSH, RDP), scope, "soon", later) == text
