"""Runs one handler as Lambda would, from its unpacked zip and boto3 alone; started by `deployed.py`.

Standard input: `{"path": [folders], "handler": "module.function", "event": …, "calls": file}`. Every AWS call goes into
`calls`, a JSON line each: the role that makes it, the operation, its parameters. Started isolated (`python -I -S`), so
that nothing but the standard library is importable beside those folders.
"""

import importlib
import json
import os
import sys
from typing import Any


def main() -> None:
    given = json.load(sys.stdin)
    sys.path[:0] = given["path"]
    roles: dict[str, str] = {os.environ["AWS_ACCESS_KEY_ID"]: given["role"]}
    with open(given["calls"], "a", encoding="utf-8") as calls:  # noqa: PTH123

        def keep(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
            context["given"] = dict(params)

        def record(model: Any, request_signer: Any, context: dict[str, Any], **_: Any) -> None:
            line = {
                "role": roles[request_signer._credentials.access_key],
                "service": model.service_model.service_name,
                "operation": model.name,
                "region": request_signer.region_name,
                "params": context["given"],
            }
            calls.write(json.dumps(line, default=str) + "\n")

        def remember(parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
            if "Credentials" in parsed:
                roles[parsed["Credentials"]["AccessKeyId"]] = context["given"]["RoleArn"]

        listen_to_all([("provide-client-params.*.*", keep), ("before-call.*.*", record)])
        listen_to_all([("after-call.sts.AssumeRole", remember)])
        module, _, function = given["handler"].rpartition(".")
        answer = getattr(importlib.import_module(module), function)(given["event"], Context())
    print(json.dumps({"answer": answer}))


def listen_to_all(handlers: list[tuple[str, Any]]) -> None:
    """Have handlers hear the events of every client that will be made."""
    from botocore.session import Session

    create: Any = Session.create_client

    def create_and_listen(self: Any, *arguments: Any, **named: Any) -> Any:
        client = create(self, *arguments, **named)
        for event, handler in handlers:
            client.meta.events.register(event, handler)
        return client

    Session.create_client = create_and_listen  # type: ignore[method-assign]


class Context:
    """Lambda's, as far as handlers look at it."""

    aws_request_id = "test"


if __name__ == "__main__":
    main()
