"""`hammer demo`: the whole pipeline on an embedded AWS, with the real Lambdas and jobs.

What AWS would do between them is done here: the schedule's tick, SNS handing its messages to the second Lambda (they go
through a real topic, and a queue that subscribes to it), and the weeks that pass. Standard output never varies.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from textwrap import wrap
from time import monotonic
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hammer import demo_world
from hammer.bootstrap import TOPICS, bootstrap
from hammer.embedded_aws import EmbeddedAws, embedded_aws, without_other_ways
from identification import describe_security_groups, initiate_security_groups
from identification.flow_logs.run import UsageRun
from library.aws.issue_table import IssueTable
from library.aws.records import CoverageRecords
from library.aws.session import Sessions
from library.config import load_configuration
from library.documents.text import printable
from library.issues.issue import Issue, Status
from library.issues.reachability import Verdict
from library.issues.times import format_time
from library.issues.use import CAVEAT, use_summary
from library.security_groups.group import IngressRule, parse_security_group
from remediation import clean_security_groups
from remediation.journal import read_details
from reporting import create_security_groups_tickets
from reporting.group_text import verdict_words

_BUCKET = "hammer-demo-backups"
_QUEUE = "hammer-demo-describe-security-groups"
_END_OF_THE_BEGINNING = "What is open, and to whom\n"
_ID = re.compile(r"\b(sg|vpc|i|igw|rtb|acl|eni|subnet)-[0-9a-f]+")  # other in each performance
_PAGE = re.compile(r"(https://[\w.-]+/)\S+")  # too long for a line
_ADDRESS = re.compile(r"\b(?:54|127)(?:\.\d+){3}\b")  # the same
# Only the date on which the shown ticket says that its group will be closed.
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
_LAST = re.compile(r"last \S+ \d\d:\d\d")
_WIDTH = 80  # as terminals begin, so that it looks alike everywhere


def command(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the embedded AWS up and print how to point other commands at it.")
    ] = False,
) -> None:
    """Show the whole pipeline on an embedded AWS with real security groups.

    Finds, reports, remediates and looks again. Needs no AWS account, no credentials and no network.
    """
    started = monotonic()
    folder = Path(tempfile.mkdtemp(prefix="hammer-demo-"))
    try:
        with embedded_aws(keep=keep) as aws, _environment(aws, folder):
            demo = Demo(folder, Console(width=_WIDTH, highlight=False))
            demo.play()
            if keep:
                demo.open_again()
                print(_how_to_use(aws, folder))
    finally:
        if not keep:
            shutil.rmtree(folder)
    print(f"It took {monotonic() - started:.0f} seconds.", file=sys.stderr)


@contextmanager
def _environment(aws: EmbeddedAws, folder: Path) -> Iterator[None]:
    """This process's environment as a Lambda or the host finds it, with the embedded AWS for AWS."""
    before = dict(os.environ)
    mine = aws.environment(demo_world.REGIONS[0]) | {"HAMMER_CONFIG": str(folder)}
    os.environ.clear()
    os.environ.update(without_other_ways(before) | mine)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Demo:
    """One performance, told on a console. The configuration and the logs go to a folder."""

    def __init__(self, folder: Path, console: Console) -> None:
        self._folder = folder
        self._console = console
        self._step = 0
        # The Lambdas and jobs log to the root logger's handlers; without this one, to standard error.
        logging.getLogger().addHandler(logging.FileHandler(folder / "hammer.log"))

    def play(self) -> None:
        """Set the scene and go through the pipeline's steps, each with a table of what came of it."""
        with _doing("starting an embedded AWS and making its accounts' security groups"):
            self._set_the_scene()
        self._show_the_scene()
        self._heading("Find: one Lambda sends another to every account and region")
        self._identify()
        self._show_found()
        self._heading("Who can connect: rules allow; the network decides")
        self._show_verdicts()
        self._heading("Who works through it: flow logs, before anything is closed")
        self._show_use()
        self._heading("Report: each new issue once, as its ticket would be filed")
        with _doing("writing the tickets"):
            printed = self._run_job(create_security_groups_tickets.command)
        self._show_reported(printed)
        self._heading("Nobody acts, and the retention period passes")
        before = self._shown_rules()
        self._let_time_pass()
        self._heading("Remediate: back up what is due, close it, look again")
        with _doing("saving and changing each group, and looking at it again"):
            self._run_job(lambda: clean_security_groups.command(batch=True))
        self._show_remediated()
        self._heading(f"One of them: the rules of {demo_world.SHOWN_GROUP} before and after")
        self._show_rules(before, self._shown_rules())
        self._heading("Find again, and report again")
        self._identify()
        with _doing("closing the tickets"):
            self._run_job(create_security_groups_tickets.command)
        self._summarize()
        self._heading("Afterwards: one who worked through it is refused now")
        self._show_cut_off()
        self._console.print("\nNext: `hammer scan` looks at your own account, and changes nothing.")

    def open_again(self) -> None:
        """Have somebody open groups again, so that other commands have something to show: one of them is due."""
        demo_world.open_again(self._sessions)
        self._identify()
        self._run_job(create_security_groups_tickets.command)
        retention = timedelta(days=self._config.secgrp_unrestricted_access.remediation_retention_period)
        opened = sorted(self._issues(Status.OPEN), key=lambda issue: issue.details.name)
        for number, issue in enumerate(opened):
            reported = datetime.now(UTC) - retention + timedelta(days=7 * number, hours=-1)
            _set_back(self._table, issue, reported)

    def _set_the_scene(self) -> None:
        (self._folder / "config.json").write_text(json.dumps(demo_world.configuration(_BUCKET), indent=2))
        config = load_configuration(str(self._folder))
        aws = config.aws
        self._sessions = Sessions(aws.main_account_id, aws.region, aws.role_name_identification, aws.external_id)
        self._table = IssueTable(self._sessions.client("dynamodb"), config.secgrp_unrestricted_access.table_name)
        self._config = config
        list(bootstrap(config, self._sessions.client))
        self._world, whitelist = demo_world.build(self._sessions)
        (self._folder / "whitelist.json").write_text(json.dumps(whitelist, indent=2))
        # SNS would invoke the second Lambda itself; here a queue takes its place on the topic.
        sns, sqs = self._sessions.client("sns"), self._sessions.client("sqs")
        os.environ["SNS_ARN"] = topic_arn = sns.create_topic(Name=TOPICS[0])["TopicArn"]
        self._queue_url = sqs.create_queue(QueueName=_QUEUE)["QueueUrl"]
        sns.subscribe(
            TopicArn=topic_arn, Protocol="sqs", Endpoint=f"arn:aws:sqs:{aws.region}:{aws.main_account_id}:{_QUEUE}"
        )

    def _show_the_scene(self) -> None:
        self._console.print(
            f"An embedded AWS: {len(demo_world.ACCOUNTS)} accounts, {len(demo_world.REGIONS)} regions, "
            f"{self._world.groups} security groups with {self._world.rules}\n"
            f"ingress rules. {self._world.templates} groups are from public CloudFormation templates, and "
            f"{self._world.traps} are\ntraps. The {demo_world.VPCS} VPCs have a default group each, too: "
            f"{self._world.groups + demo_world.VPCS} groups in all."
        )

    def _identify(self) -> None:
        targets = len(demo_world.ACCOUNTS) * len(demo_world.REGIONS)
        with _doing(f"reading and judging {targets} regions of {len(demo_world.ACCOUNTS)} accounts"):
            self._scan()

    def _scan(self) -> None:
        """The schedule's tick, and SNS handing every message on."""
        initiate_security_groups.lambda_handler({"source": "aws.events"}, None)
        sqs = self._sessions.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                record = {"EventSource": "aws:sns", "Sns": json.loads(message["Body"])}
                describe_security_groups.lambda_handler({"Records": [record]}, None)
                sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])

    def _run_job(self, job: Callable[[], None]) -> str:
        """Run a job as its command does; what it printed."""
        printed = StringIO()
        with redirect_stdout(printed):
            job()
        return printed.getvalue()

    def _issues(self, *statuses: Status) -> list[Issue]:
        return [
            issue
            for account_id in demo_world.ACCOUNTS
            for issue in self._table.with_status(account_id, *(statuses or Status))
        ]

    def _show_found(self) -> None:
        table = _new_table("account", "region", "groups", "open completely", "open partly", "exempt")
        issues = self._issues()
        for account_id, name in demo_world.ACCOUNTS.items():
            for seen in sorted(
                CoverageRecords(self._table.items).of_account(account_id), key=lambda coverage: coverage.region
            ):
                here = [i for i in issues if (i.account_id, i.details.region) == (account_id, seen.region)]
                count = Counter(i.status if i.status is Status.WHITELISTED else i.details.status for i in here)
                table.add_row(
                    name,
                    seen.region,
                    str(seen.groups),
                    *(str(count[kind] or "-") for kind in ("open_completely", "open_partly", Status.WHITELISTED)),
                )
        self._console.print(table)

    def _show_verdicts(self) -> None:
        table = _new_table("group", "severity", "what Hammer sees")
        issues = {issue.details.name: issue for issue in self._issues(Status.OPEN)}
        for name in demo_world.VERDICTS_SHOWN:
            details = issues[name].details
            paths = details.reachability.paths if details.reachability else ()
            # The longest: an instance behind a load balancer, rather than the load balancer.
            path = max(paths, key=lambda each: len(each.through), default=None)
            way = f"\nInternet > {' > '.join(path.through)}" if path and path.through else ""
            # Of who can connect the sentence names what is reached, and over which load balancer.
            connects = path is not None and path.verdict is Verdict.INTERNET
            said = path.text.removesuffix(".") if path and connects else verdict_words(details)
            table.add_row(name, str(details.severity), _without_ids(f"{said}{way}"))
        self._console.print(table)

    def _show_use(self) -> None:
        """Read two weeks of flow logs of the shown group, as a run at their end would."""
        issue = self._shown_issue()
        with _doing("writing and reading two weeks of flow logs"):
            self._flow_log = demo_world.make_flow_log(
                self._sessions, issue.account_id, issue.details.region, issue.issue_id
            )
            self._read_flow_logs(demo_world.put_two_weeks(self._sessions, self._flow_log))
        use = self._shown_issue().use
        if use is None:
            raise RuntimeError("the demo's flow logs were not read")  # a fault of the demo itself
        seen = _LAST.sub("last (yesterday)", use_summary(use, use.until))
        self._console.print(f"{demo_world.SHOWN_GROUP}: {seen}\n", markup=False, soft_wrap=False)
        table = _new_table("source", "it", "port", "connections", "packets")
        for source in sorted({each for rule in use.rules for each in rule.sources}, key=lambda each: -each.packets):
            counts = (str(source.port), str(source.connections), f"{source.packets:,}")
            table.add_row(source.source, str(source.source_class), *counts)
        self._console.print(table)
        self._console.print(f"Proposed to keep, if somebody vouches for them: {', '.join(use.keep)}.\n{CAVEAT}")

    def _read_flow_logs(self, now: datetime) -> None:
        usage = UsageRun(self._sessions, self._table, self._config, now, lambda: None)
        usage.run(list(demo_world.ACCOUNTS), lambda issue: issue.details.name == demo_world.SHOWN_GROUP)
        if usage.problems:
            raise RuntimeError("; ".join(usage.problems))

    def _show_cut_off(self) -> None:
        """Somebody who worked through the shown group is refused since, which its ticket is told."""
        issue = next(issue for issue in self._issues() if issue.details.name == demo_world.SHOWN_GROUP)
        if issue.timestamps.remediated is None:
            raise RuntimeError("the demo's shown group was not remediated")
        with _doing("reading what is refused since, and telling it"):
            self._read_flow_logs(demo_world.put_refused(self._sessions, self._flow_log, issue.timestamps.remediated))
            printed = self._run_job(create_security_groups_tickets.command)
        self._quote(_TIME.sub("(today)", _without_ids(printed)).strip().splitlines()[:-2])

    def _show_reported(self, printed: str) -> None:
        owners = Counter(i.details.tags.get("owner", "(no owner tag)") for i in self._issues(Status.OPEN))
        table = _new_table("owner", "new issues")
        for owner, count in sorted(owners.items()):
            table.add_row(owner, str(count))
        self._console.print(table)
        self._console.print("One of the tickets begins like this:\n")
        tickets = f"\n{printed}".split("\nnew: ")
        shown = next(ticket for ticket in tickets if f'"{demo_world.SHOWN_GROUP}"' in ticket.partition("\n")[0])
        beginning, *_ = shown.partition(_END_OF_THE_BEGINNING)
        self._quote(_TIME.sub("(21 days from now)", _without_ids(beginning)).rstrip().splitlines())
        self._console.print("\nand goes on with the rules, each path, and commands that fix and restore it.")

    def _let_time_pass(self) -> None:
        days = self._config.secgrp_unrestricted_access.remediation_retention_period
        then = datetime.now(UTC) - timedelta(days=days, hours=1)
        reported = [issue for issue in self._issues(Status.OPEN) if issue.timestamps.reported]
        for issue in reported:
            _set_back(self._table, issue, then)
        self._console.print(f"{len(reported)} issues: the table now says that they were reported {days} days ago.")

    def _show_remediated(self) -> None:
        table = _new_table("account", "groups changed", "rules revoked", "rules added", "backups in S3")
        for account_id, name in demo_world.ACCOUNTS.items():
            changed = [i for i in self._table.with_status(account_id, Status.OPEN) if i.timestamps.remediated]
            entries = [entry for issue in changed if (entry := read_details(self._table, issue).entry)]
            table.add_row(
                name,
                str(len(changed)),
                str(sum(len(entry.closed) for entry in entries)),
                str(sum(len(entry.added) for entry in entries)),
                str(self._backups(account_id)),
            )
        self._console.print(table)

    def _backups(self, account_id: str) -> int:
        pages = self._sessions.client("s3").get_paginator("list_objects_v2")
        listed = pages.paginate(Bucket=_BUCKET, Prefix=f"security_groups/{account_id}/")
        return sum(len(page.get("Contents", ())) for page in listed)

    def _shown_issue(self) -> Issue:
        return next(issue for issue in self._issues(Status.OPEN) if issue.details.name == demo_world.SHOWN_GROUP)

    def _shown_rules(self) -> list[IngressRule]:
        issue = self._shown_issue()
        client = self._sessions.client("ec2", issue.account_id, issue.details.region)
        described = client.describe_security_groups(GroupIds=[issue.issue_id])["SecurityGroups"]
        return sorted(parse_security_group(described[0]).ingress)

    def _show_rules(self, before: list[IngressRule], after: list[IngressRule]) -> None:
        table = _new_table("", "protocol", "ports", "source", "description")
        marks = {(True, True): "", (True, False): "[red]-[/]", (False, True): "[green]+[/]"}
        day = datetime.now(UTC).date().isoformat()
        for rule in sorted({*before, *after}, key=lambda rule: (rule not in before, rule[:4])):
            ports = f"{rule.from_port}" if rule.from_port == rule.to_port else f"{rule.from_port}-{rule.to_port}"
            description = Text(printable(rule.description).replace(day, "(today)"))
            table.add_row(marks[rule in before, rule in after], rule.protocol, ports, rule.cidr, description)
        self._console.print(table)

    def _summarize(self) -> None:
        issues = self._issues()
        count = Counter(issue.status for issue in issues)
        found = len(issues) - count[Status.WHITELISTED]
        remediated = sum(1 for issue in issues if issue.timestamps.remediated)
        self._console.print(
            f"Found {found} of {self._world.groups} groups open to the Internet, and {count[Status.WHITELISTED]} "
            f"more that are exempt.\n"
            f"Reported {found} and, after {self._config.secgrp_unrestricted_access.remediation_retention_period} days, "
            f"remediated {remediated}, each with a backup in S3.\n"
            f"Looked again: {count[Status.OPEN]} are still open, {count[Status.RESOLVED] + count[Status.CLOSED]} "
            f"are safe."
        )

    def _quote(self, lines: Iterable[str]) -> None:
        """Print lines of a ticket; one that is too long goes on under the beginning of its text."""
        for line in lines:
            indent = " " * (len(line) - len(line.lstrip(" *-")))
            for part in wrap(line, _WIDTH - 4, subsequent_indent=indent, break_on_hyphens=False) or [""]:
                self._console.print(f"  | {part}".rstrip(), markup=False)

    def _heading(self, text: str) -> None:
        self._step += 1
        self._console.print(f"\n[bold]{self._step}. {text}[/]\n")


@contextmanager
def _doing(text: str) -> Iterator[None]:
    """Say on standard error what takes a while, and on a terminal that it goes on."""
    if not sys.stderr.isatty():
        print(f"… {text}", file=sys.stderr)
        yield
        return
    with Console(stderr=True).status(f"{text} …"):
        yield


def _without_ids(text: str) -> str:
    """A text without what is another in each performance."""
    return _ADDRESS.sub("54.…", _ID.sub(r"\1-…", _PAGE.sub(r"\1…", text)))


def _set_back(table: IssueTable, issue: Issue, reported: datetime) -> None:
    """Make an issue one that was found and reported in the past."""
    found = reported - timedelta(minutes=5)
    table.update(issue, {"timestamps.identified": format_time(found), "timestamps.reported": format_time(reported)})


def _new_table(*headings: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        number = heading.startswith(("groups", "open", "exempt", "new", "rules", "backups"))
        wraps = heading in ("description", "what Hammer sees")
        table.add_column(heading, justify="right" if number else "left", no_wrap=not wraps)
    return table


def _how_to_use(aws: EmbeddedAws, folder: Path) -> str:
    lines = [f"export {name}={shlex.quote(value)}" for name, value in aws.environment(demo_world.REGIONS[0]).items()]
    programs = str(Path(sys.executable).parent)
    if programs not in os.environ.get("PATH", "").split(os.pathsep):
        lines.insert(0, f"export PATH={shlex.quote(programs)}:$PATH")
    return "\n".join(
        [
            "Meanwhile somebody opened three groups again, and one of them is due.",
            "The embedded AWS stays up. In this shell every command, hammer's and aws, now goes to it:",
            "",
            *lines,
            f"export HAMMER_CONFIG={shlex.quote(str(folder))}",
            "",
            "Then look around, and close what is due:",
            "",
            "hammer status",
            "hammer issues",
            "hammer issues --format html --output report.html",
            "hammer remediate --dry-run",
            "hammer remediate",
            "hammer identify",
            "",
            f"End it with: kill {aws.process_id}; rm -r {shlex.quote(str(folder))}",
        ]
    )
