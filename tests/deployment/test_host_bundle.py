"""The host's bundle, and the user data that makes a host of it: run here, with stand-ins for what needs root or AWS."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from deployment.build import HOST_TARGETS, build_host
from deployment.package import ROOT, TARGETS
from tests.deployment.emulator import emulated_aws

ACCOUNT = "123456789012"
CONFIG = {
    "aws": {
        "main_account_id": ACCOUNT,
        "region": "eu-west-1",
        "regions": ["eu-west-1"],
        "accounts": {ACCOUNT: "main"},
        "s3_backup_bucket": "backups-of-a-test",
    },
    "cronjobs": {"reporting": "0 * * * *", "remediation": "0 5 * * *", "publishing": "0 6 * * *", "usage": "5 * * * *"},
    "secgrp_unrestricted_access": {
        "ddb.table_name": "issues",
        "reporting": True,
        "remediation": True,
        "remediation_immediate": {"*": ["critical"]},
    },
    "usage": {"enabled": True},
}
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "eu-west-1"}
# Services whose actions begin with another name than the SDK has for them.
SDK_NAMES = {"elasticloadbalancing": "elbv2", "servicequotas": "service-quotas"}
USER_DATA = ROOT / "deployment/terraform/modules/master/user_data.sh.tftpl"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that runs on this machine."""
    return build_host(tmp_path_factory.mktemp("bundle"), "arm64", TARGETS["here"])


def test_a_bundle_is_for_the_hosts_platform(tmp_path: Path) -> None:
    built = build_host(tmp_path, "arm64")
    assert built.name == "hammer-host-arm64.zip"
    names = zipfile.ZipFile(built).namelist()
    compiled = [name for name in names if name.endswith(".so")]
    assert compiled
    assert [name for name in compiled if not re.search(r"(cpython-311|abi3).*\.so$", name)] == []
    assert {"sources/remediation/clean_security_groups.py", "sources/deployment/systemd_timers.py"} <= set(names)
    tops = {"/".join(name.split("/")[:2]) for name in names}
    assert {"packages/jira", "packages/boto3", "packages/watchtower"} <= tops
    assert not {name for name in tops if name.startswith(("packages/moto", "packages/pip", "sources/tests"))}


def test_there_is_a_target_for_each_architecture() -> None:
    assert sorted(HOST_TARGETS) == ["arm64", "x86_64"]


@dataclass(frozen=True)
class Host:
    """A folder that stands for the root of the host, and what runs there."""

    root: Path
    environment: dict[str, str]

    def run(self, *command: str, folder: str = "/") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.root / command[0].lstrip("/")), *command[1:]],
            cwd=self.root / folder.lstrip("/"),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def text(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text("utf-8").replace(str(self.root), "")


@pytest.fixture(scope="module")
def host(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """What the user data makes of an instance."""
    root = tmp_path_factory.mktemp("host")
    for folder in ("opt", "etc/dnf", "etc/profile.d", "etc/systemd/system", "stand-ins"):
        (root / folder).mkdir(parents=True)
    stand_ins = {
        # The first answer is lost.
        "aws": f'echo aws "$@" >>"{root}/commands"; test -e {root}/asked || {{ touch {root}/asked; exit 1; }}; '
        f'cp "{bundle}" "${{@: -1}}"',
        "sleep": f'echo sleep "$@" >>"{root}/commands"',
        "dnf": f'echo dnf "$@" >>"{root}/commands"; ln -s "{sys.executable}" "{root}/stand-ins/python3.11"',
        "systemctl": f'echo systemctl "$@" >>"{root}/commands"',
        "useradd": f'echo useradd "$@" >>"{root}/commands"',
    }
    for name, text in stand_ins.items():
        (root / "stand-ins" / name).write_text(f"#!/bin/bash\n{text}\n", "utf-8")
        (root / "stand-ins" / name).chmod(0o755)
    text = USER_DATA.read_text("utf-8")
    for name, value in {
        "bucket": "a-bucket",
        "bundle": "host/abc/hammer-host-arm64.zip",
        "bundle_sha256": hashlib.sha256(bundle.read_bytes()).hexdigest(),
        "environment": "AWS_USE_FIPS_ENDPOINT=true",
        "https_proxy": "http://proxy.example.com:3128",
        "no_proxy": "169.254.169.254",
        "log_group": "/aws/ec2/hammer-reporting-remediation",
        "queue": "https://sqs.eu-west-1.amazonaws.com/123456789012/hammer-immediate-remediation",
        "region": "eu-west-1",
    }.items():
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text
    for folder in ("/opt/hammer", "/hammer-correlation-engine", "/etc/"):
        text = text.replace(folder, f"{root}{folder}")
    environment = {"PATH": f"{root}/stand-ins:/usr/bin:/bin", "HOME": str(root)}
    script = root / "user_data.sh"
    script.write_text(text.replace("command -v python3.11", f"test -e {root}/stand-ins/python3.11"), "utf-8")
    done = subprocess.run(["bash", str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Host(root, environment)


JOBS = ("reporting.create_security_groups_tickets", "remediation.clean_security_groups", "deployment.systemd_timers")


@pytest.mark.parametrize("module", JOBS)
def test_the_jobs_are_modules_in_the_folder_of_the_sources(host: Host, module: str) -> None:
    done = host.run("/opt/hammer/venv/bin/python", "-m", module, "--help", folder="/hammer-correlation-engine")
    assert done.returncode == 0, done.stderr
    assert "--config" in done.stdout


def test_packages_come_from_the_bundle_alone(host: Host) -> None:
    program = "import boto3, jira, reporting; print(boto3.__file__, jira.__file__, reporting.__file__, sep='\\n')"
    done = host.run("/opt/hammer/venv/bin/python", "-c", program)
    assert done.stdout.replace(str(host.root), "").splitlines() == [
        "/opt/hammer/packages/boto3/__init__.py",
        "/opt/hammer/packages/jira/__init__.py",
        "/hammer-correlation-engine/reporting/__init__.py",
    ]


def test_the_command_is_there_too(host: Host) -> None:
    done = host.run("/opt/hammer/venv/bin/hammer", "remediate", "--help")
    assert done.returncode == 0, done.stderr
    assert "--batch" in done.stdout


def test_timers_come_from_the_configuration(host: Host) -> None:
    assert host.text("/opt/hammer/environment") == (
        "AWS_DEFAULT_REGION=eu-west-1\nHAMMER_CONFIG=s3://a-bucket/config\n"
        "HAMMER_LOG_GROUP=/aws/ec2/hammer-reporting-remediation\n"
        "HAMMER_IMMEDIATE_QUEUE=https://sqs.eu-west-1.amazonaws.com/123456789012/hammer-immediate-remediation\n"
        "HTTPS_PROXY=http://proxy.example.com:3128\nNO_PROXY=169.254.169.254\n"
        "AWS_USE_FIPS_ENDPOINT=true\n"
    )
    assert (
        "ExecStart=/opt/hammer/venv/bin/python -m deployment.systemd_timers --folder /etc/systemd/system --start"
        in host.text("/etc/systemd/system/hammer-timers.service")
    )


def test_no_package_index_is_asked(host: Host) -> None:
    commands = host.text("/commands").splitlines()
    copy = "aws s3 cp --only-show-errors s3://a-bucket/host/abc/hammer-host-arm64.zip /opt/hammer/bundle.zip"
    assert commands == [
        "systemctl daemon-reload",
        "systemctl restart amazon-ssm-agent",
        "dnf install --assumeyes python3.11",
        *(copy, "sleep 15", copy),
        "useradd --system --no-create-home --home-dir /opt/hammer --shell /sbin/nologin hammer",
        "systemctl daemon-reload",
        "systemctl enable --now hammer-timers.timer",
        "systemctl start hammer-timers.service",
    ]
    assert "pip" not in os.listdir(host.root / "opt/hammer/venv/bin")  # noqa: PTH208


def test_the_agent_that_lets_people_in_has_the_proxy_and_so_has_dnf(host: Host) -> None:
    proxy = "http://proxy.example.com:3128"
    assert host.text("/etc/systemd/system/amazon-ssm-agent.service.d/override.conf") == (
        f'[Service]\nEnvironment="http_proxy={proxy}"\nEnvironment="https_proxy={proxy}"\n'
        'Environment="no_proxy=169.254.169.254"\n'
    )
    assert host.text("/etc/dnf/dnf.conf") == f"proxy={proxy}\n"


def test_the_host_shows_each_hour_that_it_lives(host: Host) -> None:
    service = host.text("/etc/systemd/system/hammer-timers.service")
    assert "ExecStopPost=/opt/hammer/venv/bin/python -m deployment.run_ended timers\n" in service


def test_a_login_shell_has_the_environment_of_the_jobs(host: Host) -> None:
    profile = host.root / "etc/profile.d/hammer.sh"
    notified = f'. {profile}; echo "$HAMMER_CONFIG $AWS_USE_FIPS_ENDPOINT"'
    done = subprocess.run(["bash", "-c", notified], env=host.environment, capture_output=True, text=True, check=False)
    assert done.stdout == "s3://a-bucket/config true\n", done.stderr


JOB_UNITS = ("reporting", "remediation", "publishing", "usage", "immediate")


def test_the_units_run_as_they_are_written(host: Host) -> None:
    """Each line that systemd would run, in the environment of the units, with the configuration in the bucket.

    No endpoint of AWS is known, and no client is made, without the SDK's data.
    """
    lines = host.text("/opt/hammer/environment").splitlines()
    given = {name: value for name, _, value in (line.partition("=") for line in lines) if "PROXY" not in name}
    folder, home = f"{host.root}/etc/systemd/system", f"{host.root}/opt/hammer"
    with emulated_aws() as url:
        at_the_emulator = replace(host, environment={**given, **CREDENTIALS, "AWS_ENDPOINT_URL": url})
        client: Any = partial(boto3.client, endpoint_url=url, region_name="eu-west-1")
        queue = client("sqs").create_queue(QueueName="hammer-immediate-remediation")["QueueUrl"]
        request = json.dumps({"account_id": ACCOUNT, "region": "eu-west-1", "group_id": "sg-0123456789abcdef0"})
        client("sqs").send_message(QueueUrl=queue, MessageBody=request)
        at_the_emulator.environment["HAMMER_IMMEDIATE_QUEUE"] = queue
        at_the_emulator.environment["AWS_USE_FIPS_ENDPOINT"] = "false"
        client("logs").create_log_group(logGroupName=given["HAMMER_LOG_GROUP"])
        client("s3").create_bucket(Bucket="a-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        client("s3").put_object(Bucket="a-bucket", Key="config/config.json", Body=json.dumps(CONFIG))
        timers = ("-m", "deployment.systemd_timers", "--folder", folder, "--home", home)
        assert at_the_emulator.run("/opt/hammer/venv/bin/hammer", "bootstrap").stderr == ""
        assert at_the_emulator.run("/opt/hammer/venv/bin/python", *timers).stderr == ""
        ran = {}
        for job in JOB_UNITS:
            unit = host.text(f"/etc/systemd/system/hammer-{job}.service")
            for name in ("ExecStart", "ExecStopPost"):
                (line,) = re.findall(rf"(?m)^{name}=(.*)$", unit)
                ran[name, job] = at_the_emulator.run(*line.split(), folder="/opt/hammer")
        for command in ("status", f"scan --account {ACCOUNT}"):
            ran["", command] = at_the_emulator.run("/opt/hammer/venv/bin/hammer", *command.split())
        logged = client("logs").get_log_events(logGroupName=given["HAMMER_LOG_GROUP"], logStreamName="runs")["events"]
    assert {what: (done.returncode, done.stderr) for what, done in ran.items()} == dict.fromkeys(ran, (0, ""))
    assert [json.loads(event["message"])["run_ended"] for event in logged] == list(JOB_UNITS)


def test_the_bundle_has_what_the_sdk_knows_of_each_service_that_the_host_may_call(bundle: Path) -> None:
    names = zipfile.ZipFile(bundle).namelist()
    found = {name.split("/")[3] for name in names if name.startswith("packages/botocore/data/") and "/20" in name}
    policies = [path.read_text("utf-8") for path in (ROOT / "deployment/policies").glob("*.json")]
    prefixes = {prefix for policy in policies for prefix in re.findall(r'"([a-z0-9-]+):[A-Z][A-Za-z*]+"', policy)}
    assert "packages/botocore/data/endpoints.json" in {name.removesuffix(".gz") for name in names}
    # The last two are no services: a condition's key, and how the agent of Session Manager speaks.
    assert {SDK_NAMES.get(prefix, prefix) for prefix in prefixes} - {"aws", "ssmmessages"} <= found
