"""Follows deployment/README.md: runs the commands of its blocks of code, as they are written, one block after another.

A reader knows the text alone. What this does otherwise than the text says is in `NOT_RUN` and `ANSWERS`.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.deployment.deployed import ROOT, Deployed
from tests.deployment.terraform import TERRAFORM_PROGRAM

README = ROOT / "deployment" / "README.md"
NOT_RUN = {
    "make package": "the package for this machine's processor is built once for all tests",
    "aws ssm start-session --target <instance_id>": "no instance boots; test_host_bundle.py runs its user data",
    "sudo su -": "the host is a process of this machine, with the environment that the user data gives",
    "cd /hammer-correlation-engine": "as above: the sources are those of the repository",
    "terraform -chdir=deployment/terraform/accounts/sample providers lock -platform=linux_amd64 "
    "-platform=darwin_arm64": "asks the provider's registry",
}
"""Commands of the README that are not run, each with the reason."""
ANSWERS = {"TF_CLI_ARGS_apply": "-auto-approve", "TF_CLI_ARGS_destroy": "-auto-approve"}
"""Terraform as a library does not ask; what asks on the host is answered at a terminal."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code.

    Attributes:
        section: the heading that it is under.
        commands: its lines.
    """

    section: str
    commands: tuple[str, ...]

    @property
    def is_for_the_host(self) -> bool:
        """In the clone, Hammer's command is `.venv/bin/hammer`; on the host it is on the path."""
        return any(command.startswith("hammer ") for command in self.commands)


def blocks_of(text: str) -> list[Block]:
    """The blocks of code of a document, in order."""
    found = []
    for section in re.split(r"(?m)^## ", text)[1:]:
        heading = section.partition("\n")[0]
        for language, block in re.findall(r"(?ms)^ *```(\w*)\n(.*?)^ *```$", section):
            if language:  # a document to copy, not commands
                continue
            found.append(Block(heading, tuple(textwrap.dedent(block).strip().splitlines())))
    return found


class Reader:
    """Somebody with a clone, a shell on their machine, and one on the host.

    Args:
        clone: the folder of the clone.
        deployed: what there is in AWS.
        environment: of the shell: credentials of the main account among it.
    """

    def __init__(self, clone: Path, deployed: Deployed, environment: Mapping[str, str]) -> None:
        self._clone = clone
        self._deployed = deployed
        self._blocks: Iterator[Block] = iter(blocks_of(README.read_text("utf-8")))
        # Where the README's `.venv/bin/hammer` is.
        (clone / ".venv").symlink_to(sys.prefix)
        stand_ins = self._stand_ins(
            "laptop",
            terraform=f"{sys.executable} -c '{TERRAFORM_PROGRAM}'",
            aws=f"PYTHONPATH={ROOT} {sys.executable} -m tests.deployment.aws_command",
        )
        self._shell = {**environment, **ANSWERS, "PATH": f"{stand_ins}:/usr/bin:/bin"}
        self.values: dict[str, str] = {}

    def follow(self, section: str) -> str:
        """Run the next block, which must be in a section. Returns what it printed.

        Raises:
            AssertionError: the next block is elsewhere, has a value that nobody knows, or failed.
        """
        block = next(self._blocks)
        assert block.section == section
        commands = [self._filled(command) for command in block.commands if command not in NOT_RUN]
        return self._on_the_host(commands) if block.is_for_the_host else self._on_the_laptop(commands)

    def at_the_end(self) -> bool:
        """Whether every block was followed."""
        return next(self._blocks, None) is None

    def _filled(self, command: str) -> str:
        for name, value in self.values.items():
            command = command.replace(f"<{name}>", value)
        assert not re.search(r"<\w+>|…", command), f"the README does not say what stands for this: {command}"
        return command

    def _on_the_laptop(self, commands: list[str]) -> str:
        kept = self._clone / "environment"
        done = _bash([*commands, f"env -0 >'{kept}'"], self._clone, self._shell, subprocess.DEVNULL)
        lines = kept.read_bytes().decode().split("\0")
        self._shell = dict(line.split("=", 1) for line in lines if "=" in line)
        return done

    def _on_the_host(self, commands: list[str]) -> str:
        command, environment = self._deployed.host_command()
        stand_ins = self._stand_ins("host", hammer=" ".join([*command, "hammer"]), python3=sys.executable)
        # Remediation and restore ask, at a terminal only.
        ours, theirs = pty.openpty()
        try:
            os.write(ours, b"y\n")
            return _bash(commands, ROOT, {**environment, "PATH": f"{stand_ins}:/usr/bin:/bin"}, theirs)
        finally:
            os.close(ours)
            os.close(theirs)

    def _stand_ins(self, name: str, **commands: str) -> Path:
        folder = self._clone / "stand-ins" / name
        folder.mkdir(parents=True, exist_ok=True)
        for command, text in commands.items():
            (folder / command).write_text(f'#!/bin/bash\nexec env {text} "$@"\n', "utf-8")
            (folder / command).chmod(0o755)
        return folder


def _bash(commands: list[str], folder: Path, environment: Mapping[str, str], standard_input: int) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
        cwd=folder,
        env=environment,
        stdin=standard_input,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{commands}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout
