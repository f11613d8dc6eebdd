"""A stand-in for the AWS command line: `python -m tests.deployment.aws_command SERVICE OPERATION --option VALUE …`.

Takes the operations and options that the SDK's own models have, as the AWS command line does, and refuses others. It
prints what it was answered. `lambda invoke` runs the deployed code, and the functions that take what that sends on.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore import xform_name

from tests.deployment.deployed import Deployed

_make_client: Any = boto3.client  # its types want the service's name as a literal


def given_to(service: str, operation: str, *arguments: str) -> tuple[str, dict[str, Any]]:
    """The method of the SDK, and its parameters, of a command. Raises KeyError where the SDK knows it not."""
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(names[operation]).input_shape
    options = {f"--{xform_name(name, '-')}": name for name in (shape.members if shape else ())}
    given = zip(arguments[::2], arguments[1::2], strict=True)
    lists = {name for name, member in shape.members.items() if member.type_name == "list"} if shape else set()
    named = ((options[option], value) for option, value in given)
    return xform_name(names[operation]), {name: [value] if name in lists else value for name, value in named}


def call(service: str, operation: str, *arguments: str) -> Any:
    """Make one call. Raises KeyError where the SDK knows no such operation or option."""
    if (service, operation) == ("lambda", "invoke"):
        *given, target = arguments
        _, parameters = given_to(service, operation, *given)
        deployed = Deployed(os.environ["AWS_ENDPOINT_URL"], Path(os.environ["DEPLOYED_FOLDER"]))
        answer = deployed.invoke(parameters["FunctionName"], {})
        Path(target).write_text(json.dumps(answer), "utf-8")
        deployed.work_off("hammer-describe-security-groups")
        return {"StatusCode": 200}
    method, parameters = given_to(service, operation, *arguments)
    answer = getattr(_make_client(service), method)(**parameters)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


if __name__ == "__main__":
    print(json.dumps(call(*sys.argv[1:]), indent=4, default=str))
