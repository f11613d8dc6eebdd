"""An EC2 endpoint that serves security groups from memory: `python -m tests.bench.endpoint GROUPS`.

It prints its address and serves until its standard input closes. Pages hold 1,000 groups whatever is asked for, as
EC2's largest do. Of the groups one in twenty lets the Internet reach a restricted port.
"""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

GROUPS_A_PAGE = 1000
RULES_A_GROUP = 8
_ACCOUNT = "123456789012"


def group_xml(number: int) -> str:
    """One group of eight rules, each with its own ports and source."""
    rules = []
    for rule in range(RULES_A_GROUP):
        port = (443, 8080, 5432, 22, 9092, 3306, 6379, 123)[rule]
        source = f"10.{number // 256 % 256}.{number % 256}.{rule * 16}/28"
        if rule == 0:
            source = "0.0.0.0/0"
        elif rule == 3 and number % 20 == 0:
            source = f"{number % 200 + 11}.8.8.0/24" if number % 40 else "0.0.0.0/0"
        rules.append(
            f"<item><ipProtocol>{'udp' if port == 123 else 'tcp'}</ipProtocol><fromPort>{port}</fromPort>"
            f"<toPort>{port}</toPort><groups/><ipRanges><item><cidrIp>{source}</cidrIp>"
            f"<description>rule {rule} of {number}</description></item></ipRanges><ipv6Ranges/><prefixListIds/></item>"
        )
    return (
        f"<item><ownerId>{_ACCOUNT}</ownerId><groupId>sg-{number:017x}</groupId><groupName>group-{number}</groupName>"
        f"<groupDescription>group {number}</groupDescription><vpcId>vpc-0123456789abcdef0</vpcId>"
        f"<ipPermissions>{''.join(rules)}</ipPermissions><ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><groups/>"
        "<ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges><ipv6Ranges/><prefixListIds/></item>"
        "</ipPermissionsEgress>"
        f"<tagSet><item><key>Name</key><value>group-{number}</value></item></tagSet></item>"
    )


def pages(groups: int) -> list[bytes]:
    """The answers to DescribeSecurityGroups, in order; the token of the next page is its number."""
    starts = range(0, groups, GROUPS_A_PAGE)
    answers = []
    for page, start in enumerate(starts, 1):
        body = "".join(group_xml(number) for number in range(start, min(start + GROUPS_A_PAGE, groups)))
        token = f"<nextToken>{page}</nextToken>" if page < len(starts) else ""
        answers.append(
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<DescribeSecurityGroupsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
            f"<requestId>r</requestId><securityGroupInfo>{body}</securityGroupInfo>{token}"
            "</DescribeSecurityGroupsResponse>".encode()
        )
    return answers


def main() -> None:
    """Serve."""
    answers = pages(int(sys.argv[1]))
    calls = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            nonlocal calls
            asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            if asked["Action"] == ["DescribeSecurityGroups"]:
                calls += 1
                self._answer(200, answers[int(asked.get("NextToken", ["0"])[0])])
            else:
                self._answer(400, b"<Response><Errors><Error><Code>Unexpected</Code></Error></Errors></Response>")

        def do_GET(self) -> None:
            nonlocal calls
            count, calls = calls, 0
            self._answer(200, str(count).encode())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
