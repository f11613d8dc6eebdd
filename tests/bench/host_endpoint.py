"""What the jobs of the host ask, from memory: `python -m tests.bench.host_endpoint ISSUES CHANGED CLOSED`.

Each account has so many issues, of which so many percent are closed, and one group with a rule that is to be closed.
Reporting has told of all issues but one in each of so many accounts, the first ones, which has changed. DynamoDB takes
every write and forgets it, EC2 and S3 do not. Each answer comes after 8 ms. It prints its address and serves until its
standard input closes. A GET of `/calls` answers with how often each operation was called since it was last asked.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from library.aws.conditional_writes import serialized
from library.issues.issue import Issue, Status
from library.issues.reachability import Path, Reachability, Sources, Verdict
from library.security_groups.users import GroupUsers, User
from reporting.plan import state_as_notified
from tests.builders.issues import DETAILS, NOW, RDP, SSH, an_issue

DELAY_S = 0.008
_PLACEHOLDER = "999999999999"
_PATHS = [
    Path(
        f"eni-0123456789abcde{number}",
        f"instance i-0123456789abcde{number}",
        f"54.1.2.{number}",
        Verdict.INTERNET,
        through=("igw-0123456789abcdef0", "rtb-0123456789abcdef0", "acl-0123456789abcdef0"),
        text=f"from 0.0.0.0/0 through igw-0123456789abcdef0 to 54.1.2.{number}, tcp/22",
    )
    for number in range(3)
]


def issue_of(number: int, *, changed: bool, closed: bool) -> Issue:
    """An issue of an account as a table has them."""
    issue = an_issue(
        account_id=_PLACEHOLDER,
        issue_id=f"sg-{_PLACEHOLDER}{number:05}",
        details=replace(
            DETAILS,
            tags={"Name": f"web-{number}", "owner": "team-web", "bu": "shop", "environment": "production"},
            perms=(SSH, RDP),
            reachability=Reachability.of(Verdict.INTERNET, Sources.ALL, "open_completely", _PATHS, ("a", "b"), ()),
        ),
        used_by=GroupUsers(tuple(User("instance", f"i-{each}", (f"54.1.2.{each}",)) for each in range(3))),
        slack_details={},
        remediation_details={},
    )
    notified = state_as_notified(replace(issue, details=DETAILS) if changed else issue, closed=False)
    issue = replace(issue, jira_details={"ticket": None, **notified})
    return replace(issue, status=Status.CLOSED, timestamps=replace(issue.timestamps, closed=NOW)) if closed else issue


class World:
    """What is kept.

    Args:
        issues: of each of them.
        changed: in how many accounts, the first ones, one of the issues is news.
        closed_percent: of how many issues in a hundred the ticket is closed.
    """

    def __init__(self, issues: int, changed: int, closed_percent: int) -> None:
        self._changed = changed
        every = [
            issue_of(number, changed=False, closed=number % 100 >= 100 - closed_percent) for number in range(issues)
        ]
        self._items = {False: every, True: [issue_of(0, changed=True, closed=False), *every[1:]]}
        self._pages: dict[tuple[bool, str, tuple[str, ...]], str] = {}
        self._rules: dict[str, dict[str, tuple[str, str, str, str]]] = {}
        self._objects: dict[str, bytes] = {}
        self._made = 0
        self.lock = threading.Lock()

    def dynamodb(self, operation: str, asked: Mapping[str, Any]) -> bytes:
        """The answer of DynamoDB."""
        if operation == "Query":
            values = asked["ExpressionAttributeValues"]
            value = next((this["S"] for name, this in values.items() if name == ":value"), "nothing")
            comparison = next((sign for sign in "<>" if f"{sign} :value" in asked["KeyConditionExpression"]), "=")
            return self._issues(values[":account"]["S"], comparison, value, _projection(asked))
        if operation == "GetItem" and asked["Key"]["issue_id"]["S"].startswith("sg-"):
            account, number = asked["Key"]["account_id"]["S"], int(asked["Key"]["issue_id"]["S"][-5:])
            item = json.dumps({"Item": serialized(self._items[False][number].to_item())})
            return item.replace(_PLACEHOLDER, account).encode()
        if operation == "BatchGetItem":
            ((table, keys),) = asked["RequestItems"].items()
            found = []
            for key in keys["Keys"]:
                account, number = key["account_id"]["S"], int(key["issue_id"]["S"][-5:])
                items = self._items[self._is_changed(account)]
                found.append(json.dumps(serialized(items[number].to_item())).replace(_PLACEHOLDER, account))
            return f'{{"Responses": {{"{table}": [{", ".join(found)}]}}, "UnprocessedKeys": {{}}}}'.encode()
        return b"{}"

    def _is_changed(self, account: str) -> bool:
        return int(account) <= self._changed

    def _issues(self, account: str, comparison: str, value: str, wanted: tuple[str, ...]) -> bytes:
        kind = (self._is_changed(account), comparison + value, wanted)
        if kind not in self._pages:
            items = [
                serialized(_projected(issue.to_item(), wanted))
                for issue in self._items[kind[0]]
                if {"<": issue.status < value, ">": issue.status > value, "=": issue.status == value}[comparison]
            ]
            self._pages[kind] = json.dumps({"Items": items, "Count": len(items), "ScannedCount": len(items)})
        return self._pages[kind].replace(_PLACEHOLDER, account).encode()

    def ec2(self, asked: Mapping[str, str]) -> str:
        """The answer of EC2."""
        action = asked["Action"]
        if action == "DescribeStackResources":
            return "<DescribeStackResourcesResult><StackResources/></DescribeStackResourcesResult>"
        group_id = asked.get("GroupId") or asked.get("Filter.1.Value.1", "")
        rules = self._rules.setdefault(group_id, {"sgr-0": ("tcp", "22", "22", "0.0.0.0/0")})
        if action == "AuthorizeSecurityGroupIngress":
            made = {}
            for rule in _asked_rules(asked):
                self._made += 1
                made[f"sgr-{self._made}"] = rule
            rules.update(made)
            return f"<return>true</return><securityGroupRuleSet>{_rules_xml(group_id, made)}</securityGroupRuleSet>"
        if action == "RevokeSecurityGroupIngress":
            taken = [*_asked_rules(asked)]
            self._rules[group_id] = {rule_id: rule for rule_id, rule in rules.items() if rule not in taken}
            return "<return>true</return>"
        if action == "DescribeSecurityGroupRules":
            return f"<securityGroupRuleSet>{_rules_xml(group_id, rules)}</securityGroupRuleSet>"
        permissions = "".join(
            f"<item><ipProtocol>{protocol}</ipProtocol><fromPort>{first}</fromPort><toPort>{last}</toPort><groups/>"
            f"<ipRanges><item><cidrIp>{cidr}</cidrIp></item></ipRanges><ipv6Ranges/><prefixListIds/></item>"
            for protocol, first, last, cidr in rules.values()
        )
        return (
            f"<securityGroupInfo><item><groupId>{group_id}</groupId><groupName>web</groupName><vpcId>vpc-1</vpcId>"
            f"<groupDescription>web</groupDescription><ipPermissions>{permissions}</ipPermissions>"
            "<ipPermissionsEgress/><tagSet/></item></securityGroupInfo>"
        )

    def s3(self, method: str, path: str, body: bytes) -> bytes:
        """The answer of S3."""
        if method == "PUT":
            self._objects[path] = body
            return b""
        return self._objects.get(path, b"")


def _asked_rules(asked: Mapping[str, str]) -> Iterator[tuple[str, str, str, str]]:
    """Protocol, ports and source of each rule with a CIDR that a call names."""
    for number in range(1, 100):
        begin = f"IpPermissions.{number}."
        if f"{begin}IpProtocol" not in asked:
            return
        protocol, first, last = (asked[begin + name] for name in ("IpProtocol", "FromPort", "ToPort"))
        for location in range(1, 100):
            if cidr := asked.get(f"{begin}IpRanges.{location}.CidrIp"):
                yield protocol, first, last, cidr


def _projection(asked: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths of attributes that a query wants; none: all."""
    names = asked.get("ExpressionAttributeNames", {})
    paths = filter(None, asked.get("ProjectionExpression", "").split(", "))
    return tuple(".".join(names[step] for step in path.split(".")) for path in paths)


def _projected(item: Mapping[str, Any], wanted: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {} if wanted else dict(item)
    for path in wanted:
        *parents, name = path.split(".")
        source, target = item, found
        for parent in parents:
            source, target = source.get(parent, {}), target.setdefault(parent, {})
        if name in source:
            target[name] = source[name]
    return found


def _rules_xml(group_id: str, rules: Mapping[str, tuple[str, str, str, str]]) -> str:
    return "".join(
        f"<item><securityGroupRuleId>{rule_id}</securityGroupRuleId><groupId>{group_id}</groupId>"
        f"<isEgress>false</isEgress><ipProtocol>{protocol}</ipProtocol><fromPort>{first}</fromPort>"
        f"<toPort>{last}</toPort><cidrIpv4>{cidr}</cidrIpv4></item>"
        for rule_id, (protocol, first, last, cidr) in rules.items()
    )


_ASSUMED = (
    "<AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
    "<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>"
)


_CALLER = (
    b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/bench</Arn>"
    b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
)


@contextmanager
def serving(world: World, delay_s: float = DELAY_S) -> Iterator[str]:
    """Serve a world on loopback; gives the address."""
    calls = Counter[str]()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: the second of two waits 40 ms for a delayed acknowledgement

        def do_POST(self) -> None:
            time.sleep(delay_s)
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            target = self.headers["X-Amz-Target"] or ""
            with world.lock:
                if target.startswith("DynamoDB"):
                    operation = target.rpartition(".")[2]
                    answer = world.dynamodb(operation, json.loads(body))
                elif body.startswith(b"Action=GetCallerIdentity"):
                    operation, answer = "GetCallerIdentity", _CALLER
                elif target:
                    operation = target.rpartition(".")[2]
                    answer = b'{"Quota": {"Value": 60}}' if "Quota" in operation else b"{}"
                elif self.command in ("PUT", "GET"):
                    operation, answer = self.command, world.s3(self.command, self.path.partition("?")[0], body)
                else:
                    asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
                    operation = asked["Action"]
                    inside = _ASSUMED if operation == "AssumeRole" else world.ec2(asked)
                    answer = f"<{operation}Response>{inside}</{operation}Response>".encode()
                calls[operation] += 1
            self._send(answer)

        do_PUT = do_POST  # noqa: N815

        def do_GET(self) -> None:
            if self.path != "/calls":
                self.do_POST()
                return
            with world.lock:
                counted = json.dumps(calls)
                calls.clear()
            self._send(counted.encode())

        def handle_expect_100(self) -> bool:
            on = super().handle_expect_100()
            self.wfile.flush()  # else the SDK waits a second for it before it sends an object to S3
            return on

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    """Serve what the command line asks for."""
    with serving(World(*map(int, sys.argv[1:]))) as address:
        print(address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
