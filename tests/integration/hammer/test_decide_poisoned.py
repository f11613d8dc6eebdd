"""`hammer decide` about rows that somebody else wrote, each attribute with each wrong value: many, so in memory.

It decides about the issue that it was asked about, or says in one line why it does not: no traceback, and nothing is
written about any other issue.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import typer

from hammer import decide
from library.aws.issue_table import IssueTable
from library.config import Configuration
from library.config.loader import parse_configuration
from library.documents.text import printable
from library.errors import HammerError
from library.jobs import command_line
from tests.builders.poisoned_rows import EVIL, MAIN, REGION, every_case, poisoned, row
from tests.worlds.memory_items import MemoryItems, clone

GROUP, OTHER = "sg-0000000000000001", "sg-0000000000000002"
KINDS: dict[str, dict[str, Any]] = {
    "close-now": {},
    "exempt": {"days": 3, "reason": "migration until Friday"},
    "not-mine": {"owner": "jane@example.com"},
}


class _Table(IssueTable):
    """An issue table in memory."""

    def __init__(self, items: MemoryItems) -> None:
        self.items: Any = items


class _NoSessions:
    """AWS is not there: nothing but the table may be asked for."""

    def __init__(self, *_: str, read_only: bool = False) -> None:
        del read_only

    def client(self, name: str) -> Any:
        assert name == "dynamodb"


def _configuration() -> Configuration:
    file = {
        "aws": {"main_account_id": MAIN, "region": REGION, "accounts": {MAIN: "master"}},
        "secgrp_unrestricted_access": {"ddb.table_name": "issues", "reporting": True, "remediation": True},
    }
    return parse_configuration({"config": ("config.json", json.dumps(file).encode())})


Decide = Callable[[dict[str, Any], str], str]


@pytest.fixture(name="decided")
def _decided(monkeypatch: pytest.MonkeyPatch) -> Decide:
    config = _configuration()
    kept: list[MemoryItems] = []
    other = row(OTHER)
    monkeypatch.setattr(decide, "read_configuration", lambda _: config)
    monkeypatch.setattr(command_line, "Sessions", _NoSessions)
    monkeypatch.setattr(command_line, "IssueTable", lambda *_: _Table(kept[-1]))
    # The host's log is AWS's, too.
    monkeypatch.setattr(decide, "host_logging", lambda *_: nullcontext())
    monkeypatch.setenv("SUDO_USER", "jane")

    def asks(item: dict[str, Any], kind: str) -> str:
        """Decide about a row, beside an honest one. Returns what a person reads where it is not done."""
        items = MemoryItems()
        kept[:] = [items]
        items.items = {(MAIN, GROUP): clone(item), (MAIN, OTHER): clone(other)}
        problem = ""
        try:
            decide.command(kind, None, [MAIN], [REGION], [GROUP], **KINDS[kind])
        except typer.Exit as ended:
            problem = f"exit code {ended.exit_code}"
        except HammerError as error:
            problem = str(error)
        new = {key for key in items.items if key not in ((MAIN, GROUP), (MAIN, OTHER))}
        assert all(name.startswith(f"exemption#{GROUP}#") for _, name in new), new
        assert items.items[MAIN, OTHER] == other
        after = items.items[MAIN, GROUP]
        changed = {name for name in {*after, *item} if after.get(name) != item.get(name)}
        assert changed <= {"decisions", "decision_state", "decision_version"}
        assert bool(new) <= (kind == "exempt")
        if not problem:
            last = after["decisions"][-1]
            assert (last["kind"], last["by"], last["result"]) == (kind, "jane", "done")
            assert bool(new) is (kind == "exempt")
        return problem

    return asks


@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_row_is_decided_about(decided: Decide, kind: str) -> None:
    assert decided(row(GROUP), kind) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_poisoned_row_is_decided_about_or_named(
    decided: Decide, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    # The kinds take turns: each attribute is tried with all of them, each wrong value with one.
    chosen, outcomes = every_case()[[*KINDS].index(kind) :: len(KINDS)], []
    for path, name, wrong in chosen:
        try:
            outcomes.append(decided(poisoned(GROUP, path, wrong), kind))
        except Exception as error:
            error.add_note(f"{path} is {name}")
            raise
    said = capfd.readouterr()
    assert "\x1b" not in said.out + said.err + "".join(map(printable, outcomes))
    assert EVIL not in said.out
    # Nobody else writes here: what says so would say it of the row for ever.
    odd = [case[:2] for case, outcome in zip(chosen, outcomes, strict=True) if "kept changing" in outcome]
    assert odd == []
    assert {bool(outcome) for outcome in outcomes} == {False, True}
