"""Security groups for the benchmark, as DescribeSecurityGroups answers them."""

from __future__ import annotations

GROUPS_A_PAGE = 1000
RULES_A_GROUP = 8


def group_xml(number: int, exposed_percent: int, owner: str = "") -> str:
    """One group of eight rules, each with its own ports and source.

    Args:
        number: which one.
        exposed_percent: of how many groups in a hundred the Internet reaches a restricted port.
        owner: whose it is; empty: of whatever account asks.
    """
    rules = []
    exposed = number % 100 < exposed_percent
    for rule in range(RULES_A_GROUP):
        port = (443, 8080, 5432, 22, 9092, 3306, 6379, 123)[rule]
        source = f"10.{number // 256 % 256}.{number % 256}.{rule * 16}/28"
        if rule == 0:
            source = "0.0.0.0/0"
        elif rule == 3 and exposed:
            source = f"{number % 200 + 11}.{number // 200 % 256}.8.0/24" if number % 2 else "0.0.0.0/0"
        rules.append(
            f"<item><ipProtocol>{'udp' if port == 123 else 'tcp'}</ipProtocol><fromPort>{port}</fromPort>"
            f"<toPort>{port}</toPort><groups/><ipRanges><item><cidrIp>{source}</cidrIp>"
            f"<description>rule {rule} of {number}</description></item></ipRanges><ipv6Ranges/><prefixListIds/></item>"
        )
    owned = f"<ownerId>{owner}</ownerId>" if owner else ""
    return (
        f"<item>{owned}<groupId>sg-{number:017x}</groupId><groupName>group-{number}</groupName>"
        f"<groupDescription>group {number}</groupDescription><vpcId>vpc-0123456789abcdef0</vpcId>"
        f"<ipPermissions>{''.join(rules)}</ipPermissions><ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><groups/>"
        "<ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges><ipv6Ranges/><prefixListIds/></item>"
        "</ipPermissionsEgress>"
        f"<tagSet><item><key>Name</key><value>group-{number}</value></item></tagSet></item>"
    )


def pages(groups: int, exposed_percent: int, owner: str = "") -> list[bytes]:
    """The answers to DescribeSecurityGroups, in order; the token of the next page is its number."""
    starts = range(0, groups, GROUPS_A_PAGE)
    answers = []
    for page, start in enumerate(starts, 1):
        numbers = range(start, min(start + GROUPS_A_PAGE, groups))
        body = "".join(group_xml(number, exposed_percent, owner) for number in numbers)
        token = f"<nextToken>{page}</nextToken>" if page < len(starts) else ""
        answers.append(
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<DescribeSecurityGroupsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
            f"<requestId>r</requestId><securityGroupInfo>{body}</securityGroupInfo>{token}"
            "</DescribeSecurityGroupsResponse>".encode()
        )
    return answers
