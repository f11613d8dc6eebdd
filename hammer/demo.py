"""`hammer demo`: the whole pipeline on an embedded AWS, with the real Lambdas and jobs.

What AWS would do between them is done here: the schedule's tick, SNS handing its messages to the second Lambda (they go
through a real topic and a queue that subscribes to it), and the weeks that pass.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import boto3
import typer
from rich.console import Console
from rich.table import Table

from hammer import demo_world
from hammer.bootstrap import TOPICS, bootstrap
from hammer.embedded_aws import EmbeddedAws, embedded_aws, without_other_ways
from identification import describe_security_groups, initiate_security_groups
from library.aws.issue_table import IssueTable
from library.aws.session import Sessions
from library.command_line import application, run
from library.config import Configuration, load_configuration
from library.issue import Issue, Status

_BUCKET = "hammer-demo-backups"
_WIDTH = 100  # of the tables, so that they look alike everywhere
_LATER = timedelta(days=22)  # a day more than the retention period


def command(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the embedded AWS up, and print how to point other commands at it.")
    ] = False,
) -> None:
    """Show the whole pipeline on an embedded AWS with real security groups: find, report, remediate, find again.

    Needs no AWS account, no credentials and no network.
    """
    started = datetime.now(UTC)
    folder = Path(tempfile.mkdtemp(prefix="hammer-demo-"))
    try:
        with embedded_aws(keep=keep) as aws, _environment(aws, folder):
            demo = Demo(aws, folder, Console(width=_WIDTH, highlight=False))
            demo.play()
            print(f"Took {(datetime.now(UTC) - started).total_seconds():.0f} s.", file=sys.stderr)
            if keep:
                print(_how_to_use(aws, folder))
    finally:
        if not keep:
            shutil.rmtree(folder)


@contextmanager
def _environment(aws: EmbeddedAws, folder: Path) -> Iterator[None]:
    """This process's environment as a Lambda or the host would find it, with the embedded AWS for AWS."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(
        without_other_ways(before) | aws.environment(demo_world.REGIONS[0]) | {"HAMMER_CONFIG": str(folder)}
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
