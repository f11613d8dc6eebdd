"""`python -m tests.simulation [SEED ...] [--seeds N] [--first N] [--lag S]`: run seeds, show the history of a failure.

`--kind NAME` has every history be of one kind (`kinds.py`), or of none: `--kind plain`.

`--events` runs the histories in which every change has its event (`event_histories.py`), `--lag 280` those of an EC2
that shows changes so many seconds late at most.

`make soak SEEDS=N` runs it on every core.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import nullcontext
from functools import partial
from multiprocessing import Pool

_CHUNK = 25


def run(
    seeds: list[int], *, events: bool = False, lag: float | None = None, kind: str = ""
) -> tuple[int, float, int, str]:
    """Run seeds until one fails.

    Args:
        seeds: the seeds.
        events: whether to run histories of events.
        lag: how late EC2 shows a change at most, in seconds; None: as late as usual.
        kind: what else happens in each; empty: each seed decides.

    Returns:
        How many were run, how many virtual seconds and steps that were, and what failed, else an empty text.
    """
    from tests.simulation.event_histories import history
    from tests.simulation.run import LONGEST_LAG_S, simulate
    from tests.simulation.world import InvariantError

    virtual, steps = 0.0, 0
    for number, seed in enumerate(seeds, 1):
        try:
            longest_lag = LONGEST_LAG_S if lag is None else lag
            world = history(seed) if events else simulate(seed, longest_lag=longest_lag, kind=kind)
        except InvariantError as error:
            notes = "\n".join(getattr(error, "__notes__", ()))
            return number, virtual, steps, f"{notes}\n\nseed {seed}: {error}"
        virtual += world.now
        steps += world.scheduler.steps
    return len(seeds), virtual, steps, ""


def main() -> int:
    """Run what the command line asks for. Returns the exit code: 1 if a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", nargs="*", type=int, help="run these seeds only")
    parser.add_argument("--seeds", type=int, default=400, help="how many seeds to run (default: 400)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument("--events", action="store_true", help="run histories in which every change has its event")
    parser.add_argument("--kind", default="", help="what else happens in each history, a name in kinds.py, or plain")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument(
        "--lag", type=float, default=60, help="how late EC2 may show a change, in seconds (default: 60)"
    )
    options = parser.parse_args()
    seeds = options.seed or list(range(options.first, options.first + options.seeds))
    chunks = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
    work = partial(run, events=options.events, lag=options.lag, kind=options.kind)
    begun, done, virtual, steps, failure = time.monotonic(), 0, 0.0, 0, ""
    # The end of the block stops what the other processes are at.
    with Pool(options.workers) if options.workers > 1 else nullcontext() as pool:
        for number, more, taken, failure in pool.imap_unordered(work, chunks) if pool else map(work, chunks):
            done, virtual, steps = done + number, virtual + more, steps + taken
            if failure:
                break
    if failure:
        print(f"{failure}\n\nagain: PYTHONHASHSEED=0 python -m tests.simulation <that seed>")
    print(
        f"{done} seeds, {steps} calls of AWS, JIRA and Slack, {virtual / 3600:.0f} virtual hours "
        f"in {time.monotonic() - begun:.0f} s: {'FAILED' if failure else 'no invariant was broken'}"
    )
    return 1 if failure else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of a set of texts must not decide what happens.
        command = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | {"PYTHONHASHSEED": "0"})  # noqa: S606
    sys.exit(main())
