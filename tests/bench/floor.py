"""The floor: boto3's own paginator reads every group and lets each page go."""

import boto3

client = boto3.client("ec2", region_name="eu-west-1")
groups = 0
for page in client.get_paginator("describe_security_groups").paginate(PaginationConfig={"PageSize": 1000}):
    groups += len(page["SecurityGroups"])
print(groups)
