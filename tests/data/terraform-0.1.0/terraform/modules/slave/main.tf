data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

locals {
  partition = data.aws_partition.current.partition
  policies  = "${path.module}/../../../policies"
  policy_values = {
    account_id = data.aws_caller_identity.current.account_id
    partition  = local.partition
  }
  # Each role: the one role in the main account that may assume it, and its policies.
  roles = {
    (var.role_name_identification) = {
      trusts   = var.identification_role_arn
      policies = ["identification-in-account"]
    }
    (var.role_name_reporting) = {
      trusts   = var.host_role_arn
      policies = ["reporting-in-account", "remediation-in-account"]
    }
  }
  role_policies = merge([
    for role, given in local.roles : { for policy in given.policies : "${role}/${policy}" => { role = role, policy = policy } }
  ]...)
}

resource "aws_iam_role" "hammer" {
  for_each = local.roles

  name        = each.key
  description = "Assumed by ${each.value.trusts}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      merge(
        {
          Effect    = "Allow"
          Principal = { AWS = each.value.trusts }
          Action    = "sts:AssumeRole"
        },
        var.external_id == "" ? {} : { Condition = { StringEquals = { "sts:ExternalId" = var.external_id } } },
      )
    ]
  })
}

resource "aws_iam_role_policy" "hammer" {
  for_each = local.role_policies

  name   = each.value.policy
  role   = aws_iam_role.hammer[each.value.role].id
  policy = templatefile("${local.policies}/${each.value.policy}.json", local.policy_values)
}
