"""The wheel, installed into an environment of its own with what it declares, and the commands run there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import moto
import pytest

from deployment.build import build_wheel
from deployment.package import ROOT
from hammer.__main__ import _COMMANDS
from hammer.application import EXTRAS, NEEDED_BY
from tests.worlds.emulated_aws import emulated_aws

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@dataclass(frozen=True)
class Installed:
    """The environment, and a folder to run commands in that has nothing of the repository."""

    location: Path
    folder: Path
    endpoint: str
    wheel: Path

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command, with more in its environment."""
        return subprocess.run(
            [str(self.location / "bin" / command[0]), *command[1:]],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            env={
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_DEFAULT_REGION": "eu-west-1",
                "AWS_ENDPOINT_URL": self.endpoint,
                "HOME": str(self.folder),
                "PATH": "/usr/bin:/bin",
                **more,
            },
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    folder = tmp_path_factory.mktemp("install")
    location = folder / "venv"
    venv.create(location, with_pip=True)
    # The versions that everything else is tested with; what is installed is what the wheel declares.
    # A constraint names no extras.
    pinned = re.compile(r"^([\w.-]+)(?:\[[^\]]*\])?(==[^ \\;]+)", re.MULTILINE)
    pins = pinned.findall((ROOT / "requirements/dev.lock").read_text("utf-8"))
    (folder / "constraints.txt").write_text("\n".join(map("".join, pins)), "utf-8")
    wheel = build_wheel(folder / "wheel")
    pip = [str(location / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    done = subprocess.run(
        [*pip, "--constraint", str(folder / "constraints.txt"), str(wheel)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    work = folder / "work"
    work.mkdir()
    with emulated_aws() as aws:
        yield Installed(location, work, aws.endpoint, wheel)


def test_nothing_but_hammer_is_importable(installed: Installed) -> None:
    program = (
        "import importlib.util as u;"
        "print([n for n in ('hammer','library','identification','reporting','remediation','deployment','tests')"
        " if u.find_spec(n)])"
    )
    assert installed.run("python", "-c", program).stdout == "['hammer']\n"
    names = {path.name for path in next((installed.location / "lib").iterdir()).joinpath("site-packages").iterdir()}
    assert not names & {"library", "identification", "reporting", "remediation", "deployment"}


def test_the_license_is_named(installed: Installed) -> None:
    program = "from importlib.metadata import metadata; print(metadata('hammer-security-groups')['License-Expression'])"
    assert installed.run("python", "-c", program).stdout == "Apache-2.0\n"


def test_every_command_is_listed_with_what_it_needs(installed: Installed) -> None:
    done = installed.run("hammer", "--help")
    assert done.returncode == 0, done.stderr
    for name in ("scan", "check-config", "status", "report", "demo"):
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE)
    assert "(Not installed: it needs the extra 'host'" in " ".join(done.stdout.split())


def test_every_other_command_needs_no_extra(installed: Installed) -> None:
    modules = [module for command, module in _COMMANDS.items() if command not in NEEDED_BY]
    program = f"import hammer.application, importlib; [importlib.import_module(name) for name in {modules}]"
    done = installed.run("python", "-c", program)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", NEEDED_BY)
def test_a_command_whose_extra_is_missing_says_so_in_one_line(installed: Installed, command: str) -> None:
    extra = NEEDED_BY[command]
    done = installed.run("hammer", command, "--some-option")
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"hammer {command} needs the extra '{extra}', which is not installed: {installed.location}/bin/python -m pip "
        f"install 'hammer-security-groups[{extra}] @ {installed.wheel.as_uri()}'\n",
    )


@pytest.mark.parametrize("prefix", [("hammer",), ("python", "-m", "hammer")], ids=" ".join)
def test_scan_looks_at_the_callers_own_account(installed: Installed, prefix: tuple[str, ...]) -> None:
    ec2 = boto3.client("ec2", endpoint_url=installed.endpoint, region_name="eu-west-1")
    group = ec2.create_security_group(GroupName=f"open-{len(prefix)}", Description="for a test")["GroupId"]
    rule: Any = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    done = installed.run(*prefix, "scan", "--region", "eu-west-1", "--format", "json")
    assert done.returncode == 3, done.stderr
    assert group in {issue["group_id"] for issue in json.loads(done.stdout)["issues"]}


def test_check_config_lists_the_mistakes(installed: Installed) -> None:
    folder = installed.folder / "configuration"
    folder.mkdir()
    (folder / "config.json").write_text('{"aws": {"regio": "eu-west-1"}}', "utf-8")
    done = installed.run("hammer", "check-config", "--config", str(folder))
    assert done.returncode == 2
    assert "aws.regio" in done.stderr + done.stdout


README_COMMANDS = [
    line.split()
    for line in re.search(r"## Install it\n.*?```\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[
        1
    ].splitlines()  # type: ignore[index]
]


@pytest.mark.parametrize("command", README_COMMANDS, ids=" ".join)
def test_the_commands_of_the_readme_work_as_written(installed: Installed, command: list[str]) -> None:
    shutil.copytree(ROOT / "config", installed.folder / "config", dirs_exist_ok=True)
    done = installed.run(*command)
    # 3: a scan found issues.
    assert done.returncode in ((0, 3) if "scan" in command else (0,)), done.stderr
    assert "Traceback" not in done.stderr


def test_the_commands_of_a_deployment_work_without_an_extra(installed: Installed) -> None:
    shutil.copytree(ROOT / "config", installed.folder / "config", dirs_exist_ok=True)
    sts = boto3.client("sts", endpoint_url=installed.endpoint, region_name="eu-west-1")
    keys = sts.assume_role(RoleArn="arn:aws:iam::210987654321:role/any", RoleSessionName="test")["Credentials"]
    ec2 = boto3.client(
        "ec2",
        endpoint_url=installed.endpoint,
        region_name="eu-west-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    group = ec2.create_security_group(GroupName="explained", Description="for a test")["GroupId"]
    explain = ["explain", "--account", "210987654321", "--region", "eu-west-1", "--group", group]
    assert not {"bootstrap", "identify", "issues", "status", "explain"} & NEEDED_BY.keys()
    for command in (["bootstrap"], ["issues"], ["status"], explain):
        done = installed.run("hammer", *command)
        assert done.returncode == 0, done.stderr


def test_the_embedded_aws_of_the_demo_is_a_process_of_the_installation(installed: Installed) -> None:
    """It serves until its standard input ends, which is at once. moto is that of the tests."""
    done = installed.run("python", "-m", "hammer.embedded_aws", PYTHONPATH=str(Path(moto.__file__).parents[1]))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "complete -o default -F _hammer_completion hammer"),
        ("fish", "complete --command hammer "),
        ("zsh", "#compdef hammer"),
    ],
)
def test_the_shell_completes(installed: Installed, shell: str, line: str) -> None:
    """As Homebrew asks (`shell_parameter_format: :typer`). Otherwise it is the shell that runs it which counts."""
    detects_none = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = installed.run("hammer", "--show-completion", shell, **detects_none)
    assert done.returncode == 0, done.stderr
    assert line in done.stdout


def test_extras_bring_what_the_commands_are_told_to_look_for() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    declared = {
        name: {re.split(r"[\[>=]", each)[0].replace("-", "_") for each in extras[name]} - {"hammer_security_groups"}
        for name in EXTRAS
    }
    assert set(EXTRAS["source"]) == declared["source"]
    assert set(EXTRAS["host"]) == declared["source"] | declared["host"]
    # `moto[server]` brings flask.
    assert set(EXTRAS["demo"]) == set(EXTRAS["host"]) | declared["demo"] | {"flask"}


def test_a_lambda_installs_a_part_of_the_base_with_the_same_bounds() -> None:
    functions = set(PROJECT["dependency-groups"]["lambda"])
    base = set(PROJECT["project"]["dependencies"])
    assert functions < base
    left_out = {re.split(r"[\[>=]", requirement)[0] for requirement in base - functions}
    assert left_out == {"boto3", "jinja2", "rich", "typer"}
