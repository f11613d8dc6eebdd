"""`hammer`: one door to every job. A job is imported only when it is run.

Next to nothing is imported before `main` runs: Ctrl-C may come at any time, and is answered with one line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

# Each module has `command`. Those of the jobs run with `python -m`, too.
_COMMANDS = {
    "demo": "hammer.demo",
    "scan": "hammer.scan",
    "issues": "hammer.issues",
    "explain": "hammer.explain",
    "source": "hammer.source",
    "init": "hammer.init",
    "check-config": "hammer.check_config",
    "identify": "hammer.identify",
    "bootstrap": "hammer.bootstrap",
    "report": "reporting.create_security_groups_tickets",
    "remediate": "remediation.clean_security_groups",
    "restore": "remediation.restore_security_groups",
    "usage": "identification.read_security_group_usage",
    "decide": "hammer.decide",
    "exemptions": "hammer.exemptions",
    "listen": "reporting.listen_for_decisions",
    "immediate": "hammer.immediate",
    "publish": "hammer.publish",
    "status": "hammer.status",
    "inspector": "hammer.inspector",
}


def application(arguments: Sequence[str]) -> typer.Typer:
    """The program with the commands that these arguments name, or with all of them where they name none."""
    from hammer.application import build

    return build(_COMMANDS, arguments)


def main() -> None:
    """Run the command line."""
    try:
        from hammer.application import start

        start(_COMMANDS, sys.argv[1:])
    except KeyboardInterrupt:  # while something is imported: whatever runs a command answers it itself
        print("hammer: interrupted", file=sys.stderr)
        os._exit(130)


if __name__ == "__main__":
    main()
