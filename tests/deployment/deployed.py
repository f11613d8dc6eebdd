"""Drives what was deployed: runs functions from their deployed code, under their roles, and follows subscriptions."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3

from tests.deployment.emulator import CODE_PATH

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT, REGION = "123456789012", "eu-west-1"
SLAVES = ("210987654321", "321098765432")
BUCKET = "change-this-hammer-bucket"
# As the host's environment file has it.
HOST = {"HAMMER_CONFIG": f"s3://{BUCKET}/config", "HAMMER_LOG_GROUP": "/aws/ec2/hammer-reporting-remediation"}
_make_client: Any = boto3.client  # its types want the service's name as a literal
_SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")


@dataclass
class Deployed:
    """The deployment in an emulated AWS.

    Attributes:
        url: of the emulated AWS.
        folder: to unpack into.
    """

    url: str
    folder: Path
    _clients: dict[tuple[str, str, str], Any] = field(default_factory=dict)

    def client(self, service: str, account_id: str = ACCOUNT, region: str = REGION) -> Any:
        """A client with an administrator's credentials in an account."""
        key = (service, account_id, region)
        if key not in self._clients:
            self._clients[key] = _make_client(service, region_name=region, **self._keys(account_id))
        return self._clients[key]

    def role_keys(self, role_arn: str) -> dict[str, str]:
        """Credentials of a role, as the environment takes them."""
        if ("sts", "", "") not in self._clients:
            self._clients["sts", "", ""] = boto3.client("sts", endpoint_url=self.url)
        answer = self._clients["sts", "", ""].assume_role(RoleArn=role_arn, RoleSessionName="test")
        keys = answer["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        }

    def _keys(self, account_id: str) -> dict[str, Any]:
        keys = self.role_keys(f"arn:aws:iam::{account_id}:role/Administrator")
        return {"endpoint_url": self.url, **{name.lower(): value for name, value in keys.items()}}

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """Run a deployed function's code with its environment and its role's credentials. Returns its answer."""
        deployed = self.client("lambda").get_function(FunctionName=function)["Configuration"]
        folder = self._unpacked(function, deployed["CodeSha256"])
        given = {
            "path": [str(folder), str(self._sdk())],
            "handler": deployed["Handler"],
            "event": event,
        }
        named = {"AWS_REGION": REGION, "AWS_LAMBDA_FUNCTION_NAME": function}
        environment = self._environment(deployed["Role"], deployed["Environment"]["Variables"] | named)
        done = _run(self._command(deployed["Role"], given), folder, environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])["answer"]

    def host_command(self) -> tuple[list[str], dict[str, str]]:
        """What runs a module as the host does, from the sources and as its role, and the environment for that."""
        role = f"arn:aws:iam::{ACCOUNT}:role/hammer-cloudsec-master-ec2"
        packages = Path(boto3.__file__).parents[1]
        return self._command(role, {"path": [str(ROOT), str(packages)]}), self._environment(role, HOST)

    def run_job(
        self, module: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a job as the host does, with more in its environment."""
        command, hosts = self.host_command()
        return _run([*command, module, *arguments], ROOT, {**hosts, **(environment or {})})

    def _command(self, role: str, given: Mapping[str, Any]) -> list[str]:
        """What runs something as a role. A call that the deployed policies do not allow is refused."""
        enforced = {
            "role": role,
            "policies": {arn: self.policies_of(arn) for arn in self.roles()},
            "calls": str(self.folder / "calls.jsonl"),
        }
        file = self.folder / f"{uuid4()}.json"
        file.write_text(json.dumps({**given, **enforced}), "utf-8")
        return [sys.executable, "-I", "-S", str(Path(__file__).with_name("run_function.py")), str(file)]

    def _environment(self, role: str, more: Mapping[str, str]) -> dict[str, str]:
        return {
            **more,
            **self.role_keys(role),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": REGION,
            "PATH": os.environ["PATH"],
        }

    def roles(self) -> list[str]:
        """The ARNs of Hammer's roles in every account."""
        return [
            role["Arn"]
            for account in (ACCOUNT, *SLAVES)
            for role in self.client("iam", account).list_roles()["Roles"]
            if "hammer" in role["RoleName"]
        ]

    def work_off(self, queue: str) -> int:
        """Hand what waits in a queue to the function that takes it, in the mapping's batches, as Lambda does.

        Returns:
            How many messages there were. None of them may fail.
        """
        sqs, url = self.client("sqs"), self.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        (mapping,) = self.client("lambda").list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
        messages: list[Any] = []
        while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            messages += batch
        for start in range(0, len(messages), mapping["BatchSize"]):
            batch = messages[start : start + mapping["BatchSize"]]
            records = [
                {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": {"ApproximateReceiveCount": "1"},
                    "messageAttributes": {},
                    "eventSource": "aws:sqs",
                    "eventSourceARN": arn,
                    "awsRegion": REGION,
                }
                for message in batch
            ]
            answer = self.invoke(mapping["FunctionArn"].rpartition(":")[2], {"Records": records})
            assert answer == {"batchItemFailures": []}
            for message in batch:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(messages)

    def listen(self, topic_arn: str) -> str:
        """Subscribe a new queue to a topic. Returns the queue's URL."""
        sqs = self.client("sqs")
        queue = sqs.create_queue(QueueName=f"listener-{topic_arn.rpartition(':')[2]}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.client("sns").subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn)
        return str(queue)

    def delivered_to(self, queue: str) -> list[dict[str, Any]]:
        """The notifications that a listening queue has got, as SNS wrote them."""
        sqs = self.client("sqs")
        notifications: list[dict[str, Any]] = []
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                notifications.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return notifications

    def calls(self) -> list[dict[str, Any]]:
        """Every call that the functions have made: none before the first function ran."""
        file = self.folder / "calls.jsonl"
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []

    def policies_of(self, role_arn: str) -> list[dict[str, Any]]:
        """A role's inline policies, as they were deployed."""
        iam, role = self.client("iam", role_arn.split(":")[4]), role_arn.rpartition("/")[2]
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        return [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]

    def _unpacked(self, function: str, sha256: str) -> Path:
        folder = self.folder / function
        if not folder.exists():
            with urllib.request.urlopen(f"{self.url}{CODE_PATH}{ACCOUNT}/{REGION}/{function}") as answer:
                code = answer.read()
            assert base64.b64encode(hashlib.sha256(code).digest()).decode() == sha256
            zipfile.ZipFile(io.BytesIO(code)).extractall(folder)
        return folder

    def _sdk(self) -> Path:
        """A folder with boto3 and what it needs, as the Lambda runtime has it."""
        folder = self.folder / "sdk"
        if not folder.exists():
            folder.mkdir()
            for name in _SDK:
                spec = find_spec(name)
                assert spec
                assert spec.origin
                origin = Path(spec.origin)
                location = origin.parent if origin.name == "__init__.py" else origin
                (folder / location.name).symlink_to(location)
        return folder


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
