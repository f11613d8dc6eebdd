"""AWS's partitions, which every ARN names. Pure."""

from __future__ import annotations

from urllib.parse import quote

# Regions of a partition begin alike (botocore, partitions.json, regionRegex).
_PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}


# A region of each partition in which STS answers without being asked for.
_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}


def region_of_role(role_arn: str) -> str:
    """A region in whose STS a role can be assumed; empty: its ARN does not tell.

    >>> region_of_role("arn:aws:iam::123456789012:role/hammer")
    'us-east-1'
    """
    return _REGIONS.get(role_arn.split(":")[1] if role_arn.count(":") > 1 else "", "")


# AWS General Reference, "Service endpoints": the console of each partition.
_CONSOLES = {
    "aws": "{region}.console.aws.amazon.com",
    "aws-cn": "{region}.console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def console_host(region: str) -> str:
    """The host of the AWS console for a region; empty: that of its partition is not known.

    >>> console_host("eu-west-1"), console_host("us-iso-east-1")
    ('eu-west-1.console.aws.amazon.com', '')
    """
    return _CONSOLES.get(partition_of(region), "").format(region=quote(region))


def partition_of(region: str) -> str:
    """The partition of a region.

    >>> partition_of("eu-west-1"), partition_of("us-gov-west-1"), partition_of("cn-north-1")
    ('aws', 'aws-us-gov', 'aws-cn')
    """
    return next((name for prefix, name in _PARTITIONS.items() if region.startswith(prefix)), "aws")
