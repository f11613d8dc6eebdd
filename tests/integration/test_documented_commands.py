"""Every command of Hammer that a document shows is run as it is written, in this process, against the emulated AWS.

`deployment/README.md` is not among the documents: tests/deployment/test_apply.py follows it as a whole.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
NAMED_IN_PASSING = {
    "decide": f"decide not-mine {_GROUP} --owner jane@example.com",
    "explain": f"explain {_GROUP}",
    "inspector": "inspector --replay FILE",
    "restore": f"restore {_GROUP}",
    "restore --release": f"restore --release {_GROUP}",
}
"""Commands that text names without what they ask for, and what is run for them."""
NOT_RUN = {
    "demo": "tests/integration/documents runs it, and compares what it prints with README.md",
    "explain --ask-aws": "the emulated AWS has no Reachability Analyzer; tests/integration/reachability has a stand-in",
    'exemptions --end 210987654321/sg-7c228307/1 --reason "not needed any more"': (
        "tests/integration/hammer/test_decide.py ends one"
    ),
    "listen": "runs until it is stopped; tests/integration/reporting/test_listen.py runs it",
    "immediate": "waits for the host's queue; tests/integration/hammer/test_immediate.py runs it",
    "--install-completion": "writes to the startup file of the user's shell",
    "report needs the extra 'host', which is not installed": "is the beginning of a message",
}
"""Each with its reason."""
# What each of these needs, those before have made.
ORDER = ("bootstrap", "identify", "report", "publish", "remediate", "restore --account", "restore --release", "decide")
ISSUES_FOUND = 3


def documented() -> list[str]:
    """The commands, in an order in which each has something to do."""
    documents = [path for path in DOCUMENTS if path != ROOT / "deployment" / "README.md"]
    commands = {command for path in documents for command in commands_in(path)} - NOT_RUN.keys()
    written = {NAMED_IN_PASSING.get(command, command) for command in commands}

    def place(command: str) -> tuple[int, str]:
        return max([0, *(1 + ORDER.index(name) for name in ORDER if command.startswith(name))]), command

    first = sorted((command for command in written if command.startswith(("boot", "ident"))), key=place)
    return first + sorted(written - set(first), key=place)


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An open group, a folder with what documents speak of, and a person at a terminal."""
    for name in ("config", "my-config"):
        shutil.copytree(ROOT / "config", tmp_path / name)
        (tmp_path / name / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    (tmp_path / "event.json").write_text(json.dumps(v2_event()), "utf-8")
    monkeypatch.chdir(tmp_path)
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


def test_every_command_works_as_it_is_written(group: str, subtests: pytest.Subtests) -> None:
    for command in documented():
        text = re.sub(r"--group (\$GROUP|ID|<sg-…>|sg-\w+)", f"--group {group}", command)
        for written, meant in STANDS_FOR.items():
            text = text.replace(written, meant)
        arguments = shlex.split(text)
        with subtests.test(command):
            done = CliRunner().invoke(application(arguments), arguments, input="y\n")
            assert done.exit_code in ((0, ISSUES_FOUND) if arguments[0] == "scan" else (0,)), done.output
            assert "Traceback" not in done.output
    assert {"issues.jsonl", "report.html"} <= {path.name for path in Path.cwd().iterdir()}


def test_each_reason_is_for_a_command_that_a_document_has() -> None:
    commands = {command for path in DOCUMENTS for command in commands_in(path)}
    assert sorted((NOT_RUN.keys() | NAMED_IN_PASSING.keys()) - commands) == []
