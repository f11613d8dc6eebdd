"""The person that runs a job, as tickets name them."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import pytest
from botocore.exceptions import NoCredentialsError

from library.jobs.run import run_by

ARN = "arn:aws:sts::123456789012:assumed-role/Security/ana@example.com"

PEOPLE: dict[str, tuple[Mapping[str, str], str, str]] = {
    # name: (environment, login name, who it is)
    "sudo tells who it was": ({"SUDO_USER": "ana"}, "root", "ana"),
    "a login of one's own": ({}, "bo", "bo"),
    "root, through sudo of root": ({"SUDO_USER": "root"}, "root", ARN),
    "root": ({}, "root", ARN),
    "the machine's account that everybody uses": ({}, "ec2-user", ARN),
    "the schedule's account": ({}, "hammer", ARN),
    "sudo from an account that everybody uses": ({"SUDO_USER": "ssm-user"}, "root", ARN),
    "no account": ({}, "", ARN),
}


@pytest.mark.parametrize(("environment", "login", "who"), PEOPLE.values(), ids=PEOPLE)
def test_a_person_or_else_whose_credentials_they_are(environment: Mapping[str, str], login: str, who: str) -> None:
    assert run_by(environment, login, lambda: ARN) == who


def test_aws_is_asked_only_where_no_person_is_known() -> None:
    def caller() -> str:
        raise AssertionError

    assert run_by({}, "bo", caller) == "bo"


@pytest.mark.parametrize(("login", "who"), [("root", "root"), ("", "somebody")])
def test_the_account_and_the_machine_where_aws_does_not_tell(login: str, who: str) -> None:
    def caller() -> str:
        raise NoCredentialsError

    assert run_by({}, login, caller) == f"{who}@{socket.gethostname()}"
