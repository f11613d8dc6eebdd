"""How a command ends, and which modules it takes to run one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from typer.testing import CliRunner

from hammer.__main__ import application
from library.aws.decision_store import UnreadableExemptionError
from library.config import ConfigurationError, Problem
from library.jobs.command_line import Selection, run


def raising(error: Exception) -> object:
    def program() -> None:
        raise error

    return program


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        pytest.param(
            ConfigurationError([Problem("config.json", "aws.region", "is missing"), Problem("b", "c", "is wrong")]),
            2,
            "b: c: is wrong\nconfig.json: aws.region: is missing\n",
            id="configuration: every mistake",
        ),
        pytest.param(
            NoCredentialsError(),
            1,
            "hammer: no AWS credentials were found: set them in the environment, a profile or an instance role\n",
            id="no credentials",
        ),
        pytest.param(
            ClientError({"Error": {"Code": "RequestLimitExceeded", "Message": "slow"}}, "DescribeSecurityGroups"),
            1,
            "hammer: throttled: AWS still refused DescribeSecurityGroups after the retries (RequestLimitExceeded)\n",
            id="AWS",
        ),
        pytest.param(
            UnreadableExemptionError("exemption#sg-1#000001 cannot be read: 'at' is missing"),
            1,
            "hammer: exemption#sg-1#000001 cannot be read: 'at' is missing\n",
            id="an error of Hammer's own",
        ),
    ],
)
def test_a_failure_reaches_a_person_as_one_line_and_an_exit_code(
    error: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(raising(error))  # type: ignore[arg-type]
    assert ended.value.code == code
    assert capsys.readouterr() == ("", said)


def test_what_is_not_foreseen_travels_up() -> None:
    with pytest.raises(ZeroDivisionError):
        run(raising(ZeroDivisionError()))  # type: ignore[arg-type]


def test_a_program_that_ends_well_exits_with_0() -> None:
    with pytest.raises(SystemExit) as ended:
        run(lambda: None)
    assert ended.value.code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(
            ("issues", "--severity", "terrible"),
            "Error: Invalid value for '--severity': 'terrible' is not one of 'critical', 'high', 'medium', 'low'.\n",
            id="a value that is none of the choices",
        ),
        pytest.param(
            ("issues", "--port", "ssh"),
            "Error: Invalid value for '--port': 'ssh' is not a port: write 22, \"8000-8100\" or \"udp/161\"\n",
            id="a port that is none",
        ),
        pytest.param(
            ("remediate", "--batch", "--include-not-due"),
            "hammer: what is not due is for a person to decide: --include-not-due is not for --batch\n",
            id="options that do not go together",
        ),
    ],
)
def test_wrong_usage_is_told_in_plain_words(arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(application(arguments), arguments)
    assert result.exit_code == 2
    assert result.stderr.endswith(said)


def test_the_list_of_commands_is_not_cut() -> None:
    result = CliRunner().invoke(application([]), ["--help"], terminal_width=80)
    assert "..." not in result.stdout.partition("Commands:")[2]
    assert "Show the whole pipeline on an embedded AWS with real security groups." in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("selection", "takes"),
    [
        pytest.param(Selection(), True, id="nothing selected"),
        pytest.param(Selection.of(["1"], ["eu-west-1"], ["sg-1"]), True, id="all three"),
        pytest.param(Selection.of(["2"], None, None), False, id="another account"),
        pytest.param(Selection.of(["1"], ["us-east-1"], None), False, id="another region"),
        pytest.param(Selection.of(None, None, ["sg-2", "sg-3"]), False, id="other groups"),
        pytest.param(Selection.of(["2", "1"], None, ["sg-1", "sg-2"]), True, id="one of several"),
    ],
)
def test_selection(selection: Selection, *, takes: bool) -> None:
    assert selection.takes("1", "eu-west-1", "sg-1") is takes


def test_a_region_that_nobody_knows_may_be_the_one_a_group_that_there_is_not_is_none() -> None:
    assert Selection.of(None, ["eu-west-1"], None).takes("1", "", "sg-1")
    assert not Selection.of(None, None, ["sg-1"]).takes("1", "eu-west-1", "")


def modules_loaded_for(*arguments: str) -> set[str]:
    program = "import sys; from hammer.__main__ import application; application(sys.argv[1:]); print(*sys.modules)"
    command = [sys.executable, "-c", program, *arguments]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_a_named_command_is_the_only_one_that_is_imported() -> None:
    loaded = modules_loaded_for("scan", "--format", "json")
    assert "hammer.scan" in loaded
    assert not {"jira", "slack_sdk", "moto", "reporting.create_security_groups_tickets"} & loaded


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["scam"], []], ids=" ".join)
def test_without_a_name_no_command_is_imported_and_no_sdk(arguments: list[str]) -> None:
    loaded = modules_loaded_for(*arguments)
    assert not {"boto3", "botocore", "jinja2", "jira", "pydantic", "slack_sdk", "library.config"} & loaded
    assert not {name for name in loaded if name.startswith(("reporting.", "remediation.", "hammer.scan"))}


def test_the_list_of_commands_says_what_each_docstring_begins_with() -> None:
    from importlib import import_module

    from hammer.__main__ import _COMMANDS

    for command in application([]).registered_commands:
        assert command.callback is not None
        documented = (import_module(_COMMANDS[str(command.name)]).command.__doc__ or "").partition("\n\n")[0]
        assert command.callback.__doc__ == " ".join(documented.split())


def test_the_list_of_commands_is_in_groups() -> None:
    text = CliRunner().invoke(application([]), ["-h"]).stdout
    titles = [line.rstrip(":") for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Options", "Look", "Act", "Set up", "Operate"]


def test_help_of_one_command_by_the_word_help() -> None:
    done = subprocess.run([sys.executable, "-m", "hammer", "help", "scan"], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("Usage: ")
    assert "--fail-on" in done.stdout


def test_a_shell_completes_the_options_of_a_command() -> None:
    line = "hammer scan --fo"
    asked = {"_HAMMER_COMPLETE": "complete_bash", "_TYPER_COMPLETE_ARGS": line, "COMP_WORDS": line, "COMP_CWORD": "2"}
    command = [sys.executable, "-c", "import sys; sys.argv = ['hammer']; from hammer.__main__ import main; main()"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | asked)
    assert done.stdout.split() == ["--format"]


def test_ctrl_c_while_something_is_imported_is_told_in_one_line() -> None:
    program = (
        "import sys, hammer.application as a\ndef late(*_):\n    raise KeyboardInterrupt\na.start = late\n"
        "from hammer.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"hammer: interrupted\n")


def test_the_version_is_the_wheels(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from hammer import __version__
    from hammer.__main__ import main

    monkeypatch.setattr(sys, "argv", ["hammer", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr().out) == (0, f"hammer {__version__}\n")


def test_ctrl_c_before_a_command_begins_is_told_in_one_line() -> None:
    program = "from library.jobs.command_line import run\ndef late():\n    raise KeyboardInterrupt\nrun(late)"
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"hammer: interrupted\n")
