"""`hammer decide` and `hammer exemptions` from the command line, and what remediation and scans make of them."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from typer.testing import CliRunner, Result

from hammer import check_config, decide, exemptions, scan, source, status
from library.aws.decision_store import Decisions
from library.aws.issue_table import IssueTable
from library.aws.lock import Lock
from library.aws.records import ListenerRecords
from library.config.models import limits_of
from library.issues.decision_record import RestoreRequest
from library.issues.issue import Issue
from library.issues.notified_exposures import NotifiedExposures, exposure_texts
from library.jobs.command_line import application
from library.jobs.host_logs import LOG_GROUP
from tests.builders.decisions import pressed_restore
from tests.worlds.remediation_world import ANYWHERE, MAIN, MEMBER, REGION, TABLE, World, permission, world

pytestmark = pytest.mark.usefixtures("table_in_memory")

SSH, RDP = permission("tcp", (22, 22), ANYWHERE), permission("tcp", (3389, 3389), "8.8.8.0/24")
REASON = "migration until Friday"
OTHER_REGION = "us-east-1"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("SUDO_USER", "jane")
    with world(tmp_path) as made:
        made.clock = datetime.now(UTC)
        yield made


def run(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(application(command.command), list(arguments), catch_exceptions=False)


def decided(here: World, kind: str, group: str, *options: str, account: str = MAIN) -> Result:
    location = ("--account", account, "--region", REGION, "--group", group)
    return run(decide, kind, "--config", str(here.folder), *location, *options)


def test_a_refusal_is_one_line(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python prints what no handler takes: it would be a line that says `decision`."""
    group = an_issue(here, SSH)
    section(here, enabled=True)
    assert decided(here, "exempt", group, "--days", "2", "--reason", "until the migration").exit_code == 0
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    refused = decided(here, "close-now", group)
    assert refused.exit_code == 1
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stderr.startswith("hammer: ")


def test_a_decision_is_in_the_log(here: World) -> None:
    """As one by a button or a label is."""
    group = an_issue(here)
    assert decided(here, "exempt", group, "--days", "2", "--reason", REASON).exit_code == 0
    logs = here.sessions.client("logs")
    events = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName="hammer.decide")["events"]
    (line,) = [json.loads(event["message"]) for event in events]
    assert (line["message"], line["group_id"], line["decision"]["kind"]) == ("decision", group, "exempt")


def section(here: World, **decisions: Any) -> None:
    path = here.folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "decisions": decisions}))


def an_issue(
    here: World, *permissions: dict[str, Any], days: float | None = 0, account: str = MAIN, **more: Any
) -> str:
    """An issue of a new group, reported so many days ago, not due yet unless it says so."""
    group = here.group(*(permissions or (SSH,)), account=account)
    here.issue(group, account, reported_days=None)
    issue = here.stored(group, account)
    details = replace(issue.details, perms=here.exposures(group, account))
    reported = None if days is None else here.clock - timedelta(days=days)
    times = replace(issue.timestamps, reported=reported)
    here.sessions.client("dynamodb").delete_item(
        TableName=TABLE, Key={"account_id": {"S": account}, "issue_id": {"S": group}}
    )
    made = replace(issue, details=details, timestamps=times, revision=1, occurrence=1, jira_details={}, **more)
    here.table.items.put_new(made.to_item())
    return group


def results(issue: Issue) -> list[tuple[str, str, str, str]]:
    return [(str(this.kind), this.by, str(this.via), this.result) for this in issue.decided.decisions]


def test_close_now_makes_due_what_was_decided_on(here: World) -> None:
    here.configure(remediation_retention_period=21)
    group, other = an_issue(here), an_issue(here)
    done = decided(here, "close-now", group)
    assert done.exit_code == 0, done.output
    assert "jane decided that remediation closes it at its next run" in done.output
    assert results(here.stored(group)) == [("close-now", "jane", "cli", "done")]
    here.batch()
    assert here.exposed(group) == set()
    assert here.exposed(other) != set()


def test_what_was_opened_since_keeps_its_own_date(here: World) -> None:
    here.configure(remediation_retention_period=21, remediation_scope=["open_completely", "open_partly"])
    group = an_issue(here)
    assert decided(here, "close-now", group).exit_code == 0
    here.ec2().authorize_security_group_ingress(GroupId=group, IpPermissions=[RDP])
    here.batch()
    assert here.exposed(group) == {("8.8.8.0/24", "open_partly")}
    here.batch()
    assert here.exposed(group) == {("8.8.8.0/24", "open_partly")}


def test_what_is_opened_again_is_not_closed_by_the_old_decision(here: World) -> None:
    here.configure(remediation_retention_period=21)
    group = an_issue(here)
    assert decided(here, "close-now", group).exit_code == 0
    here.clock += timedelta(hours=1)
    here.batch()
    assert here.exposed(group) == set()
    here.ec2().authorize_security_group_ingress(GroupId=group, IpPermissions=[SSH])
    here.batch()
    assert here.exposed(group) != set()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"remediation": False}, "remediation is off"),
        ({"remediation_accounts": [MEMBER]}, f"account {MAIN} is not one of remediation_accounts"),
    ],
)
def test_where_nothing_is_remediated_it_is_refused_with_the_reason(
    here: World, settings: dict[str, Any], reason: str
) -> None:
    here.configure(**settings)
    group = an_issue(here)
    refused = decided(here, "close-now", group)
    assert refused.exit_code == 1
    assert reason in refused.output
    assert results(here.stored(group))[0][3].startswith("refused: ")


def test_an_exemption_holds_at_the_moment_of_change(here: World) -> None:
    group = an_issue(here, SSH, RDP)
    done = decided(here, "exempt", group, "--days", "7", "--reason", REASON)
    assert done.exit_code == 0, done.output
    here.batch()
    assert len(here.rules(group)) == 2
    here.ec2().authorize_security_group_ingress(
        GroupId=group, IpPermissions=[permission("tcp", (3389, 3389), ANYWHERE)]
    )
    here.batch()
    assert len(here.rules(group)) == 3, "nobody was told of the new rule yet"
    issue = here.stored(group)
    notified = NotifiedExposures(issue.occurrence, exposure_texts(here.exposures(group)))
    here.table.update(issue, {"exposures_told": notified.to_item()})
    here.batch()
    assert {source for *_, source in here.rules(group)} >= {ANYWHERE, "8.8.8.0/24"}
    assert ("tcp", 3389, 3389, ANYWHERE) not in here.rules(group)
    assert ("tcp", 22, 22, ANYWHERE) in here.rules(group)


def test_an_exemption_ends_on_its_day(here: World) -> None:
    group = an_issue(here)
    until = here.clock.date() + timedelta(days=1)
    assert decided(here, "exempt", group, "--until", until.isoformat(), "--reason", REASON).exit_code == 0
    here.batch()
    assert here.exposed(group) != set()
    here.clock = datetime(until.year, until.month, until.day, tzinfo=UTC)
    here.batch()
    assert here.exposed(group) == set()


def test_an_exemption_takes_back_what_was_decided_before_it(here: World) -> None:
    """Somebody pressed close now, and somebody else exempts it: when that ends nobody wants it closed at once."""
    here.configure(remediation_retention_period=21)
    group, other = an_issue(here), an_issue(here)
    for each in (group, other):
        assert decided(here, "close-now", each).exit_code == 0
    assert decided(here, "exempt", group, "--days", "1", "--reason", REASON).exit_code == 0
    here.clock += timedelta(days=2)
    here.batch()
    assert here.exposed(other) == set()
    assert here.exposed(group) != set()


def test_not_mine_is_recorded_with_the_owner(here: World) -> None:
    group = an_issue(here)
    done = decided(here, "not-mine", group, "--owner", "bob@example.com", "--reason", "moved")
    assert done.exit_code == 0, done.output
    (this,) = here.stored(group).to_item()["decisions"]
    assert (this["owner"], this["reason"], this["result"]) == ("bob@example.com", "moved", "done")


@pytest.mark.parametrize("options", [("not-mine", "--owner", "bob@example.com"), ("close-now",)], ids=" ".join)
def test_a_long_reason_is_cut_where_none_is_needed(here: World, options: tuple[str, ...]) -> None:
    group = an_issue(here)
    done = decided(here, options[0], group, *options[1:], "--reason", "x" * 600)
    assert done.exit_code == 0, done.output
    (this,) = here.stored(group).to_item()["decisions"]
    assert (this["reason"], this["result"]) == ("x" * 500, "done")


def test_restore_is_carried_out_for_whom_allow_restore_names(here: World) -> None:
    group = an_issue(here)
    before = here.described(group)
    here.batch()
    assert here.described(group) != before
    refused = decided(here, "restore", group)
    assert (refused.exit_code, "decisions.allow_restore" in refused.output) == (1, True)
    section(here, allow_restore=["jane"])
    done = decided(here, "restore", group)
    assert done.exit_code == 0, done.output
    assert here.described(group) == before
    issue = here.stored(group)
    assert results(issue)[-1] == ("restore", "jane", "cli", "done")
    assert issue.remediation_details["restored"]["by"] == "jane"
    again = decided(here, "restore", group)
    assert (again.exit_code, "was restored by jane" in again.output) == (1, True)


def test_a_restore_waits_for_no_other_run(here: World) -> None:
    section(here, allow_restore=["jane"])
    group = an_issue(here)
    here.batch()
    lock = Lock(here.sessions.client("dynamodb"), TABLE, MAIN, "another run", lambda: datetime.now(UTC))
    lock.acquire()
    refused = decided(here, "restore", group)
    assert refused.exit_code == 1
    assert "another run was changing groups" in refused.output
    lock.release()
    assert decided(here, "restore", group).exit_code == 0
    assert [result for *_, result in results(here.stored(group))] == [
        "refused: another run was changing groups",
        "done",
    ]


def test_a_restore_that_was_interrupted_after_the_decision_is_carried_out(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    section(here, allow_restore=["jane"])
    group = an_issue(here)
    before = here.described(group)
    here.batch()
    with monkeypatch.context() as patched:
        patched.setattr(decide, "_restore", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        decided(here, "restore", group)
    assert here.stored(group).decided.restore is not None
    monkeypatch.setenv("SUDO_USER", "eve")
    section(here, allow_restore=["jane"])
    decided(here, "restore", group)
    assert here.described(group) == before
    assert results(here.stored(group))[0] == ("restore", "jane", "cli", "done")


def test_a_restore_that_another_process_carries_out_is_not_called_refused(here: World) -> None:
    """Somebody decides in Slack; while the service restores the group, somebody else decides the same here."""
    section(here, allow_restore=["jane", "bob"])
    group = an_issue(here)
    here.batch()
    issue, decisions = here.stored(group), Decisions(here.table, lambda: here.clock)
    request = pressed_restore(issue, "bob", here.clock)
    assert decisions.carry_out(MAIN, group, request, limits_of(here.config, MAIN)) is not None
    lock = Lock(here.sessions.client("dynamodb"), TABLE, MAIN, "hammer listen", lambda: datetime.now(UTC))
    lock.acquire()
    refused = decided(here, "restore", group)
    assert (refused.exit_code, "bob at" in refused.output) == (1, True)
    waiting = here.stored(group).decided.restore
    assert waiting is not None
    assert waiting.decision.by == "bob"
    # Nor does somebody whose own decision is carried out by another process say that it was not.
    begun = decisions.begin_restore(here.stored(group))
    assert begun is not None
    assert begun.decided.restore == replace(waiting, begun=True)
    assert decisions.finish_restore(issue_with(begun, waiting), "another run was changing groups") is None
    lock.release()
    assert decided(here, "restore", group).exit_code == 1  # bob's is done by now
    assert [(by, result) for kind, by, _, result in results(here.stored(group)) if result == "done"] == [
        ("bob", "done")
    ]


def issue_with(issue: Issue, restore: RestoreRequest) -> Issue:
    return replace(issue, decided=replace(issue.decided, restore=restore))


@pytest.mark.parametrize(
    "options",
    [
        ("keep",),
        ("end",),
        ("exempt",),
        ("exempt", "--reason", REASON),
        ("exempt", "--days", "3"),
        ("exempt", "--days", "3", "--reason", "short"),
        ("exempt", "--days", "3", "--reason", "x" * 501),
        ("exempt", "--days", "0", "--reason", REASON),
        ("exempt", "--days", "8", "--reason", REASON),
        ("exempt", "--days", "999999999", "--reason", REASON),
        ("exempt", "--until", "soon", "--reason", REASON),
        ("exempt", "--until", "2020-01-01", "--reason", REASON),
        ("exempt", "--until", "2099-01-01", "--days", "3", "--reason", REASON),
        ("not-mine",),
        ("not-mine", "--owner", " "),
        ("close-now", "--owner", "bob"),
        ("close-now", "--days", "3"),
    ],
    ids=" ".join,
)
def test_wrong_fields_end_with_2_and_leave_no_record(here: World, options: tuple[str, ...]) -> None:
    group = an_issue(here)
    wrong = decided(here, options[0], group, *options[1:])
    assert wrong.exit_code == 2, wrong.output
    assert results(here.stored(group)) == []


def test_a_wrong_end_is_said_of_the_option_that_was_given(here: World) -> None:
    group = an_issue(here)
    for option, value in (("--days", "8"), ("--until", "2020-01-01")):
        wrong = decided(here, "exempt", group, option, value, "--reason", REASON)
        assert f"{option}: The exemption ends tomorrow" in wrong.output


def test_what_is_not_there_ends_with_2(here: World) -> None:
    group = an_issue(here)
    assert decided(here, "close-now", "sg-0000").exit_code == 2
    assert decided(here, "close-now", group, account="999999999999").exit_code == 2
    location = ("--account", MAIN, "--region", "us-east-1", "--group", group)
    assert run(decide, "close-now", "--config", str(here.folder), *location).exit_code == 2
    assert decided(here, "close-now", group, account="main").exit_code == 0


def test_a_second_exemption_needs_somebody_of_allow_extend(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    section(here, allow_extend=["jane", "bob"])
    group = an_issue(here)
    exempt = ("exempt", group, "--days", "7", "--reason", REASON)
    assert decided(here, *exempt).exit_code == 0
    assert decided(here, *exempt).exit_code == 1  # the author
    monkeypatch.setenv("SUDO_USER", "eve")
    assert decided(here, *exempt).exit_code == 1
    monkeypatch.setenv("SUDO_USER", "bob")
    assert decided(here, *exempt).exit_code == 0


def listed(here: World, *options: str) -> Any:
    done = run(exemptions, "--config", str(here.folder), "--format", "json", *options)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("options", [(), ("--account", "member")], ids=["all accounts", "by name"])
def test_an_exemption_is_listed_where_its_account_is_not_scanned_any_more(
    here: World, options: tuple[str, ...]
) -> None:
    group = an_issue(here, account=MEMBER)
    assert decided(here, "exempt", group, "--days", "7", "--reason", REASON, account=MEMBER).exit_code == 0
    here.configure(accounts=[MAIN])
    assert [(entry["account_id"], entry["group"]) for entry in listed(here, *options)] == [(MEMBER, group)]


def test_exemptions_of_a_group_and_of_a_region(here: World) -> None:
    """By whatever the exemption names the group; what is nowhere is a typing error, not a group without exemptions."""
    group, other = an_issue(here), an_issue(here, RDP)
    issue = here.table.get(MAIN, group)
    assert issue is not None
    by_name = f"{issue.details.vpc_id}:{issue.details.name}"
    here.configure(whitelist={MAIN: ["sg-whole", by_name, other]})
    assert decided(here, "exempt", group, "--days", "7", "--reason", REASON).exit_code == 0

    def groups(*options: str) -> list[str]:
        return [entry["group"] for entry in listed(here, *options)]

    assert groups("--group", group) == [by_name, group]
    assert groups("--group", "sg-whole", "--group", other) == ["sg-whole", other]
    assert groups("--region", REGION) == ["sg-whole", by_name, other, group]
    # Where nobody knows the region, the exemption may be one of that region.
    assert groups("--region", OTHER_REGION) == ["sg-whole", by_name]
    for wrong in (["--group", "sg-0nothere"], ["--region", "eu-nowhere-1"], ["--account", "999999999999"]):
        assert run(exemptions, "--config", str(here.folder), *wrong).exit_code == 2, wrong


def test_exemptions_of_an_account_that_only_the_whitelist_names(here: World) -> None:
    here.configure(whitelist={"999999999999": ["sg-1"]})
    assert [entry["group"] for entry in listed(here, "--account", "999999999999")] == ["sg-1"]


def test_exemptions_of_an_account_that_left_the_configuration(here: World) -> None:
    """As `hammer issues` has it: of an account that is named, if the table has issues of it."""
    group = an_issue(here, account=MEMBER)
    assert decided(here, "exempt", group, "--days", "7", "--reason", REASON, account=MEMBER).exit_code == 0
    file = here.folder / "config.json"
    config = json.loads(file.read_text())
    del config["aws"]["accounts"][MEMBER]
    file.write_text(json.dumps(config))
    assert [entry["group"] for entry in listed(here, "--account", MEMBER)] == [group]
    assert listed(here) == []


def test_exemptions_of_several_accounts_are_in_the_order_of_the_configuration(here: World) -> None:
    here.configure(whitelist={MAIN: ["sg-1"], MEMBER: ["sg-2"]})
    asked = ("--account", MEMBER, "--account", MAIN)
    assert [entry["group"] for entry in listed(here, *asked)] == ["sg-1", "sg-2"]


def test_a_group_whose_name_cannot_be_read_is_named(here: World) -> None:
    """An exemption of its VPC and name may be missing in the list, which must not pass for a whole one."""
    group, other = an_issue(here), an_issue(here, RDP)
    here.configure(whitelist={MAIN: [group, other, "vpc-1:web"]})
    here.table.items.update(MAIN, group, {"status": "nonsense"})
    done = run(exemptions, "--config", str(here.folder), "--format", "json", "--group", group)
    assert done.exit_code == 1, done.output
    assert [entry["group"] for entry in json.loads(done.stdout)] == [group]
    assert f"{group} in {MAIN}: its item in the issue table is not as it should be" in done.stderr
    # Of another group nothing is missing, and of a region nothing either.
    assert [entry["group"] for entry in listed(here, "--group", other)] == [other]
    assert [entry["group"] for entry in listed(here, "--region", REGION)] == [group, other, "vpc-1:web"]


def test_the_register_is_written_to_files_only(here: World) -> None:
    refused = run(exemptions, "--config", str(here.folder), "--output", "s3://bucket/register.csv")
    assert refused.exit_code == 2
    assert "s3://bucket/register.csv: a file of this machine, not S3" in refused.output


@pytest.mark.parametrize("charset", ["ascii", "latin-1", "utf-8"])
def test_the_register_is_the_same_in_whatever_encoding_the_terminal_has(
    here: World, charset: str, tmp_path: Path
) -> None:
    reason = "caf\u00e9 \u65e5\u672c"
    here.configure(whitelist={MAIN: [{"group": "sg-1", "reason": reason}]})
    arguments = ["--config", str(here.folder), "--format"]
    runner, app = CliRunner(charset=charset), application(exemptions.command)
    entries = json.loads(runner.invoke(app, [*arguments, "json"], catch_exceptions=False).stdout_bytes)
    assert [entry["reason"] for entry in entries] == [reason]
    as_csv = runner.invoke(app, [*arguments, "csv"], catch_exceptions=False).stdout_bytes
    assert reason.encode("utf-8") in as_csv
    done = run(exemptions, *arguments[:2], "--output", str(tmp_path / "register.csv"))
    assert (done.exit_code, (tmp_path / "register.csv").read_bytes()) == (0, as_csv)


def test_exemptions_lists_those_of_the_file_and_of_the_table(here: World) -> None:
    here.configure(
        whitelist={
            MAIN: [
                "sg-whole",
                {"group": "vpc-1:default", "ports": ["tcp/22"], "cidrs": ["8.8.8.0/24"], "reason": "=1+1"},
                {"group": "sg-old", "expires": "2020-01-01"},
            ]
        }
    )
    group = an_issue(here, SSH, RDP)
    until = here.clock.date() + timedelta(days=7)
    assert decided(here, "exempt", group, "--days", "7", "--reason", REASON).exit_code == 0
    found = listed(here)
    assert found[0] == {
        "id": f"whitelist/{MAIN}/1",
        "account_id": MAIN,
        "group": "sg-whole",
        "ports": [],
        "cidrs": [],
        "until": None,
        "reason": "",
        "by": "",
        "source": "whitelist",
    }
    assert (found[1]["ports"], found[1]["cidrs"]) == (["tcp/22"], ["8.8.8.0/24"])
    ours = [entry for entry in found if entry["source"] == "decision"]
    assert {(*entry["ports"], *entry["cidrs"]) for entry in ours} == {
        ("tcp/22", ANYWHERE),
        ("tcp/3389", "8.8.8.0/24"),
    }
    assert {entry["id"] for entry in ours} == {f"{MAIN}/{group}/1"}
    assert {(entry["by"], entry["until"], entry["reason"]) for entry in ours} == {("jane", until.isoformat(), REASON)}
    assert "sg-old" not in {entry["group"] for entry in found}
    assert "sg-old" in {entry["group"] for entry in listed(here, "--all")}
    as_csv = run(exemptions, "--config", str(here.folder), "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(as_csv)))
    assert len(rows) == len(found)
    assert rows[1]["reason"] == "'=1+1"
    table = run(exemptions, "--config", str(here.folder)).stdout
    assert f"{MAIN}/{group}/1" in table


def test_an_exemption_that_people_decided_is_ended_by_a_decision(here: World) -> None:
    group = an_issue(here)
    assert decided(here, "exempt", group, "--days", "7", "--reason", REASON).exit_code == 0
    (entry,) = listed(here)
    done = run(exemptions, "--config", str(here.folder), "--end", entry["id"], "--reason", "not needed")
    assert done.exit_code == 0, done.output
    assert listed(here) == []
    assert listed(here, "--all")[0]["ended"].startswith("jane at ")
    register = run(exemptions, "--config", str(here.folder), "--all").stdout
    assert re.search(r" \d{4}-\d\d-\d\d \d\d:\d\d UTC +jane at \d{4}-\d\d-\d\d \d\d:\d\d UTC ", register), register
    assert [kind for kind, *_ in results(here.stored(group))] == ["exempt", "end"]
    again = run(exemptions, "--config", str(here.folder), "--end", entry["id"])
    assert (again.exit_code, "is over already" in again.output) == (1, True)
    here.batch()
    assert here.exposed(group) == set()


@pytest.mark.parametrize(
    "now", [None, {"status": "nonsense"}, {"decisions": "x"}], ids=["gone", "unreadable", "decisions unreadable"]
)
def test_an_exemption_is_ended_whatever_has_become_of_its_issue(here: World, now: dict[str, str] | None) -> None:
    """It counts until its day, whether there is an issue or not: nobody may be unable to take it back."""
    group = an_issue(here)
    assert decided(here, "exempt", group, "--days", "7", "--reason", REASON).exit_code == 0
    (entry,) = listed(here)
    if now is None:
        key = {"account_id": {"S": MAIN}, "issue_id": {"S": group}}
        here.sessions.client("dynamodb").delete_item(TableName=TABLE, Key=key)
    else:
        here.table.items.update(MAIN, group, now)
    before = here.table.items.get(MAIN, group)
    done = run(exemptions, "--config", str(here.folder), "--end", entry["id"])
    assert (done.exit_code, "is ended" in done.stdout, "its issue" in done.stderr) == (0, True, True), done.output
    assert listed(here) == []
    assert listed(here, "--all")[0]["ended"].startswith("jane at ")
    assert here.table.items.get(MAIN, group) == before
    again = run(exemptions, "--config", str(here.folder), "--end", entry["id"])
    assert (again.exit_code, "is over already: jane at " in again.output) == (1, True)


def test_one_of_the_file_is_not_ended(here: World) -> None:
    here.configure(whitelist={MAIN: ["sg-whole"]})
    refused = run(exemptions, "--config", str(here.folder), "--end", f"whitelist/{MAIN}/1")
    assert (refused.exit_code, "take it out there" in refused.output) == (1, True)
    for name in ("whitelist/1/1", f"{MAIN}/sg-1/1", "x", f"{MAIN}/sg-1/{'9' * 5000}"):
        assert run(exemptions, "--config", str(here.folder), "--end", name).exit_code == 2


def test_status_warns_of_an_exemption_that_ends_soon(here: World) -> None:
    group = an_issue(here)
    assert decided(here, "exempt", group, "--days", "7", "--reason", REASON).exit_code == 0
    said = run(status, "--config", str(here.folder)).stdout
    until: date = here.clock.date() + timedelta(days=7)
    assert f"the exemption of {group} in {MAIN} ends on {until}: {REASON} (jane)" in said


def test_status_says_that_nobody_listens_to_slack(here: World) -> None:
    section(here, enabled=True)
    path = here.folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "slack": {"enabled": True}}))
    said = {}
    for minutes in (20, 1):
        now = here.clock - timedelta(minutes=minutes)
        ListenerRecords(here.table.items, MAIN, lambda now=now: now).connected("a host", 1)  # type: ignore[misc]
        said[minutes] = "hammer listen is not connected to Slack since" in run(
            status, "--config", str(here.folder)
        ).stdout.replace("\n", " ")
    assert said == {20: True, 1: False}


def exempt(here: World, **decisions: Any) -> str:
    """A group that somebody exempted for three days."""
    section(here, enabled=True, **decisions)
    group = an_issue(here)
    assert decided(here, "exempt", group, "--days", "3", "--reason", REASON).exit_code == 0
    return group


def judged(here: World) -> tuple[dict[str, bool], str]:
    """What `hammer scan` says of each group in the main account: whether it is exempt; and its notes."""
    location = ("--account", MAIN, "--region", REGION)
    found = run(scan, "--config", str(here.folder), "--format", "json", *location)
    return {this["group_id"]: this["whitelisted"] for this in json.loads(found.stdout)["issues"]}, found.stderr


def test_scan_counts_what_people_exempted(here: World) -> None:
    group, other = exempt(here), an_issue(here)
    assert judged(here) == ({group: True, other: False}, "")


def test_scan_says_that_it_could_not_read_what_people_exempted(here: World) -> None:
    group = exempt(here)
    here.table.items.update(MAIN, f"exemption#{group}#000001", {"until": "soon"})
    found, said = judged(here)
    assert found == {group: False}
    assert "hammer: note: what people decided to exempt is not known, and counts as not exempt here" in said


def test_scan_needs_no_table(here: World) -> None:
    group = exempt(here)
    here.sessions.client("dynamodb").delete_table(TableName=TABLE)
    assert judged(here) == ({group: False}, "")


def test_source_leaves_out_what_people_exempted(here: World) -> None:
    group = exempt(here)
    here.ec2().authorize_security_group_ingress(GroupId=group, IpPermissions=[RDP])
    location = ("--account", MAIN, "--region", REGION, "--group", group)
    found = run(source, "--config", str(here.folder), *location)
    assert [line for line in found.output.splitlines() if line.startswith("tcp/")] == [
        "tcp/3389 from 8.8.8.0/24: unknown"
    ]


def test_check_config_names_what_people_exempted(here: World) -> None:
    group = exempt(here)
    checked = run(check_config, "--config", str(here.folder))
    assert checked.exit_code == 0
    assert "0; 1 that people decided" in checked.output
    until = here.clock.date() + timedelta(days=3)
    assert f"warning: decision: the exemption of {group} in {MAIN} ends on {until}: {REASON}" in checked.output


def test_check_config_needs_no_table_and_no_answer(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    exempt(here)
    here.sessions.client("dynamodb").delete_table(TableName=TABLE)
    checked = run(check_config, "--config", str(here.folder))
    assert (checked.exit_code, "note:" in checked.output) == (0, False)
    monkeypatch.setattr(IssueTable, "decided_exemptions", lambda *_: (_ for _ in ()).throw(NoCredentialsError))
    checked = run(check_config, "--config", str(here.folder))
    assert checked.exit_code == 0
    assert "note: what people decided to exempt is not known" in checked.output


def test_status_does_not_go_on_about_what_is_over(here: World) -> None:
    """Somebody takes an exemption out of the file that is over; of the table's nobody has to."""
    group = exempt(here)
    here.table.items.update(MAIN, f"exemption#{group}#000001", {"until": "2020-01-01"})
    assert "expired" not in run(status, "--config", str(here.folder)).output
    assert "expired" not in run(check_config, "--config", str(here.folder)).output
