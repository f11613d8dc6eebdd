"""The benchmark: `make bench`. What a scan costs beyond what boto3 costs to read the same groups."""
