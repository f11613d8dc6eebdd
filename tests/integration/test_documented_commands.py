"""Every command of Hammer that a document shows is run as it is written, in this process, against the emulated AWS.

`deployment/README.md` is not among the documents: tests/deployment/test_apply.py follows it as a whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.loaders import Loader
from moto import mock_aws
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from typer.testing import CliRunner

from hammer.__main__ import application
from tests.builders.inspector_samples import v2_event
from tests.unit.test_documented_commands import DOCUMENTS, ROOT, commands_in

ACCOUNT, SHOP, REGION = "123456789012", "210987654321", "eu-west-1"
CONFIG = {
    "aws": {
        "main_account_id": ACCOUNT,
        "region": REGION,
        "accounts": {ACCOUNT: "master", SHOP: "shop"},
        "regions": [REGION],
        "s3_backup_bucket": "hammer-backups",
    },
    "secgrp_unrestricted_access": {
        "ddb.table_name": "issues",
        "reporting": True,
        "remediation": True,
        "remediation_retention_period": 0,
    },
}
# What a document writes where the reader writes something else.
STANDS_FOR = {"<folder>": "config", "<id>": SHOP, "FILE": "event.json", "…": "config"}
_GROUP = "--account 210987654321 --region eu-west-1 --group $GROUP"
_SOURCE = f"source {_GROUP} --terraform ../infrastructure"
NAMED_IN_PASSING = {
    "decide": f"decide not-mine {_GROUP} --owner jane@example.com",
    "explain": f"explain {_GROUP}",
    "inspector": "inspector --replay FILE",
    "issues --account": f"issues --account {SHOP}",
    "remediate --keep 198.51.100.7/32,… --group sg-…": "remediate --keep 198.51.100.7/32 --group $GROUP",
    "restore": f"restore {_GROUP}",
    "restore --release": f"restore --release {_GROUP}",
    "scan --plan": "scan --plan plan.json",
    "scan --plan FILE": "scan --plan plan.json",
    "scan --template FILE": "scan --template network.yaml",
    "source": _SOURCE,
    "source --group sg-0123456789abcdef0 --format diff": f"{_SOURCE} --format diff",
    "source … --format diff": f"{_SOURCE} --format diff",
}
"""Commands that text names without what they ask for, and what is run for them."""
_NO_BACKUP = "security_groups/<account>/<region>/<group>_20200101T000000Z.json"
REFUSED = {
    f"restore --account <account> --region <region> --group <group> --backup {_NO_BACKUP}": (
        r"is not a backup of this group|there is no backup"
    ),
}
"""Commands of which a document says that they fail, and how."""
NOT_RUN = {
    "demo": "tests/integration/documents runs it, and compares what it prints with README.md",
    "explain --ask-aws": "the emulated AWS has no Reachability Analyzer; tests/integration/reachability has a stand-in",
    'exemptions --end 210987654321/sg-7c228307/1 --reason "not needed any more"': (
        "tests/integration/hammer/test_decide.py ends one"
    ),
    "decide close-now": "docs/decisions-by-people.md has it whole",
    "exemptions --end": "docs/decisions-by-people.md has it whole",
    "listen": "runs until it is stopped; tests/integration/reporting/test_listen.py runs it",
    "immediate": "waits for the host's queue; tests/integration/hammer/test_immediate.py runs it",
    "--install-completion": "writes to the startup file of the user's shell",
    "report needs the extra 'host', which is not installed": "is the beginning of a message",
}
"""Each with its reason."""
# What each of these needs, those before have made.
ORDER = (
    "bootstrap",
    "identify",
    "report",
    "publish",
    "remediate",
    "restore --group",
    "restore --account",
    "restore --release",
    "remediate --keep",
    "decide",
)
ISSUES_FOUND = 3
_SSH = {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_blocks": ["0.0.0.0/0"]}
_PLANNED = {"address": "aws_security_group.open", "mode": "managed", "type": "aws_security_group"}
PLAN = {
    "format_version": "1.2",
    "planned_values": {"root_module": {"resources": [{**_PLANNED, "values": {"name": "open", "ingress": [_SSH]}}]}},
    "resource_changes": [{**_PLANNED, "change": {"actions": ["create"], "after_unknown": {}}}],
    "configuration": {"root_module": {}},
}
TEMPLATE = """\
Parameters:
  SshFrom: {Type: String, Default: 10.0.0.0/8}
Resources:
  Open:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: for a test
      SecurityGroupIngress:
        - {IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: !Ref SshFrom}
"""
TERRAFORM = """\
resource "aws_security_group" "open" {
  name        = "open"
  description = "for a test"
  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
"""


def documented() -> list[str]:
    """The commands, in an order in which each has something to do."""
    documents = [path for path in DOCUMENTS if path != ROOT / "deployment" / "README.md"]
    commands = {command for path in documents for command in commands_in(path)} - NOT_RUN.keys()
    written = {NAMED_IN_PASSING.get(command, command) for command in commands}

    def location(command: str) -> tuple[int, str]:
        return max([0, *(1 + ORDER.index(name) for name in ORDER if command.startswith(name))]), command

    first = sorted((command for command in written if command.startswith(("boot", "ident"))), key=location)
    return first + sorted(written - set(first), key=location)


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An open group, a folder with what documents speak of, and a person at a terminal."""
    # The documents speak of folders in this one, and beside it.
    here = tmp_path / "here"
    for name in ("config", "my-config"):
        shutil.copytree(ROOT / "config", here / name)
        (here / name / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    (here / "event.json").write_text(json.dumps(v2_event()), "utf-8")
    (here / "network.yaml").write_text(TEMPLATE, "utf-8")
    for folder in (here / "infrastructure", tmp_path / "infrastructure"):
        folder.mkdir()
        (folder / "main.tf").write_text(TERRAFORM, "utf-8")
    for file in (here / "plan.json", here / "infrastructure" / "plan.json"):
        file.write_text(json.dumps(PLAN), "utf-8")
    # `hammer init` is for a folder without a configuration.
    (here / "new").mkdir()
    profile = "[profile security]\naws_access_key_id = testing\naws_secret_access_key = testing\n"
    (tmp_path / "aws-config").write_text(f"{profile}region = {REGION}\n", "utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.chdir(here)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for module in ("remediation.clean_security_groups", "remediation.restore_security_groups"):
        monkeypatch.setattr(f"{module}.has_terminal", lambda: True)
    loader = Loader()
    monkeypatch.setattr("botocore.session.create_loader", lambda _paths: loader)
    with mock_aws():
        # Two regions are enabled: a scan without a configuration looks at each.
        enabled = [region for region in RegionsAndZonesBackend.regions if region.name in (REGION, "us-east-1")]
        monkeypatch.setattr(RegionsAndZonesBackend, "regions", enabled)
        answer = boto3.client("sts").assume_role(RoleArn=f"arn:aws:iam::{SHOP}:role/any", RoleSessionName="test")
        keys = answer["Credentials"]
        ec2 = boto3.client(
            "ec2",
            region_name=REGION,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )
        made: str = ec2.create_security_group(GroupName="open", Description="for a test")["GroupId"]
        rule: Any = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[rule])
        yield made


def meant_by(command: str, group: str) -> list[str]:
    """The arguments that a reader would give."""
    if command in REFUSED:
        for placeholder, meant in (("<account>", SHOP), ("<region>", REGION), ("<group>", group)):
            command = command.replace(placeholder, meant)
    text = re.sub(r"--group (\$GROUP|ID|<sg-…>|sg-\w+)", f"--group {group}", command)
    for written, meant in STANDS_FOR.items():
        text = text.replace(written, meant)
    return shlex.split(text)


def test_every_command_works_as_it_is_written(group: str, subtests: pytest.Subtests) -> None:
    for command in documented():
        arguments = meant_by(command, group)
        # Options of the program, such as --profile, change the environment of the process.
        location = contextlib.chdir("new" if arguments[0] == "init" else ".")
        with subtests.test(command), location, patch.dict(os.environ):
            done = CliRunner().invoke(application(arguments), arguments, input="y\n")
            assert "Traceback" not in done.output
            if expected := REFUSED.get(command):
                assert re.search(expected, done.output), done.output
                assert done.exit_code in (1, 2), done.output
            else:
                assert done.exit_code in ((0, ISSUES_FOUND) if "scan" in arguments else (0,)), done.output
    made = {str(path.relative_to(Path.cwd())) for path in Path.cwd().rglob("*")}
    assert {
        "comment.md",
        "hammer.sarif",
        "issues.jsonl",
        "new/config/config.yaml",
        "new/my-config/config.yaml",
        "report.html",
    } <= made


def test_each_reason_is_for_a_command_that_a_document_has() -> None:
    commands = {command for path in DOCUMENTS for command in commands_in(path)}
    assert sorted((NOT_RUN.keys() | NAMED_IN_PASSING.keys() | REFUSED.keys()) - commands) == []
