"""The floor: boto3's own paginator reads every group and lets each page go.

An argument is the threshold of Python's garbage collector.
"""

import gc
import sys

import boto3

if sys.argv[1:]:
    gc.set_threshold(int(sys.argv[1]), *gc.get_threshold()[1:])
client = boto3.client("ec2", region_name="eu-west-1")
groups = 0
for page in client.get_paginator("describe_security_groups").paginate(PaginationConfig={"PageSize": 1000}):
    groups += len(page["SecurityGroups"])
print(groups)
