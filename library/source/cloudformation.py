"""CloudFormation, asked for the stack of a group or a rule, its parameters and its template as text. Reads only.

Needs cloudformation:DescribeStackResources, DescribeStacks and GetTemplate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore import handlers
from botocore.exceptions import ClientError

from library.aws.failures import AWS_ERRORS, error_code, explain
from library.errors import HammerError
from library.source.template_rules import maker_in
from library.source.template_source import Stack, StackResource
from library.source.template_text import TemplateError, Tree, parse_template
from library.source.text_edit import line_of

_GET_TEMPLATE = "after-call.cloudformation.GetTemplate"
_DEEPEST = 10  # stacks within stacks
_STACK_SET = re.compile(r"StackSet-(.+)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GONE = "DELETE_COMPLETE"
_BUSY = ("_IN_PROGRESS", "ROLLBACK_FAILED")
_FINAL = ("ROLLBACK_COMPLETE", "DELETE_FAILED")  # such a stack can be deleted alone
_GIVEN_UP = (_GONE, "DELETE_SKIPPED")  # the second: taken out of the template, and kept


class StackReadError(HammerError):
    """CloudFormation did not tell. Says why. Every public method of `StackReader` raises it."""


@dataclass(frozen=True, slots=True)
class ReadStack:
    """A stack with its template. `notes`: what its state says, one sentence each."""

    stack: Stack
    text: str
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class StackReader:
    """Reads the stacks of one account and region, each once."""

    client: Any
    account_id: str
    region: str
    _described: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    _read: dict[str, ReadStack] = field(default_factory=dict)

    def resource_of(self, physical_id: str) -> StackResource | None:
        """The stack's resource that a group or rule is; None: it is of no stack."""
        answer = _answer(self.client.describe_stack_resources, PhysicalResourceId=physical_id)
        if answer is None:
            return None
        named = [raw for raw in answer["StackResources"] if raw.get("PhysicalResourceId") == physical_id]
        for raw in named:
            if raw.get("ResourceStatus") not in _GIVEN_UP:
                return StackResource(raw["StackId"], raw["StackName"], raw["LogicalResourceId"])
        if named:
            return None
        # DescribeStackResources gives the first 100 resources of a stack.
        names = {raw["StackName"] for raw in answer["StackResources"]}
        for name in sorted(names):
            if (found := self._listed(name, physical_id)) is not None:
                return found
        return None

    def _listed(self, stack_name: str, physical_id: str) -> StackResource | None:
        try:
            for page in self.client.get_paginator("list_stack_resources").paginate(StackName=stack_name):
                for raw in page["StackResourceSummaries"]:
                    if raw.get("PhysicalResourceId") == physical_id and raw.get("ResourceStatus") not in _GIVEN_UP:
                        return StackResource(stack_name, stack_name, raw["LogicalResourceId"])
        except AWS_ERRORS as error:
            raise StackReadError(f"stack {stack_name} has over 100 resources: {explain(error)}") from error
        return None

    def tagged(self, tags: Mapping[str, str]) -> StackResource | None:
        """The stack's resource that a group's tags name, which CloudFormation alone can set; None: they name none."""
        stack_id = tags.get("aws:cloudformation:stack-id") or tags.get("aws:cloudformation:stack-name")
        logical_id = tags.get("aws:cloudformation:logical-id")
        if not stack_id or not logical_id:
            return None
        described = self.describe(stack_id)
        if described is None or described.get("StackStatus") == _GONE:
            return None
        return StackResource(described.get("StackId") or stack_id, described["StackName"], logical_id)

    def physical_id(self, resource: StackResource) -> str | None:
        """The id of what a resource is now; empty: the stack has it no longer; None: CloudFormation does not tell."""
        asked = {"StackName": resource.stack_id, "LogicalResourceId": resource.logical_id}
        try:
            answer = _answer(self.client.describe_stack_resources, **asked)
        except StackReadError:
            return None
        for raw in answer["StackResources"] if answer else ():
            if raw["LogicalResourceId"] == resource.logical_id and raw.get("ResourceStatus") not in _GIVEN_UP:
                return str(raw.get("PhysicalResourceId", "")) or None
        return ""

    def describe(self, stack_id: str) -> dict[str, Any] | None:
        """What DescribeStacks tells of a stack; None: it does not exist."""
        if stack_id not in self._described:
            answer = _answer(self.client.describe_stacks, StackName=stack_id)
            self._described[stack_id] = dict(answer["Stacks"][0]) if answer and answer["Stacks"] else None
        return self._described[stack_id]

    def read(self, resource: StackResource) -> ReadStack:
        """The stack of a resource, with its template as it was given to CloudFormation.

        Raises:
            TemplateError: the template is none.
        """
        if resource.stack_id not in self._read:
            self._read[resource.stack_id] = self._stack(resource)
        return self._read[resource.stack_id]

    def _stack(self, resource: StackResource) -> ReadStack:
        raw = self.describe(resource.stack_id)
        if raw is None:
            raise StackReadError(f"stack {resource.stack_name} does not exist any more")
        text = self._template(resource.stack_id)
        parents = list(self._parents(raw))
        found = _STACK_SET.fullmatch([raw, *parents][-1]["StackName"])
        notes = []
        for each in (raw, *parents):
            status = each.get("StackStatus", "")
            if status.endswith(_BUSY) or status in _FINAL:
                notes.append(f"stack {each['StackName']} is in status {status}: it takes no change now")
        if raw["StackName"].startswith("SC-"):
            notes.append(
                f"stack {raw['StackName']} is made by Service Catalog: the product's template is to be changed"
            )
        hidden, given = _parameters(parse_template(text), raw.get("Parameters", ()))
        stack = Stack(
            name=raw["StackName"],
            region=self.region,
            parameters=given,
            hidden=hidden,
            chain=tuple(parent["StackName"] for parent in reversed(parents)),
            given_at=self._given_at(raw, parents[0]) if parents else {},
            stack_set=found[1] if found else "",
            capabilities=tuple(raw.get("Capabilities", ())),
            pseudo={
                "AWS::AccountId": self.account_id,
                "AWS::Region": self.region,
                "AWS::StackName": raw["StackName"],
                "AWS::StackId": raw.get("StackId", ""),
                "AWS::Partition": str(raw.get("StackId", "")).partition(":")[2].partition(":")[0] or "aws",
            },
        )
        return ReadStack(stack, text, tuple(notes))

    def _parents(self, raw: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The stacks above a nested one, the nearest first."""
        for _ in range(_DEEPEST):
            parent_id = raw.get("ParentId")
            parent = self.describe(parent_id) if parent_id else None
            if parent is None:
                return
            yield parent
            raw = parent

    def _given_at(self, child: Mapping[str, Any], parent: Mapping[str, Any]) -> dict[str, str]:
        """Where the parent of a nested stack gives each parameter. What cannot be read is not told."""
        try:
            answer = self.client.describe_stack_resources(StackName=parent["StackName"])
            logical_id = next(
                raw["LogicalResourceId"]
                for raw in answer["StackResources"]
                if raw.get("PhysicalResourceId") == child.get("StackId")
            )
            text = self._template(parent.get("StackId") or parent["StackName"])
            template = parse_template(text)
        except (*AWS_ERRORS, StackReadError, StopIteration, TemplateError):
            return {}
        resources = template.get("Resources")
        resource = resources.pair(logical_id) if resources is not None else None
        properties = resource[1].get("Properties") if resource is not None else None
        if resource is None or properties is None:
            return {}
        parameters = properties.get("Parameters")
        if maker_in(properties) or (parameters is not None and maker_in(parameters)):
            return {}
        where = f"stack {parent['StackName']}, resource {logical_id}"
        left = f"{where}, line {line_of(text, resource[0].start)} of its template, which leaves it to its default"
        found = {raw["ParameterKey"]: left for raw in child.get("Parameters", ())}
        for name, value in parameters.named() if parameters is not None else ():
            found[name] = f"{where}, line {line_of(text, value.start)} of its template"
        return found

    def _template(self, stack_id: str) -> str:
        # botocore parses a template in JSON into a dictionary, which loses the text. The client's own handlers are
        # a copy, and taking one away twice is no error.
        if (parse := getattr(handlers, "json_decode_template_body", None)) is not None:
            self.client.meta.events.unregister(_GET_TEMPLATE, parse)
        try:
            body = self.client.get_template(StackName=stack_id, TemplateStage="Original")["TemplateBody"]
        except AWS_ERRORS as error:
            raise StackReadError(explain(error)) from error
        if not isinstance(body, str):
            raise StackReadError(f"the template of {stack_id} did not come as text")
        return body


def _parameters(template: Tree, described: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Parameters that are hidden, with the reason, and the values of the others."""
    section = template.get("Parameters")
    hidden: dict[str, str] = {}
    given: dict[str, str] = {}
    for raw in described:
        name = raw["ParameterKey"]
        definition = section.get(name) if section is not None else None
        if definition is not None and definition.text("NoEcho").casefold() == "true":
            hidden[name] = "its value is hidden (NoEcho)"
        else:
            given[name] = raw.get("ResolvedValue") or raw.get("ParameterValue") or ""
    return hidden, given


def _answer(call: Callable[..., Any], **arguments: str) -> Any:
    """What CloudFormation answers; None: there is no such stack or resource.

    Raises:
        StackReadError: it did not tell.
    """
    try:
        return call(**arguments)
    except AWS_ERRORS as error:
        if isinstance(error, ClientError) and _does_not_exist(error):
            return None
        raise StackReadError(explain(error)) from error


def _does_not_exist(error: ClientError) -> bool:
    """Whether CloudFormation says that there is no such stack or resource: for most groups the normal answer."""
    message = str(error.response.get("Error", {}).get("Message", ""))
    return error_code(error) == "ValidationError" and "does not exist" in message
