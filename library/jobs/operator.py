"""Who runs a job, for people who read of it later: a person, not a process.

The name is shown in tickets, in Slack and by `hammer status`. The lock names the process, see `library.aws.lock`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from library.aws.failures import AWS_ERRORS

# Accounts of a machine that many people and schedules use: systemd's, and those of AWS's and others' images.
_SHARED = frozenset({"root", "hammer", "ec2-user", "ssm-user", "ubuntu", "admin", "debian", "centos", "nobody"})


def operator(environment: Mapping[str, str], login: str, caller: Callable[[], str]) -> str:
    """The person, or else the AWS identity, that runs this process.

    Args:
        environment: tells in `SUDO_USER` who used sudo.
        login: the name of the machine's account that this process runs as; empty: unknown.
        caller: asks AWS whose credentials these are (STS, GetCallerIdentity); gives an ARN. Asked only where the names
            are unknown, or those of an account that several people use.
    """
    for name in (environment.get("SUDO_USER", ""), login):
        if name and name not in _SHARED:
            return name
    try:
        return caller()
    except AWS_ERRORS:
        return f"{login or 'somebody'}@{socket.gethostname()}"
