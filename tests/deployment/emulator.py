"""An emulated AWS in a process of its own: moto's server, and the code of its functions to fetch.

`python -m tests.deployment.emulator` prints its URL on a line and serves until its standard input ends.
"""

from __future__ import annotations

import copy
import gc
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CODE_PATH = "/_function-code/"
_ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def emulated_aws() -> Iterator[str]:
    """The URL of an emulated AWS that lives as long as the context."""
    environment = {
        **os.environ,
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
        "PYTHONWARNINGS": "ignore",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.deployment.emulator"],
        cwd=_ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:"), "the emulated AWS did not start"
            yield url
        finally:
            process.stdin.close()
            process.wait(timeout=300)  # on a machine that is busy with other tests


def _let_conditions_count() -> None:
    """Make a statement say nothing, as on AWS, of a request that it is not about.

    moto 5.2 takes a Deny whose condition does not hold, or whose principal is another, for one that is meant: the
    bucket's "TLS only" would refuse all, and what it denies to Hammer's roles it would deny to Terraform.
    """
    from moto.iam.access_control import IAMPolicyStatement, PermissionResult

    judge = IAMPolicyStatement.is_action_permitted

    def patched(self: Any, *arguments: Any, **named: Any) -> Any:
        others = str(self._statement.get("Principal")).count(":role/") and self._statement["Effect"] == "Deny"
        if others or "aws:SecureTransport" in str(self._statement.get("Condition")):
            return PermissionResult.NEUTRAL
        return judge(self, *arguments, **named)

    IAMPolicyStatement.is_action_permitted = patched  # type: ignore[method-assign]


def _tell_dead_letter_queues() -> None:
    """Make a function's configuration say its dead-letter queue, which moto 5.2 forgets."""
    from moto.awslambda.models import LambdaFunction

    make, notify = LambdaFunction.__init__, LambdaFunction.get_configuration

    def made(self: Any, account_id: str, spec: dict[str, Any], *arguments: Any, **named: Any) -> None:
        make(self, account_id, spec, *arguments, **named)
        self.dead_letters = spec.get("DeadLetterConfig")

    def notified(self: Any, *arguments: Any, **named: Any) -> dict[str, Any]:
        answer: dict[str, Any] = notify(self, *arguments, **named)
        if self.dead_letters:
            answer["DeadLetterConfig"] = self.dead_letters
        return answer

    LambdaFunction.__init__ = made  # type: ignore[method-assign]
    LambdaFunction.get_configuration = notified  # type: ignore[method-assign]


def _leave_messages_in_queues() -> None:
    """Keep messages in their queue for the test to hand over, and write redrive policies as AWS does, without blanks.

    moto 5.2 gives a message at once to the function that takes the queue's; without Docker it then only says that all
    is well, and deletes the message.
    """
    from moto.sqs.models import Queue

    notified: Any = vars(Queue)["attributes"]

    def attributes(self: Any) -> dict[str, Any]:
        answer: dict[str, Any] = notified.fget(self)
        if policy := answer.get("RedrivePolicy"):
            answer["RedrivePolicy"] = json.dumps(json.loads(policy), separators=(",", ":"))
        return answer

    Queue.attributes = property(attributes)  # type: ignore[assignment, method-assign]
    setattr(Queue, "lambda_event_source_mappings", property(lambda _: {}, lambda *_: None))  # noqa: B010 - a property


def _keep_what_events_tell_of_their_origin() -> None:
    """Let an event keep its account, region and id on another bus, as AWS does; moto 5.2 makes new ones."""
    from moto.events.models import Rule
    from moto.events.utils import EventTemplateParser

    template = EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE
    EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE = template.replace("{", '{"account": "<account>", ', 1)
    rule: Any = Rule
    send = rule.send_to_targets
    origin = threading.local()

    def sent(self: Any, event: dict[str, Any], *arguments: Any, **named: Any) -> None:
        outer = getattr(origin, "event", None)
        if outer is None:
            origin.event = {name: event[name] for name in ("account", "region", "id")}
        try:
            send(self, {**event, **origin.event}, *arguments, **named)
        finally:
            origin.event = outer

    rule.send_to_targets = sent


def _tell_what_a_launch_template_is() -> None:
    """Keep the tags of a launch template itself out of what it launches; moto 5.2 tells them there."""
    from moto.ec2.models.launch_templates import LaunchTemplateVersion

    make = LaunchTemplateVersion.__init__

    def made(self: Any, template: Any, number: int, data: dict[str, Any], description: str) -> None:
        tags = [each for each in data.get("TagSpecifications", []) if each["ResourceType"] != "launch-template"]
        make(self, template, number, {**data, "TagSpecifications": tags}, description)

    LaunchTemplateVersion.__init__ = made  # type: ignore[method-assign]


def _keep_what_a_stack_set_is_told() -> None:
    """Tell of a stack set what it was made with, which moto 5.2 forgets, and NoEcho parameters as AWS does, as ****."""
    from moto.cloudformation.responses import CloudFormationResponse

    create, describe = CloudFormationResponse.create_stack_set, CloudFormationResponse.describe_stack_set
    hidden = re.compile(r"(?m)^  (\w+):\n(?:    .*\n)*?    NoEcho: true")
    kept: dict[str, tuple[Any, Any]] = {}

    def created(self: Any) -> Any:
        kept[self._get_param("StackSetName")] = (self._get_param("AutoDeployment"), self._get_param("Capabilities"))
        return create(self)

    def described(self: Any) -> Any:
        answer: Any = describe(self)
        found = copy.copy(answer._result["StackSet"])
        names = set(hidden.findall(found.template))
        found.parameters = {name: "****" if name in names else value for name, value in found.parameters.items()}
        found.auto_deployment, found.capabilities = kept[found.name]
        answer._result["StackSet"] = found
        return answer

    CloudFormationResponse.create_stack_set = created  # type: ignore[method-assign]
    CloudFormationResponse.describe_stack_set = described  # type: ignore[method-assign]


def main() -> None:
    from moto.awslambda.utils import get_backend
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    # As in tests/conftest.py: this process holds a deployment's objects, and each request makes many that die with it.
    gc.set_threshold(100_000, 20, 50)
    _let_conditions_count()
    _tell_dead_letter_queues()
    _leave_messages_in_queues()
    _keep_what_events_tell_of_their_origin()
    _tell_what_a_launch_template_is()
    _keep_what_a_stack_set_is_told()
    aws = DomainDispatcherApplication(create_backend_app)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = str(environ["PATH_INFO"])
        if not path.startswith(CODE_PATH):
            answer: Iterable[bytes] = aws(environ, start_response)
            return answer
        # AWS gives a URL for a function's code (GetFunction, Code.Location); moto's leads nowhere.
        account_id, region, name = path.removeprefix(CODE_PATH).split("/")
        code: bytes = get_backend(account_id, region).get_function(name).code_bytes
        start_response("200 OK", [("Content-Type", "application/zip"), ("Content-Length", str(len(code)))])
        return [code]

    server = make_server("127.0.0.1", 0, application, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
