"""A plugin of pytest that tries mutants: each in a process of its own, forked when the tests are collected.

mutmut's own loop starts pytest anew for each mutant, which costs several times what the tests do.

A first child runs every test unchanged and learns which functions each one calls, and how long it takes. For a mutant,
only the tests that call its function are run, the fastest first, until one fails.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.outcomes import Skipped
from _pytest.tmpdir import tmppath_result_key
from hypothesis import Phase, settings
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

# Few examples, the same each time; what a failing example shrinks to, nobody reads.
settings.register_profile(
    "mutants", max_examples=30, derandomize=True, database=None, deadline=None, phases=(Phase.explicit, Phase.generate)
)


def pytest_configure() -> None:
    """Take the profile, after `tests/conftest.py` took its own and before the tests are imported."""
    settings.load_profile("mutants")


SURVIVED, KILLED = 0, 1
_MEMORY = 3 << 30
_WALL_SECONDS = 600


@dataclass(frozen=True)
class Known:
    """What the run without a mutant showed: the tests of each function by their index, and their CPU seconds."""

    tests: dict[str, list[int]]
    seconds: list[float]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Try the mutants that `MUTANTS_TRIAL` names instead of running the tests."""
    trial = json.loads(Path(os.environ["MUTANTS_TRIAL"]).read_text())
    set_mutant_under_test("")
    gc.collect()
    gc.freeze()
    known = _known(session.items, Path(trial["results"]).with_suffix(".known"))
    running: dict[int, str] = {}
    with Path(trial["results"]).open("a") as results:

        def take_one() -> None:
            process, status = os.wait()
            line = {"mutant": running.pop(process), "code": os.waitstatus_to_exitcode(status)}
            print(json.dumps(line), file=results, flush=True)

        for mutant in sorted(trial["mutants"], key=lambda mutant: sum(known.seconds[n] for n in _tests(known, mutant))):
            while len(running) >= trial["children"]:
                take_one()
            running[_fork(session.items, _tests(known, mutant), known, mutant)] = mutant
        while running:
            take_one()
    return True


def _tests(known: Known, mutant: str) -> list[int]:
    return known.tests.get(mutant.partition("__mutmut_")[0], [])


def _known(items: list[pytest.Item], path: Path) -> Known:
    """Run every test in a child, so that this process stays as it was after the imports: no cache is filled."""
    child = os.fork()
    if child:
        if os.waitpid(child, 0)[1]:
            pytest.exit("a test fails without any mutant", returncode=1)
        return Known(**json.loads(path.read_text()))
    set_mutant_under_test("stats")
    called, seconds = defaultdict(list), []
    for number, item in enumerate(items):
        state()._stats.clear()
        start = time.process_time()
        if not _passes(item):
            os.write(2, f"fails: {item.nodeid}\n".encode())
            os._exit(1)
        seconds.append(time.process_time() - start)
        for function in state()._stats:
            called[function].append(number)
    for numbers in called.values():
        numbers.sort(key=seconds.__getitem__)
    path.write_text(json.dumps({"tests": called, "seconds": seconds}))
    os._exit(0)


def _passes(item: pytest.Item) -> bool:
    """Run one test without a report: hypothesis and pytest spend a second on one of a failure, which nobody reads."""
    item.stash[tmppath_result_key] = {}  # what a report would set: the end of `tmp_path` reads it
    request: object = getattr(item, "_request", None)
    if request is False or request is None:
        item._initrequest()  # type: ignore[attr-defined]
    try:
        try:
            item.ihook.pytest_runtest_setup(item=item)
            item.ihook.pytest_runtest_call(item=item)
        finally:
            item.ihook.pytest_runtest_teardown(item=item, nextitem=None)
    except Skipped:
        return True
    except BaseException:  # noqa: BLE001 - whatever it is, the test did not pass
        return False
    return True


def _fork(items: list[pytest.Item], tests: list[int], known: Known, mutant: str) -> int:
    child = os.fork()
    if child:
        return child
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    # A mutant may loop for ever, or fill the memory: both are noticed, the first as SIGPROF after so much CPU time.
    signal.setitimer(signal.ITIMER_PROF, 0.5 + 5 * sum(known.seconds[number] for number in tests))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    signal.alarm(_WALL_SECONDS)
    set_mutant_under_test(mutant)
    os._exit(SURVIVED if all(_passes(items[number]) for number in tests) else KILLED)
