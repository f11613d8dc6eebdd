"""What `hammer remediate` and `hammer restore` make of their options, from the command line."""

from __future__ import annotations

import json
import os
import pty
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from hammer import decide
from library.aws.records import JobRecords
from library.issues.issue import IssueDetails
from library.jobs.command_line import application
from remediation import clean_security_groups, restore_security_groups
from remediation.context import Prompt
from tests.worlds.remediation_world import ANYWHERE, BUCKET, MAIN, MEMBER, REGION, World, permission, world

pytestmark = pytest.mark.usefixtures("table_in_memory")

SSH = permission("tcp", (22, 22), ANYWHERE)
OPEN = {("tcp", 22, 22, ANYWHERE)}
OFFICE = "9.9.9.0/24"
CLIENT: Any = BaseClient
BOTH = ["open_completely", "open_partly"]


@pytest.fixture(name="world")
def _world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("SUDO_USER", "jane")
    with world(tmp_path) as made:
        yield made


def closed(world: World) -> str:
    """A group of the member account that Hammer has closed."""
    group = world.group(SSH, account=MEMBER)
    world.issue(group, MEMBER)
    assert world.batch().remediated == 1
    return group


def unfinished(world: World, group: str) -> None:
    issue = world.stored(group, MEMBER)
    journal = {**issue.remediation_details["journal"], "step": "verifying"}
    world.table.update(issue, {"remediation_details.journal": journal})


def configured(world: World, **sections: dict[str, Any]) -> None:
    """Change these keys of sections of the configuration."""
    path = world.folder / "config.json"
    config = json.loads(path.read_text())
    for name, keys in sections.items():
        config[name] = {**config.get(name, {}), **keys}
    path.write_text(json.dumps(config))


def in_an_organization(world: World) -> str:
    """Have the configuration take its accounts from the organization. Returns the id of the one named `shop`."""
    client = world.sessions.client("organizations")
    client.create_organization(FeatureSet="ALL")
    answer = client.create_account(AccountName="shop", Email="shop@example.com")
    configured(world, aws={"accounts": "organization"})
    return str(answer["CreateAccountStatus"]["AccountId"])


def test_a_change_is_given_up_in_an_account_that_is_named(world: World) -> None:
    group = closed(world)
    unfinished(world, group)
    world.configure(accounts=[], remediation_accounts=[])
    result = world.restore(group, "--give-up", account="member")
    assert (result.exit_code, "given up: the group stays as it is" in result.output) == (0, True)
    assert world.stored(group, MEMBER).remediation_details["journal"]["step"] == "done"


def test_a_decided_restore_is_carried_out_in_an_account_that_is_named(world: World) -> None:
    group = closed(world)
    options = ("--config", str(world.folder), "--account", MEMBER, "--region", REGION, "--group", group)
    configured(world, decisions={"allow_restore": ["jane"]})
    result = CliRunner().invoke(application(decide.command), ["restore", *options])
    assert result.exit_code == 0, result.output
    result = world.restore(group, "--decided", account="member")
    assert result.exit_code == 0, result.output
    assert world.rules(group, MEMBER) == OPEN


def test_a_decided_restore_is_carried_out_also_where_its_output_cannot_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hammer listen` gives it its own output, which is a pipe or a file for weeks."""
    group = closed(world)
    options = ("--config", str(world.folder), "--account", MEMBER, "--region", REGION, "--group", group)
    configured(world, decisions={"allow_restore": ["jane"]})
    reader, writer = os.pipe()
    os.close(reader)
    gone = os.fdopen(writer, "w", encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(restore_security_groups, "carry_out_decided", lambda *_: [])
        assert CliRunner().invoke(application(decide.command), ["restore", *options]).exit_code == 1
        patched.undo()
        patched.setattr("sys.stdout", gone)
        problems = restore_security_groups.carry_out_decided(str(world.folder), MEMBER, REGION, group)
    with pytest.raises(BrokenPipeError):
        gone.close()
    assert (problems, world.rules(group, MEMBER)) == ([], OPEN)


@pytest.mark.parametrize("account", ["nobody", "999999999999"])
@pytest.mark.parametrize("option", ["--give-up", "--decided", "--release"])
def test_an_account_that_is_not_there_is_wrong_usage(world: World, option: str, account: str) -> None:
    result = world.restore(closed(world), option, account=account)
    assert result.exit_code == 2
    assert f": {account}" in result.output


def test_an_account_of_an_organization_is_named(world: World) -> None:
    account = in_an_organization(world)
    group = world.group(SSH, account=account)
    world.issue(group, account)
    assert world.remediate("--batch", "--account", "shop").exit_code == 0
    assert world.rules(group, account) != OPEN
    result = world.restore(group, "--batch", account="shop")
    assert result.exit_code == 0, result.output
    assert world.rules(group, account) == OPEN


def test_the_table_tells_in_which_account_of_an_organization_a_group_is(world: World) -> None:
    account = in_an_organization(world)
    group = world.group(SSH, account=account)
    world.issue(group, account)
    assert world.remediate("--batch").exit_code == 0
    options = ("--config", str(world.folder), "--group", group, "--batch")
    result = CliRunner().invoke(restore_security_groups.app, list(options))
    assert result.exit_code == 0, result.output
    assert world.rules(group, account) == OPEN


@pytest.mark.parametrize("named", ["", f"s3://{BUCKET}/"])
def test_a_backup_without_a_key_is_not_the_usual_one(world: World, named: str) -> None:
    group = closed(world)
    result = world.restore(group, "--batch", "--backup", named, account=MEMBER)
    assert (result.exit_code, "--backup names no backup" in result.output) == (2, True)
    assert world.rules(group, MEMBER) != OPEN


def test_a_backup_is_named_by_its_address(world: World) -> None:
    group = closed(world)
    (backup,) = world.backups.list(MEMBER, REGION, group)
    assert world.restore(group, "--batch", "--backup", f"s3://{BUCKET}/{backup.key}", account=MEMBER).exit_code == 0
    assert world.rules(group, MEMBER) == OPEN


def test_what_is_no_id_of_a_group_is_wrong_usage(world: World) -> None:
    result = world.restore("sg-nothing", "--batch", account=MEMBER)
    assert (result.exit_code, "no group sg-nothing in " in result.output) == (2, True)


@pytest.mark.parametrize("options", [["--batch"], ["--dry-run"], ["--release"]], ids=lambda options: options[0])
def test_a_group_of_another_region_is_wrong_usage(world: World, options: list[str]) -> None:
    details = IssueDetails("web", "us-east-1", "vpc-1", "open_completely", {}, ()).to_item()
    world.issue("sg-elsewhere", open_region="us-east-1", issue_details=details)
    result = world.restore("sg-elsewhere", *options)
    assert (result.exit_code, f"no group sg-elsewhere in {MAIN}, {REGION}" in result.output) == (2, True)


def test_a_group_that_is_not_in_the_named_region_is_not_looked_for_in_vain(world: World) -> None:
    group = world.group(SSH)
    world.issue(group)
    configured(world, aws={"regions": [REGION, "us-east-1"]})
    result = world.remediate("--batch", "--region", "us-east-1", "--group", group)
    assert result.exit_code == 2
    assert f"no issue in the accounts of remediation_accounts, us-east-1 of: {group}" in result.stderr
    assert world.remediate("--batch", "--region", "us-east-1", "--region", REGION, "--group", group).exit_code == 0


@pytest.mark.parametrize("mode", ["--batch", "--dry-run"])
@pytest.mark.parametrize("open_to", [ANYWHERE, OFFICE])
def test_the_open_source_itself_cannot_be_kept(world: World, open_to: str, mode: str) -> None:
    world.configure(remediation_scope=BOTH)
    group = world.group(permission("tcp", (22, 22), open_to))
    world.issue(group)
    result = world.remediate(mode, "--group", group, "--keep", open_to)
    assert result.exit_code == 1
    assert f"{open_to} cannot be kept: it is what is open, and no rule would be replaced" in result.output
    assert world.rules(group) == {("tcp", 22, 22, open_to)}


def test_all_that_a_kept_source_has_open_is_recorded_and_stays(world: World) -> None:
    world.configure(remediation_scope=BOTH, remediation_sources=["10.0.0.0/8"])
    group = world.group(SSH, permission("tcp", (3389, 3389), OFFICE))
    world.issue(group)
    result = world.remediate("--batch", "--group", group, "--keep", OFFICE)
    assert result.exit_code == 0, result.output
    kept = {("tcp", 22, 22, "10.0.0.0/8"), ("tcp", 22, 22, OFFICE), ("tcp", 3389, 3389, OFFICE)}
    assert world.rules(group) == kept
    recorded = world.stored(group).remediation_details["kept"]
    assert {(each["from_port"], each["cidr"], each["by"]) for each in recorded} == {
        (22, OFFICE, "jane"),
        (3389, OFFICE, "jane"),
    }
    assert world.remediate("--batch").exit_code == 0
    assert world.rules(group) == kept


def refusing(code: str, message: str) -> Callable[[Any, str, Any], Any]:
    """The SDK's calls, of which EC2 refuses to add rules."""
    real = CLIENT._make_api_call

    def call(client: Any, operation: str, arguments: Any) -> Any:
        if operation == "AuthorizeSecurityGroupIngress":
            raise ClientError({"Error": {"Code": code, "Message": message}}, operation)
        return real(client, operation, arguments)

    return call


def test_what_aws_says_cannot_move_the_cursor(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.issue(world.group(SSH))
    with monkeypatch.context() as patched:
        patched.setattr(CLIENT, "_make_api_call", refusing("UnauthorizedOperation", "no \x1b[31mway"))
        patched.setattr("remediation.context.time.sleep", lambda _: None)
        result = world.remediate("--batch")
    assert result.exit_code == 1
    assert "no \\x1b[31mway" in result.stderr
    assert "\x1b" not in result.output
    Prompt().show("two\x1b[2J\nlines")
    assert capsys.readouterr().out == "two\\x1b[2J\nlines\n"


@pytest.mark.parametrize("program", [restore_security_groups, clean_security_groups], ids=lambda each: each.__name__)
def test_without_any_input_there_is_nobody_to_ask(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], program: Any
) -> None:
    options = ["--group", closed(world), "--config", str(world.folder)]
    monkeypatch.setattr("sys.argv", ["hammer", *options])
    monkeypatch.setattr(sys, "stdin", None)  # Python's, where a shell or scheduler closed it (`<&-`)
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 2
    assert "there is no terminal to ask at" in capsys.readouterr().err


def test_an_answer_in_another_encoding_is_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    group = closed(world)
    typed = iter([b"\xfc", b"y"])
    monkeypatch.setattr("builtins.input", lambda: next(typed).decode())
    monkeypatch.setattr(restore_security_groups, "has_terminal", lambda: True)
    restore_security_groups.command(str(world.folder), [MEMBER], [REGION], [group])
    assert capsys.readouterr().out.count("Restore it?") == 2
    assert world.rules(group, MEMBER) >= OPEN


def test_who_asks_again_for_what_cannot_be_kept_is_refused_again(world: World) -> None:
    group = world.group(SSH)
    world.issue(group)
    for _ in range(2):
        result = world.remediate("--batch", "--group", group, "--keep", "2a01::7/128")
        assert result.exit_code == 1
        assert "2a01::7/128 cannot be kept" in result.stderr


def test_who_agrees_again_to_what_fails_is_told_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    group = world.group(SSH)
    world.issue(group)
    with monkeypatch.context() as patched:
        patched.setattr(CLIENT, "_make_api_call", refusing("RequestLimitExceeded", "slow"))
        for _ in range(2):
            (problem,) = world.by_hand("y").problems
            assert f"{group} in " in problem
            world.clock += timedelta(days=1)
    assert len(world.people.comments) == 1, "told once"


def test_a_group_of_an_account_that_is_not_remediated_is_not_said_to_have_no_issue(world: World) -> None:
    group = world.group(SSH)
    world.issue(group)
    world.configure(remediation_accounts=[MEMBER])
    result = world.remediate("--batch", "--group", group)
    assert result.exit_code == 2
    assert f"no issue in the accounts of remediation_accounts of: {group}" in result.stderr
    result = world.remediate("--batch", "--account", "member", "--group", group)
    assert f"no issue in {MEMBER} of: {group}" in result.stderr


def test_a_full_disk_under_the_output_keeps_no_group_open_and_the_record_says_what_was_not_done(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = [world.group(SSH) for _ in range(2)]
    for group in groups:
        world.issue(group)
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - closing it fails, too
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", full)
        clean_security_groups.command(config=str(world.folder), batch=True)
    with pytest.raises(OSError, match="No space left"):
        full.close()
    assert [world.rules(group) & OPEN for group in groups] == [set(), set()]
    (run,) = JobRecords(world.table.items, MAIN).runs()
    assert (run.outcome, run.problems) == (
        "incomplete",
        ["the output could not be written: No space left on device"],
    )
    assert capsys.readouterr().err == "", "the end of the program tells it"


_WHY_UNREAD = {
    "pipe": "Broken pipe",
    "terminal": "Input/output error",
    "busy": "write could not complete without blocking",
}


@pytest.fixture(name="unread", params=_WHY_UNREAD)
def _unread(request: pytest.FixtureRequest) -> Iterator[tuple[TextIO, str]]:
    """A pipe whose reader left, or a terminal that was closed, or a full pipe that does not block; and why it fails."""
    reader, writer = os.pipe() if request.param != "terminal" else pty.openpty()
    if request.param == "busy":
        os.set_blocking(writer, False)
        for length in (4096, 1):
            with suppress(BlockingIOError):
                while True:
                    os.write(writer, b" " * length)
    else:
        os.close(reader)
    output = os.fdopen(writer, "w", encoding="utf-8")
    yield output, _WHY_UNREAD[request.param]
    with suppress(OSError):
        output.close()


def test_a_reader_that_left_keeps_no_group_open(
    world: World, monkeypatch: pytest.MonkeyPatch, unread: tuple[TextIO, str]
) -> None:
    groups = [world.group(SSH) for _ in range(2)]
    for group in groups:
        world.issue(group)
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", unread[0])
        clean_security_groups.command(config=str(world.folder), batch=True)
    assert [world.rules(group) & OPEN for group in groups] == [set(), set()]
    (run,) = JobRecords(world.table.items, MAIN).runs()
    assert (run.outcome, run.problems) == ("incomplete", [f"the output could not be written: {unread[1]}"])


def test_a_reader_that_left_keeps_no_group_from_being_restored_and_given_back(
    world: World, monkeypatch: pytest.MonkeyPatch, unread: tuple[TextIO, str]
) -> None:
    group = closed(world)
    options: dict[str, Any] = {"config": str(world.folder), "account": [MEMBER], "region": [REGION], "group": [group]}
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", unread[0])
        restore_security_groups.command(**options, batch=True)
        assert world.rules(group, MEMBER) == OPEN
        assert world.stored(group, MEMBER).remediation_details["restored"]["by"] == "jane"
        restore_security_groups.command(**options, release_=True)
    details = world.stored(group, MEMBER)
    assert not details.remediation_details.get("restored")
    assert [run.outcome for run in JobRecords(world.table.items, MAIN).runs()] == ["done"]
