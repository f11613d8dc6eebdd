"""AWS's partitions, which every ARN names. Pure."""

from __future__ import annotations

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


def partition_of(region: str) -> str:
    """The partition of a region.

    >>> partition_of("eu-west-1"), partition_of("us-gov-west-1"), partition_of("cn-north-1")
    ('aws', 'aws-us-gov', 'aws-cn')
    """
    return next((name for prefix, name in _PARTITIONS.items() if region.startswith(prefix)), "aws")
