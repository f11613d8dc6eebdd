"""The job as a person or cron starts it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from typer.testing import CliRunner, Result

from library.aws.lock import REPORTING_LOCK_ID, Lock
from library.aws.records import JobRecords
from library.jobs import run as run_of_a_job
from library.jobs.host_logs import LOG_GROUP, host_logging
from reporting import create_security_groups_tickets as job
from tests.standins.server import Answer, Fault, Request
from tests.worlds.reporting_world import (
    MAIN,
    MEMBER,
    RDP,
    REGION,
    SSH,
    TABLE,
    World,
    kept_sessions,
    reporting_world,
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with reporting_world() as made:
        monkeypatch.setenv("HAMMER_CONFIG", str(tmp_path))
        monkeypatch.setenv("HAMMER_JIRA_SECRET", json.dumps(made.jira.secret))
        monkeypatch.setenv("HAMMER_SLACK_SECRET", json.dumps(made.slack.secret))
        made.clock = datetime.now(UTC)
        yield made


def run(world: World, tmp_path: Path, *arguments: str) -> Result:
    (tmp_path / "config.json").write_text(json.dumps(world.config_file()))
    (tmp_path / "ticket_owners.json").write_text(json.dumps(world.ticket_owners))
    return CliRunner().invoke(job.app, arguments)


def nothing_enabled(world: World) -> None:
    world.sections |= {"jira": {"enabled": False}, "slack": {"enabled": False}}


def test_with_nothing_enabled_the_console_shows_each_ticket_and_that_counts(world: World, tmp_path: Path) -> None:
    nothing_enabled(world)
    world.found("sg-1", name="web\x1b[31m")
    world.found("sg-2", exempt=True)
    result = run(world, tmp_path)
    assert result.exit_code == 0
    assert result.stdout.startswith(
        'new: High: SSH (tcp/22) open to the whole Internet: "web\\x1b[31m", '
        "master (123456789012), eu-west-1, sg-1\n\n"
        'What is wrong: Security group sg-1 "web\\x1b[31m" in account master (123456789012), region eu-west-1, '
        "allows SSH (tcp/22)"
    )
    assert "  tcp       22     0.0.0.0/0  all of IPv4            open completely\n" in result.stdout
    assert result.stdout.endswith("1 new; 1 unchanged\n")
    issue = world.issue()
    assert issue.timestamps.reported is not None
    assert issue.jira_details["ticket"] is None
    assert run(world, tmp_path).stdout == "nothing new; 2 unchanged\n"

    world.fixed()
    assert run(world, tmp_path).stdout == (
        'gone: "web\\x1b[31m", master (123456789012), eu-west-1, sg-1\n1 gone; 1 unchanged\n'
    )
    assert world.issue().status == "closed"
    world.found()
    assert run(world, tmp_path).stdout.endswith("1 found again; 1 unchanged\n")
    assert world.jira.requests == world.slack.requests == []


def test_a_reader_that_left_keeps_no_issue_from_being_reported(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_enabled(world)
    world.found("sg-1")
    world.found("sg-2")
    (tmp_path / "config.json").write_text(json.dumps(world.config_file()))
    reader, writer = os.pipe()
    os.close(reader)
    left = os.fdopen(writer, "w", encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", left)
        job.command()
    with pytest.raises(BrokenPipeError):
        left.close()
    assert [world.issue(group).timestamps.reported is None for group in ("sg-1", "sg-2")] == [False, False]
    (record,) = JobRecords(world.table.items, MAIN).runs()
    assert (record.outcome, record.problems) == ("incomplete", ["the output could not be written: Broken pipe"])


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["a run", "a dry run"])
def test_reporting_off_does_nothing_and_says_so(world: World, tmp_path: Path, options: tuple[str, ...]) -> None:
    world.sections["secgrp_unrestricted_access"] = {"reporting": False}
    world.found()
    result = run(world, tmp_path, *options)
    assert (result.exit_code, result.stdout) == (
        0,
        "reporting is off (secgrp_unrestricted_access.reporting): nothing to do\n",
    )
    assert world.issue().timestamps.reported is None
    assert world.jira.requests == []


def test_a_dry_run_shows_the_plan_with_its_text_and_tells_nobody(world: World, tmp_path: Path) -> None:
    world.ticket_owners |= {"jira_owner": "Security Team", "slack_owner": "#sec"}
    world.found(tags={"owner": "ana@example.com"})
    before = world.issue()
    result = run(world, tmp_path, "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        'would tell: new: High: SSH (tcp/22) open to the whole Internet: "web", '
        "master (123456789012), eu-west-1, sg-1\n"
        "    JIRA: a new ticket in SEC, assigned to ana@example.com or else Security Team\n"
        "    Slack: ana@example.com, #sec\n"
        "\n"
        '    What is wrong: Security group sg-1 "web" in account master (123456789012), region eu-west-1, '
        "allows SSH (tcp/22)"
    )
    assert "\n      tcp       22     0.0.0.0/0  all of IPv4            open completely\n" in result.stdout
    assert result.stdout.endswith("dry run, nothing was told: would tell: 1 new; 0 unchanged\n")
    assert world.issue() == before
    assert world.jira.requests == world.slack.requests == []


def test_a_dry_run_of_many_shows_a_line_for_each_and_some_texts(world: World, tmp_path: Path) -> None:
    for number in range(12):
        world.found(f"sg-{number:02}")
    shown = run(world, tmp_path, "--dry-run").stdout
    assert shown.count("would tell: new: High: SSH") == 12
    assert shown.count("    What is wrong: Security group sg-") == 10
    assert "the texts of 2 more are not shown: choose with --group\n" in shown
    assert (
        run(world, tmp_path, "--dry-run", "--group", "sg-11").stdout.count("    What is wrong: Security group sg-") == 1
    )


def test_a_dry_run_through_an_issues_life(world: World, tmp_path: Path) -> None:
    world.sections["slack"] = {"enabled": False}

    def shown() -> tuple[str, str]:
        lines = [line.strip() for line in run(world, tmp_path, "--dry-run").stdout.splitlines() if line]
        return lines[1], lines[2]

    def reported() -> None:
        assert run(world, tmp_path).exit_code == 0

    world.found()
    reported()
    world.found("sg-1", SSH, RDP)
    assert shown() == ("JIRA: a comment on SEC-1", "What is open in security group sg-1 has changed.")
    reported()
    world.found("sg-1", SSH, RDP, exempt=True)
    what, text = shown()
    assert what == "JIRA: a comment on SEC-1, which is closed"
    assert text.startswith("Security group sg-1 is exempt now")
    reported()
    world.found("sg-1", SSH)
    what, text = shown()
    assert what == "JIRA: a comment on SEC-1, which is reopened if it is closed"
    assert text.startswith("Security group sg-1 is exposed again")
    reported()
    world.fixed()
    assert shown()[1].startswith("Security group sg-1 exposes nothing any more")
    world.ticket_owners = {}
    world.found("sg-2")
    assert "    JIRA: no ticket: ticket_owners names no jira_project\n" in run(world, tmp_path, "--dry-run").stdout


def test_with_the_check_off_what_is_known_is_still_told_and_closed(world: World, tmp_path: Path) -> None:
    world.found("sg-1")
    run(world, tmp_path)
    world.fixed("sg-1")
    world.found("sg-2")
    world.sections["secgrp_unrestricted_access"] = {"enabled": False}
    assert run(world, tmp_path).stdout == "1 new, 1 gone; 0 unchanged\n"
    assert [ticket.status for ticket in world.jira.tickets.values()] == ["Done", "To Do"]
    assert world.issue("sg-1").status == "closed"


@pytest.mark.parametrize(
    ("option", "notified"),
    [
        (("--account", MEMBER), {"sg-3"}),
        (("--group", "sg-2"), {"sg-2"}),
        (("--region", REGION), {"sg-1", "sg-2", "sg-3"}),
        (("--region", "us-east-1"), set()),
    ],
)
def test_only_what_is_selected_is_told(
    world: World, tmp_path: Path, option: tuple[str, str], notified: set[str]
) -> None:
    for group, account in (("sg-1", MAIN), ("sg-2", MAIN), ("sg-3", MEMBER)):
        world.found(group, account_id=account)
    assert run(world, tmp_path, *option).exit_code == 0
    assert {t.fields["summary"].rpartition(" ")[2] for t in world.jira.tickets.values()} == notified


def test_only_accounts_of_the_section_are_told(world: World, tmp_path: Path) -> None:
    world.sections["secgrp_unrestricted_access"] = {"accounts": MEMBER}
    world.found("sg-1")
    world.found("sg-3", account_id=MEMBER)
    run(world, tmp_path)
    assert [t.fields["summary"].rpartition(" ")[2] for t in world.jira.tickets.values()] == ["sg-3"]


@pytest.mark.parametrize("account", ["999999999999", "", "typo"])
def test_an_account_that_is_not_reported_on_is_wrong_usage(world: World, tmp_path: Path, account: str) -> None:
    result = run(world, tmp_path, "--account", account)
    assert result.exit_code == 2
    assert f"not among the accounts of the configuration: {account}" in result.stderr


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--region", "eu-nowhere-1"), "eu-nowhere-1"),
        (("--group", "sg-typo"), "sg-typo"),
    ],
)
def test_a_region_or_group_that_is_not_there_is_wrong_usage(
    world: World, tmp_path: Path, option: tuple[str, str], said: str
) -> None:
    world.found()
    result = run(world, tmp_path, *option)
    assert result.exit_code == 2
    assert said in result.stderr
    assert world.issue().timestamps.reported is None


def test_what_could_not_be_done_is_named_and_the_exit_code_tells(world: World, tmp_path: Path) -> None:
    world.found()
    world.jira.faults.append(Fault("POST /issue", Answer({"errorMessages": ["no\x1b[31m"]}, 403)))
    result = run(world, tmp_path)
    assert result.exit_code == 1
    assert "hammer: sg-1 in 123456789012, eu-west-1: new: JIRA answered 403: no\\x1b[31m\n" in result.stderr


def test_another_run_is_not_disturbed(world: World, tmp_path: Path) -> None:
    world.found()
    other = Lock(
        kept_sessions().client("dynamodb"),
        TABLE,
        MAIN,
        "cron@elsewhere, process 1",
        lambda: datetime.now(UTC),
        REPORTING_LOCK_ID,
    )
    other.acquire()
    result = run(world, tmp_path)
    assert result.exit_code == 1
    assert "hammer: another run holds the lock: cron@elsewhere, process 1" in result.stderr
    assert world.jira.requests == []
    other.release()
    assert run(world, tmp_path).exit_code == 0


def test_a_secret_comes_from_secrets_manager(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HAMMER_JIRA_SECRET")
    world.sections["slack"] = {"enabled": False}
    world.found()
    missing = run(world, tmp_path)
    assert missing.exit_code == 1
    assert "the secret 'hammer/jira' in AWS Secrets Manager does not exist: create it" in missing.stderr
    boto3.client("secretsmanager", region_name=REGION).create_secret(
        Name="hammer/jira", SecretString=json.dumps(world.jira.secret)
    )
    assert run(world, tmp_path).exit_code == 0
    assert len(world.jira.tickets) == 1


def log_lines() -> list[dict[str, Any]]:
    events = boto3.client("logs", region_name=REGION).get_log_events(
        logGroupName=LOG_GROUP,
        logStreamName="reporting.create_security_groups_tickets",
        startFromHead=True,
    )["events"]
    return [json.loads(event["message"]) for event in events]


def test_logs_go_to_the_hosts_log_group(world: World, tmp_path: Path) -> None:
    assert LOG_GROUP == "/aws/ec2/hammer-reporting-remediation"
    world.found()
    result = run(world, tmp_path)
    assert result.stderr == ""
    notified = [line for line in log_lines() if line["message"] == "told"]
    assert [line["recorded"] for line in notified] == [
        ["jira_details"],
        ["exposures_told", "slack_details", "timestamps.reported"],
    ]
    assert {(line["group_id"], line["ticket"], line["level"]) for line in notified} == {("sg-1", "SEC-1", "INFO")}
    world.found("sg-2")
    world.jira.faults.append(Fault("POST /issue", Answer("", 403)))
    run(world, tmp_path)
    assert "sg-2 in 123456789012" in log_lines()[-2]["message"] + log_lines()[-1]["message"]
    assert "t0ken" not in json.dumps(log_lines())


def test_the_job_goes_on_when_the_log_service_is_away(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        class exceptions:  # noqa: N801 - a client's attribute
            ResourceAlreadyExistsException = ClientError = KeyError

        def __getattr__(self, _: str) -> Any:
            return unreachable

    monkeypatch.setattr(run_of_a_job, "logs_client", lambda _: Away())
    world.found()
    result = run(world, tmp_path)
    assert result.exit_code == 0
    assert len(world.jira.tickets) == 1
    assert "no log is kept in CloudWatch Logs: AWS could not be reached" in result.stderr
    assert '"message": "told"' in result.stderr


def test_a_log_service_that_fails_in_the_middle_of_a_run_costs_no_line_and_stops_nothing(
    world: World, tmp_path: Path
) -> None:
    def log_group_is_lost(request: Request) -> None:
        if request.method == "POST" and request.path.endswith("/issue"):
            world.jira.before = lambda _: None
            boto3.client("logs", region_name=REGION).delete_log_group(logGroupName=LOG_GROUP)

    world.found("sg-1")
    world.found("sg-2")
    world.jira.before = log_group_is_lost
    result = run(world, tmp_path)
    assert result.exit_code == 0
    assert len(world.jira.tickets) == 2
    assert result.stderr.count("hammer: logs could not be sent to CloudWatch Logs: ") == 1
    lines = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert sorted((line["group_id"], line["recorded"][0]) for line in lines if line["message"] == "told") == [
        (group, part) for group in ("sg-1", "sg-2") for part in ("exposures_told", "jira_details")
    ]
    assert "t0ken" not in result.stderr


def test_lines_are_on_standard_error_only_while_the_log_service_is_away(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    client = boto3.client("logs", region_name=REGION)
    with host_logging("reporting.create_security_groups_tickets", lambda: client):
        for number, away in enumerate([False, True, True, False]):
            with pytest.MonkeyPatch.context() as patched:
                if away:
                    patched.setattr(client, "put_log_events", unreachable)
                logging.getLogger("hammer.test").warning("line %d", number)
                for handler in logging.getLogger().handlers:
                    handler.flush()
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("hammer: logs could not be sent to CloudWatch Logs: AWS could not be reached")
    assert [json.loads(line)["message"] for line in said[1:]] == ["line 1", "line 2"]
    assert [line["message"] for line in log_lines()] == ["line 0", "line 3"]


def unreachable(**_: Any) -> Any:
    raise EndpointConnectionError(endpoint_url="https://logs.example.com")


def test_help_names_every_option_and_no_secret(world: World, tmp_path: Path) -> None:
    notified = run(world, tmp_path, "--help")
    assert notified.exit_code == 0
    for option in ("--config", "--account", "--region", "--group", "--dry-run"):
        assert option in notified.stdout
    assert "t0ken" not in notified.stdout
