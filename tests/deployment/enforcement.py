"""Refuses, as AWS would, every call of a role that its deployed policies do not allow. Standard library only.

moto's own access control knows the resource of few calls and would refuse all others that a policy allows on a named
resource; this judges each call by `iam.py`, with the resources that it names.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# Loaded by its file: a function's process has no `tests` to import.
_SPEC = importlib.util.spec_from_file_location("hammer_test_iam", Path(__file__).with_name("iam.py"))
assert _SPEC
assert _SPEC.loader
_iam: Any = importlib.util.module_from_spec(_SPEC)
__import__("sys").modules[_SPEC.name] = _iam
_SPEC.loader.exec_module(_iam)

CODE = "AccessDenied"


class Enforcement:
    """Hears every call of every client of this process, writes it down, and refuses what is not allowed.

    Args:
        role: the ARN of the role that the process runs as.
        policies: each role's policy documents, by ARN.
        write: takes each call: role, service, operation, region, parameters, and whether it was allowed.
    """

    def __init__(
        self, role: str, policies: Mapping[str, list[Any]], write: Callable[[Mapping[str, Any]], object]
    ) -> None:
        self._identities: dict[str, tuple[str, Any]] = {os.environ["AWS_ACCESS_KEY_ID"]: (role, None)}
        self._policies = policies
        self._write = write

    def install(self) -> None:
        """Listen to every client that will be made."""
        from botocore.session import Session

        sessions: Any = Session
        create = sessions.create_client

        def create_and_listen(session: Any, *arguments: Any, **named: Any) -> Any:
            client = create(session, *arguments, **named)
            client.meta.events.register("provide-client-params.*.*", self._keep)
            client.meta.events.register("before-call.*.*", self._judge)
            client.meta.events.register("after-call.sts.AssumeRole", self._remember)
            return client

        sessions.create_client = create_and_listen

    @staticmethod
    def _keep(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["given"] = dict(params)

    def _judge(self, model: Any, request_signer: Any, context: Mapping[str, Any], **_: Any) -> Any:
        role, session_policy = self._identities[request_signer._credentials.access_key]
        service, region = model.service_model.service_name, request_signer.region_name
        calls = _iam.calls_of(service, model.name, context["given"], role.split(":")[4], region)
        policies = [self._policies[role], *([] if session_policy is None else [[session_policy]])]
        denied = [call for call in calls if not all(_iam.is_allowed(call, each) for each in policies)]
        allowed = not denied
        line = {"role": role, "service": service, "operation": model.name, "region": region, "allowed": allowed}
        self._write({**line, "params": context["given"]})
        if allowed:
            return None
        message = f"{role} is not authorized to perform {denied[0].action} on {', '.join(denied[0].resources)}"
        error = {"Error": {"Code": CODE, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        return SimpleNamespace(status_code=403, headers={}, content=b""), error

    def _remember(self, parsed: Mapping[str, Any], context: Mapping[str, Any], **_: Any) -> None:
        if "Credentials" in parsed:
            given = context["given"]
            policy = json.loads(given["Policy"]) if "Policy" in given else None
            self._identities[parsed["Credentials"]["AccessKeyId"]] = (given["RoleArn"], policy)
