data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

locals {
  partition = data.aws_partition.current.partition
  policies  = "${path.module}/../../../policies"
  policy_values = {
    account_id     = data.aws_caller_identity.current.account_id
    flow_log_group = var.flow_log_group
    partition      = local.partition
  }
  # Each role: the roles in the main account that may assume it, and its policies. Inspector's filter has a role of its own
  # beside the one for identification.
  roles = {
    (var.role_name_identification) = {
      trusts = distinct([var.identification_role_arn, replace(var.identification_role_arn, "/-master-id$/", "-master-filter")])
      policies = concat(
        ["identification-in-account"],
        var.allow_inspector_classic ? ["inspector-classic-in-account"] : [],
        var.allow_lookup_events ? ["lookup-events-in-account"] : [],
        var.allow_source ? ["source-in-account"] : [],
      )
    }
    (var.role_name_reporting) = {
      trusts = [var.host_role_arn]
      policies = concat(
        ["reporting-in-account", "remediation-in-account"],
        var.allow_flow_logs ? ["flow-logs-in-account"] : [],
        var.allow_security_hub_import ? ["security-hub-in-account"] : [],
        var.allow_source ? ["source-in-account"] : [],
      )
    }
  }
  role_policies = merge([
    for role, given in local.roles : { for policy in given.policies : "${role}/${policy}" => { role = role, policy = policy } }
  ]...)
}

resource "aws_iam_role" "hammer" {
  for_each = local.roles

  # aws.role_name_… of the configuration may have a path: security/hammer-cloudsec-crossact-id.
  name                 = basename(each.key)
  path                 = dirname(each.key) == "." ? "/" : "/${dirname(each.key)}/"
  permissions_boundary = var.permissions_boundary_arn
  description          = "Assumed by ${each.value.trusts[0]}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    # Not the role itself: IAM would keep its unique id, and refuse a role that was made again under the name.
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "arn:${local.partition}:iam::${split(":", each.value.trusts[0])[4]}:root" }
      Action    = "sts:AssumeRole"
      Condition = merge(
        { ArnEquals = { "aws:PrincipalArn" = each.value.trusts } },
        var.external_id == "" ? {} : { StringEquals = { "sts:ExternalId" = var.external_id } },
      )
    }]
  })
}

resource "aws_iam_role_policy" "hammer" {
  for_each = local.role_policies

  name   = each.value.policy
  role   = aws_iam_role.hammer[each.value.role].id
  policy = templatefile("${local.policies}/${each.value.policy}.json", local.policy_values)
}

# Events of every region, to the main account.
module "events" {
  source = "../events"
  count  = length(var.regions) > 0 ? 1 : 0

  alarm_topic_arns         = var.alarm_topic_arns
  event_bus_arn            = var.event_bus_arn
  forward_inspector        = var.forward_inspector
  iam_path                 = dirname(var.role_name_identification) == "." ? "/" : "/${dirname(var.role_name_identification)}/"
  permissions_boundary_arn = var.permissions_boundary_arn
  prefix                   = var.prefix
  regions                  = var.regions
  role_name                = "${var.prefix}-cloudsec-crossact-events"

  inspector_finding_pattern = merge(
    { source = ["aws.inspector2"], detail-type = ["Inspector2 Finding"] },
    var.forward_other_findings ? {} : { detail = { type = ["NETWORK_REACHABILITY"] } },
  )
}
