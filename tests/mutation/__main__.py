"""Change the pure modules one small step at a time and see whether a test notices: `make mutants`.

mutmut makes the changes (mutants); `trial.py` tries them. A room is run in a copy of the tree under `build/mutants/`.
A second run of a room tries again what survived, and what has changed since.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.mutation.results import BUILD, ROOT, SURVIVED, read_results, show
from tests.mutation.rooms import ROOMS


def main() -> None:
    """Run the rooms that are asked for, and print what survived."""
    options = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    options.add_argument("rooms", nargs="*", help=f"rooms to run, of {', '.join(ROOMS)} (default: all)")
    options.add_argument("--children", type=int, default=1, help="mutants that are tried at the same time")
    options.add_argument("--again", action="store_true", help="try every mutant, also what the last run killed")
    options.add_argument("--results", action="store_true", help="run nothing; show the results of the last run")
    options.add_argument("--diff", action="store_true", help="show what each survivor changes")
    asked = options.parse_args()
    for name in asked.rooms or ROOMS:
        if not asked.results:
            run(name, asked.children, asked.again)
        show(name, asked.diff)


def run(name: str, children: int, again: bool) -> None:
    """Make the mutants of a room and try what no run has killed yet."""
    work, results = BUILD / name, BUILD / f"{name}.results"
    _copy_tree(work)
    hashes = _make_mutants(name, work)
    kept = {
        mutant: result.code
        for mutant, result in ({} if again else read_results(name)).items()
        if result.code != SURVIVED and result.function == hashes.get(mutant)
    }
    # At once: a run that is killed keeps what those before it found out.
    results.write_text("".join(json.dumps({"mutant": mutant, "code": code}) + "\n" for mutant, code in kept.items()))
    todo = [mutant for mutant in hashes if mutant not in kept]
    trial = BUILD / f"{name}.trial"
    trial.write_text(json.dumps({"mutants": todo, "children": children, "results": str(results)}))
    (BUILD / f"{name}.hashes").write_text(json.dumps(hashes))
    environment = os.environ | {
        "MUTANTS_TRIAL": str(trial),
        "MUTANT_UNDER_TEST": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "ORACLE_NETWORKS": "80",
    }
    plugins = ("tests.mutation.trial", "_hypothesis_pytestplugin", "no:cacheprovider")
    options = [*(part for plugin in plugins for part in ("-p", plugin)), "-s", "-q", "--tb=native", "--assert=plain"]
    command = [sys.executable, "-m", "pytest", *options, *ROOMS[name].tests]
    subprocess.run(command, cwd=work, env=environment, check=False)


def _copy_tree(work: Path) -> None:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    paths = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    shutil.rmtree(work, ignore_errors=True)
    for path in paths:
        if (ROOT / path).is_file():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, work / path)
    for test in (work / "tests").rglob("*.py"):
        text = test.read_text("utf-8")
        if "max_examples=" in text:
            test.write_text(re.sub(r"max_examples=\d{3,}", "max_examples=50", text), "utf-8")


def _make_mutants(name: str, work: Path) -> dict[str, str]:
    """Write the mutated modules. Returns each mutant's name with a hash of the function that it changes."""
    hashes = {}
    for pattern in ROOMS[name].modules:
        for path in sorted(ROOT.glob(pattern)):
            module = path.relative_to(ROOT)
            made = _mutated(str(module), path.read_text("utf-8"))
            (work / module).write_text(made["code"], "utf-8")
            dotted = ".".join(module.with_suffix("").parts)
            hashes.update({f"{dotted}.{mutant}": function for mutant, function in made["mutants"].items()})
    return hashes


def _mutated(module: str, source: str) -> dict[str, Any]:
    """What mutmut makes of a module, which takes seconds: kept for the next run."""
    kept = BUILD / "made" / hashlib.sha256(f"{module}\n{source}".encode()).hexdigest()
    if kept.exists():
        return dict(json.loads(kept.read_text("utf-8")))
    from mutmut.mutation.file_mutation import mutate_file_contents

    mutated = mutate_file_contents(module, source, None, None)
    functions = mutated.hash_by_function_name
    mutants = {mutant: functions[mutant.partition("__mutmut_")[0]] for mutant in mutated.mutant_names}
    made = {"code": mutated.code, "mutants": mutants}
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(made), "utf-8")
    return made


if __name__ == "__main__":
    main()
