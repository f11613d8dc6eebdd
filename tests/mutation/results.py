"""What became of the mutants of a room, and how it is shown."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "mutants"
SURVIVED = 0
_WORDS = {SURVIVED: "survived", 1: "killed", -27: "timeout", -24: "timeout", -14: "timeout"}
_KILLED = ("killed", "timeout")


@dataclass(frozen=True)
class Result:
    """How the process that tried a mutant ended, and the hash of the function that the mutant changes."""

    code: int
    function: str | None


def read_results(name: str) -> dict[str, Result]:
    """The mutants of a room's last run that were tried."""
    results = BUILD / f"{name}.results"
    if not results.exists():
        return {}
    functions: dict[str, str] = json.loads((BUILD / f"{name}.hashes").read_text())
    entries = [json.loads(line) for line in results.read_text().splitlines()]
    return {entry["mutant"]: Result(entry["code"], functions.get(entry["mutant"])) for entry in entries}


def show(name: str, diff: bool) -> None:
    """Print a table of a room's modules, and its mutants that were not killed."""
    found = read_results(name)
    counts: dict[str, Counter[str]] = {}
    rest = []
    for mutant in json.loads((BUILD / f"{name}.hashes").read_text()):
        code = found[mutant].code if mutant in found else None
        status = "not tried" if code is None else _WORDS.get(code, f"exit code {code}")
        counts.setdefault(mutant.partition(".x")[0], Counter())["killed" if status in _KILLED else status] += 1
        if status not in _KILLED:
            rest.append((status, mutant))
    for module, count in counts.items():
        print(f"| `{module}` | {count.total()} | {count['killed']} | {count.total() - count['killed']} |")
    total = sum(counts.values(), Counter())
    print(f"| {name} | {total.total()} | {total['killed']} | {100 * total['killed'] / total.total():.1f} % |")
    for status, mutant in rest:
        print(f"{status}: {mutant}")
        if diff:
            print(_diff(name, mutant))


def _diff(name: str, mutant: str) -> str:
    """The lines that a mutant changes, as `diff` shows them."""
    module, _, function = mutant.rpartition(".")
    text = (BUILD / name / f"{module.replace('.', '/')}.py").read_text("utf-8")
    original = function.partition("__mutmut_")[0] + "__mutmut_orig"
    lines = difflib.unified_diff(_body(text, original), _body(text, function), n=0, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def _body(text: str, function: str) -> list[str]:
    lines = iter(text.splitlines())
    start = next(line for line in lines if re.match(rf"\s*(async )?def {re.escape(function)}\(", line))
    indent = len(start) - len(start.lstrip())
    body = []
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) <= indent and not line.lstrip().startswith(")"):
            break
        body.append(line)
    return body
