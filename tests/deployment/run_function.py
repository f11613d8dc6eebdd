"""Runs one handler as Lambda would, from its unpacked zip and boto3 alone, or a job of the host.

Started by `deployed.py`, isolated (`python -I -S`), so that nothing but the standard library is importable beside the
folders that it names. The first argument is a JSON file: `{"path": [folders], "handler": "module.function", "event":
…}`, or without the last two for the job that the other arguments name, with its options; and `"role"`, `"policies"`
(each role's documents, by ARN) and `"calls"`, the file that gets every AWS call as a JSON line.
"""

import importlib
import json
import runpy
import sys
import threading
from pathlib import Path
from typing import Any


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    sys.path[:0] = [*given["path"], str(Path(__file__).parent)]
    from enforcement import Enforcement  # type: ignore[import-not-found, unused-ignore]

    # A text stream mixes up what several threads write at once, and functions look at a batch's targets concurrently:
    # each line is one write to the file itself.
    with open(given["calls"], "ab", buffering=0) as calls:  # noqa: PTH123
        alone = threading.Lock()

        def write(call: dict[str, Any]) -> None:
            line = (json.dumps(call, default=str) + "\n").encode()
            with alone:
                calls.write(line)

        Enforcement(given["role"], given["policies"], write).install()
        if "handler" not in given:
            job = sys.argv[2]
            del sys.argv[1:3]
            runpy.run_module(job, run_name="__main__", alter_sys=True)
            return
        module, _, function = given["handler"].rpartition(".")
        answer = getattr(importlib.import_module(module), function)(given["event"], Context())
    print(json.dumps({"answer": answer}))


class Context:
    """Lambda's, as far as handlers look at it."""

    aws_request_id = "test"


if __name__ == "__main__":
    main()
