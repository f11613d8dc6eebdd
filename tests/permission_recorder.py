"""Holds the whole run of the tests against the deployed policies, as a plugin of pytest.

Every call of AWS that Hammer's own code makes in any test is recorded with the role that it would be made under: that
of the function or job that it is made by, and whether it goes to the main account or a slave. When the run ends, each
must be allowed by that role's policies in `deployment/policies`, the documents that Terraform deploys; and, where the
whole suite was run, each action that a policy allows must have been used by somebody who has it.

The function is told by the module that the call is made from: `initiation` and `filter` have roles of their own, and
the other two functions (`identification`) have one. The job is told by its package, `reporting` or `remediation`, or is
one of `hammer`'s commands that run on the host.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session

from library.aws.session import Sessions
from tests.deployment.iam import IMPLIED, Call, actions_of, calls_of, is_allowed

ROOT = Path(__file__).resolve().parents[1]
POLICIES = ROOT / "deployment" / "policies"
_JOBS = ("reporting", "remediation")
_ON_HOST = "host"
# Commands that run on the host beside the jobs, and what they share.
_HOST_COMMANDS = (
    "identification.read_security_group_usage",
    "hammer.check_config",
    "hammer.decide",
    "hammer.exemptions",
    "hammer.immediate",
    "hammer.issues",
    "hammer.publish",
    "hammer.status",
    "hammer.table_listing",
)
_FUNCTIONS = ("initiation", "filter", "identification")
# The modules of the functions that have a role of their own. Those of the other two are all the rest.
_FUNCTION_OF = {
    "identification.initiate_security_groups": "initiation",
    "identification.filter_inspector_findings": "filter",
    "identification.inspector": "filter",
}
_OF_SEVERAL = ("identification.messages",)  # publishes in threads of its own, for initiation and the receiving function
_PACKAGES = (*_FUNCTIONS, *_JOBS)

HOST = (
    *("reporting-in-account", "remediation-in-account", "host-in-main", "secrets-in-main", "organization-in-main"),
    *("ses-in-main", "security-hub-in-account", "flow-logs-in-account", "source-in-account"),
    "immediate-receiver-in-main",
)
_HOST_IN_SLAVE = (
    *("reporting-in-account", "remediation-in-account", "flow-logs-in-account", "security-hub-in-account"),
    "source-in-account",
)
_IDENTIFICATION_IN_SLAVE = (
    *("identification-in-account", "inspector-classic-in-account", "lookup-events-in-account"),
    "source-in-account",
)

ROLES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("initiation", "main"): ("initiation-in-main", "organization-in-main"),
    ("initiation", "slave"): (),
    ("filter", "main"): ("filter-in-main", "inspector-classic-in-account", "organization-in-main"),
    ("filter", "slave"): _IDENTIFICATION_IN_SLAVE,
    ("identification", "main"): (
        *("identification-in-account", "identification-in-main", "organization-in-main", "lookup-events-in-account"),
        "immediate-sender-in-main",
    ),
    ("identification", "slave"): _IDENTIFICATION_IN_SLAVE,
    ("reporting", "main"): HOST,
    # The role has remediation's policy, too; its session policy takes that away (library/aws/session.py).
    ("reporting", "slave"): ("reporting-in-account", "source-in-account"),
    ("remediation", "main"): HOST,
    ("remediation", "slave"): _HOST_IN_SLAVE,
    (_ON_HOST, "main"): HOST,
    (_ON_HOST, "slave"): _HOST_IN_SLAVE,
}
"""The policies that count for the calls of a function or job in an account."""

# Topics whose names tests make up, and a queue of another deployment, which `hammer status` may be refused.
NOT_DEPLOYED = ("elsewhere", "findings", "gone", "second-describe-security-groups-dead-letters")
# What is tried and may be refused: library/jobs/host_logs.py says why.
MAY_BE_REFUSED = {"logs:CreateLogGroup"}
ACCOUNT, REGION = "123456789012", "eu-west-1"


def policy(name: str) -> dict[str, Any]:
    """A policy document. Names that differ from test to test stand for any; the rest is as it is deployed."""
    text = (POLICIES / f"{name}.json").read_text("utf-8")
    values = {
        "account_id": ACCOUNT,
        "bucket": "*",
        "flow_log_group": "*flow*",
        "key_arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/hammer",
        "partition": "aws",
        "prefix": "hammer",
        "region": REGION,
        "reports_prefix": "reports/",
        "role_name_identification": "*",
        "role_name_reporting": "*",
        "ses_from_address": "*",
        "secrets": f'["arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:*"]',
        "table": "*",
    }
    for key, value in values.items():
        text = text.replace(f"${{{key}}}", value)
    assert "${" not in text
    document: dict[str, Any] = json.loads(text)
    return document


class Recorder:
    """Writes down the calls of one process."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / f"{os.getpid()}.jsonl"
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def install(self) -> None:
        """Listen to every client that will be made."""
        create: Any = Session.create_client
        make_sessions, client_of = Sessions.__init__, Sessions.client

        def create_client(session: Any, *arguments: Any, **named: Any) -> Any:
            client = create(session, *arguments, **named)
            account: dict[str, str] = {}
            client.meta.hammer_account = account
            client.meta.events.register(
                "provide-client-params.*.*",
                lambda params, model, **_: self._record(model, params, account),
            )
            return client

        def sessions(self: Any, *arguments: Any, **named: Any) -> None:
            make_sessions(self, *arguments, **named)
            self.hammer_package = _calling_package()

        def client(self: Any, service: str, account_id: str = "", region: str = "") -> Any:
            made = client_of(self, service, account_id, region)
            where = "slave" if account_id and account_id != self._main_account_id else "main"
            if (account := getattr(made.meta, "hammer_account", None)) is not None:
                account.update(where=where, package=_calling_package() or getattr(self, "hammer_package", ""))
            return made

        Session.create_client = create_client  # type: ignore[assignment, method-assign]
        Sessions.__init__ = sessions  # type: ignore[method-assign]
        Sessions.client = client  # type: ignore[method-assign]

    def _record(self, model: Any, params: Mapping[str, Any], account: Mapping[str, str]) -> None:
        package = _calling_package() or account.get("package", "")
        if package not in (*_PACKAGES, _ON_HOST):
            return
        for call in calls_of(model.service_model.service_name, model.name, params, ACCOUNT, REGION):
            line = json.dumps([package, account.get("where", "main"), call.action, call.resources, dict(call.context)])
            with self._lock:
                if line not in self._seen:
                    self._seen.add(line)
                    with self._file.open("a", encoding="utf-8") as file:
                        file.write(line + "\n")


def _calling_package() -> str:
    """The function or job that the code which is being run belongs to; `hammer` for other commands, else empty."""
    frame: Any = sys._getframe(1)
    while frame:
        name = str(frame.f_globals.get("__name__", ""))
        top, _, rest = name.partition(".")
        if name in _HOST_COMMANDS or name.startswith("identification.flow_logs."):
            return _ON_HOST
        if rest and top == "identification":
            return _function_of(frame)
        if rest and top in (*_JOBS, "hammer"):
            return top
        if top == "__main__" and (file := frame.f_globals.get("__file__")) and Path(file).parent.name in _JOBS:
            return Path(file).parent.name
        frame = frame.f_back
    return ""


def _function_of(frame: Any) -> str:
    """The function that code of `identification` is run for: what several share is called by the module of one.

    Empty where only `_OF_SEVERAL` is known: in a thread, whoever asked for the client tells.
    """
    found = ""
    while frame:
        name = str(frame.f_globals.get("__name__", ""))
        for module, function in _FUNCTION_OF.items():
            if f"{name}.".startswith(f"{module}."):
                return function
        if name.startswith("identification.") and name not in _OF_SEVERAL:
            found = "identification"
        frame = frame.f_back
    return found


def recorded(folder: Path) -> Iterator[tuple[str, str, Call]]:
    """What all processes wrote down: package, account, call."""
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            package, where, action, resources, context = json.loads(line)
            yield package, where, Call(action, tuple(resources), context)


def mistakes(calls: list[tuple[str, str, Call]], *, whole_suite: bool) -> list[str]:
    """What is wrong with the policies, given these calls, one line each."""
    found = [
        f"{package} in {where}: {call.action} on {', '.join(call.resources)}, {dict(call.context)}, is not allowed"
        for package, where, call in calls
        if call.action not in MAY_BE_REFUSED
        and not call.resources[0].endswith(tuple(f":{name}" for name in NOT_DEPLOYED))
        and not is_allowed(call, map(policy, ROLES[package, where]))
    ]
    if not whole_suite:
        return found
    for name in sorted({name for names in ROLES.values() for name in names}):
        used = {call.action for package, where, call in calls if name in ROLES[package, where]}
        found += [f"{name} allows {action}, which nobody uses" for action in _unused(name, used)]
    return found


def _unused(name: str, used: set[str]) -> list[str]:
    return sorted(actions_of([policy(name)]) - used - IMPLIED.keys())


_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    given = getattr(config, "workerinput", {}).get("permission_calls")
    folder = Path(given) if given else Path(tempfile.mkdtemp(prefix="hammer-permissions-"))
    config.stash[_FOLDER] = folder
    Recorder(folder).install()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["permission_calls"] = str(node.config.stash[_FOLDER])


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workerinput"):
        return
    option = config.option
    narrowed = any(getattr(option, name, None) for name in ("keyword", "markexpr", "lf", "deselect", "collectonly"))
    whole = not narrowed and {Path(arg).resolve() for arg in config.args} <= {ROOT, ROOT / "tests"}
    config.stash[_MISTAKES] = mistakes(list(recorded(config.stash[_FOLDER])), whole_suite=whole)
    if config.stash[_MISTAKES] and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


_MISTAKES = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if found := config.stash.get(_MISTAKES, []):
        terminalreporter.section("permissions: deployment/policies and what the code does differ", sep="=", red=True)
        for line in found:
            terminalreporter.line(line)
