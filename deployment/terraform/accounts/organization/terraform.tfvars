organization_id         = "o-exampleorgid"
organizational_unit_ids = ["r-exam"]
# denied_regions        = ["ap-south-1"]

# alarm_emails    = ["security@example.com"]
# findings_emails = ["security@example.com"]

# The reporting and remediation host. It needs a subnet from which HTTPS to the Internet, or to proxies and
# endpoints for it, is possible. No port of it is open unless ssh_cidrs names who may come in by SSH.
# host = {
#   vpc_id    = "vpc-0123456789abcdef0"
#   subnet_id = "subnet-0123456789abcdef0"
# }
