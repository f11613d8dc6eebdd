"""An AWS to try things on: moto's server in a process of its own, on a free port of the loopback interface.

`python -m hammer.embedded_aws` is that process: it prints its address and serves until its standard input closes,
or, with `--keep`, until it is ended.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import hammer._private_packages  # noqa: F401 - this is a process of its own: it makes `library` importable
from library.jobs.process import expect_many_objects

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
# Everything that could lead the SDK anywhere else, AWS itself above all.
_OTHER_WAYS = ("AWS_", "BOTO_", "HAMMER_PROFILE", *_PROXIES)


@dataclass(frozen=True, slots=True)
class EmbeddedAws:
    """A running server.

    Attributes:
        endpoint: its address.
        process_id: what to end when it is kept.
    """

    endpoint: str
    process_id: int

    def environment(self, region: str) -> dict[str, str]:
        """What the standard SDK environment must say to reach this server, and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "embedded",
            "AWS_SECRET_ACCESS_KEY": "embedded",
            "AWS_DEFAULT_REGION": region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@contextmanager
def embedded_aws(*, keep: bool) -> Iterator[EmbeddedAws]:
    """Start the server; end it afterwards unless it is to be kept.

    Raises:
        EOFError: it does not start.
    """
    process = subprocess.Popen(  # noqa: S603, RUF100 - this interpreter, this module
        [sys.executable, "-m", "hammer.embedded_aws", *(["--keep"] if keep else [])],
        stdin=subprocess.DEVNULL if keep else subprocess.PIPE,
        stdout=subprocess.PIPE,
        # A server that stays must not hold this process's pipes open: whoever reads them waits for their end.
        stderr=subprocess.DEVNULL if keep else None,
        env=without_other_ways(os.environ),
        # Ctrl-C is for this process alone: it ends the server by closing the server's standard input.
        start_new_session=True,
        text=True,
    )
    try:
        endpoint = process.stdout.readline().strip() if process.stdout else ""
        if not endpoint:
            raise EOFError(f"the embedded AWS did not start: it exited with {process.wait()}")
        yield EmbeddedAws(endpoint, process.pid)
    finally:
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
        if not keep:
            process.wait()


def without_other_ways(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without anything that tells the AWS SDK where to go and as whom."""
    return {name: value for name, value in environment.items() if not name.startswith(_OTHER_WAYS)}


def _use_interfaces_of_balancers() -> None:
    """Have interfaces with the description of a load balancer be in use, as AWS does: moto has them free."""
    from moto.ec2.models.elastic_network_interfaces import NetworkInterface, NetworkInterfaceBackend

    create = NetworkInterfaceBackend.create_network_interface

    @wraps(create)
    def create_in_use(*arguments: Any, **options: Any) -> NetworkInterface:
        made = create(*arguments, **options)
        if str(made.description).startswith("ELB "):
            made.status = "in-use"
        return made

    NetworkInterfaceBackend.create_network_interface = create_in_use  # type: ignore[method-assign]


def main() -> None:
    """Serve."""
    from moto.server import ThreadedMotoServer

    _use_interfaces_of_balancers()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    expect_many_objects()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        print(f"http://{host}:{port}", flush=True)
    except BrokenPipeError:
        os._exit(0)  # whoever started it has left
    if "--keep" in sys.argv[1:]:
        threading.Event().wait()
    sys.stdin.read()
    # Nobody asks it any more. To end every thread and free every object in order takes seconds.
    os._exit(0)


if __name__ == "__main__":
    main()
