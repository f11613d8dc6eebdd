# Every policy document is one file in deployment/policies, which the tests read, too.
locals {
  policies = "${path.module}/../../../policies"
  # Whoever names a sender in the configuration asks for mail. IAM compares the address alone, without the name in front of it.
  ses_from         = var.ses_from_address != null ? var.ses_from_address : try(local.config.publishing.email_from, "")
  ses_from_address = try(regex("<([^<>]+)>[ \t]*$", local.ses_from)[0], local.ses_from)
  # Roles elsewhere that the configuration names as readers of flow logs.
  reader_roles = distinct([for holder, role in try(local.config.usage.reader_roles, {}) : role if !startswith(holder, "__")])
  policy_values = {
    account_id               = local.account_id
    bucket                   = local.bucket
    flow_log_group           = var.flow_log_group
    key_arn                  = local.key_arn
    partition                = local.partition
    prefix                   = var.prefix
    reader_roles             = jsonencode(local.reader_roles)
    region                   = local.region
    reports_prefix           = local.reports_prefix
    organization_id          = var.organization_id == null ? "" : var.organization_id
    dns_suffix               = local.dns_suffix
    table_key_arn            = var.table_kms_key_arn == null ? "" : var.table_kms_key_arn
    role_name_identification = try(local.config.aws.role_name_identification, "hammer-cloudsec-crossact-id")
    role_name_reporting      = try(local.config.aws.role_name_reporting, "hammer-cloudsec-crossact-ec2")
    secrets                  = jsonencode([for secret in local.secrets : "arn:${local.partition}:secretsmanager:${local.region}:${local.account_id}:secret:${secret}-??????"])
    ses_from_address         = local.ses_from_address
    table                    = local.table
  }
}

# What a function may do depends on what it does: initiation enters no account, and Inspector's filter starts no scan.
locals {
  # Whatever role it is: a role in a foreign organization's account is not assumed, and a table with a key of its own is read.
  of_every_role = concat(
    var.organization_id == null ? [] : ["own-organization-in-main"],
    var.table_kms_key_arn == null ? [] : ["table-key-in-main"],
  )
  function_roles = {
    identification = {
      name        = "${var.prefix}-cloudsec-master-id"
      description = "Hammer's functions that describe security groups and receive events"
      policies = concat(
        ["identification-in-account", "identification-in-main"],
        local.in_organization ? ["organization-in-main"] : [],
        var.allow_lookup_events ? ["lookup-events-in-account"] : [],
        var.immediate_remediation ? ["immediate-sender-in-main"] : [],
        local.of_every_role,
      )
    }
    initiate = {
      name        = "${var.prefix}-cloudsec-master-initiate"
      description = "Hammer's function that starts scans"
      policies = concat(
        ["initiation-in-main"],
        local.in_organization ? ["organization-in-main"] : [],
        var.table_kms_key_arn == null ? [] : ["table-key-in-main"],
      )
    }
    filter = {
      name        = "${var.prefix}-cloudsec-master-filter"
      description = "Hammer's function that filters Inspector's findings"
      policies = concat(
        ["filter-in-main"],
        var.inspector_classic_topic_arn == "" ? [] : ["inspector-classic-in-account"],
        local.in_organization ? ["organization-in-main"] : [],
        local.of_every_role,
      )
    }
  }
  function_policies = merge([
    for role, given in local.function_roles : { for policy in given.policies : "${role}/${policy}" => { role = role, policy = policy } }
  ]...)
}

resource "aws_iam_role" "function" {
  for_each = local.function_roles

  name        = each.value.name
  description = each.value.description

  path                 = var.iam_path
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

# One role was every function's once.
moved {
  from = aws_iam_role.identification
  to   = aws_iam_role.function["identification"]
}

resource "aws_iam_role_policy" "function" {
  for_each = local.function_policies

  name   = each.value.policy
  role   = aws_iam_role.function[each.value.role].id
  policy = templatefile("${local.policies}/${each.value.policy}.json", local.policy_values)
}

moved {
  from = aws_iam_role_policy.identification["identification-in-account"]
  to   = aws_iam_role_policy.function["identification/identification-in-account"]
}

moved {
  from = aws_iam_role_policy.identification["identification-in-main"]
  to   = aws_iam_role_policy.function["identification/identification-in-main"]
}

moved {
  from = aws_iam_role_policy.identification["organization-in-main"]
  to   = aws_iam_role_policy.function["identification/organization-in-main"]
}

moved {
  from = aws_iam_role_policy.identification["lookup-events-in-account"]
  to   = aws_iam_role_policy.function["identification/lookup-events-in-account"]
}

moved {
  from = aws_iam_role_policy.identification["immediate-sender-in-main"]
  to   = aws_iam_role_policy.function["identification/immediate-sender-in-main"]
}

# What a function in a VPC needs: network interfaces.
resource "aws_iam_role_policy_attachment" "function_in_vpc" {
  for_each = var.vpc_config == null ? {} : local.function_roles

  role       = aws_iam_role.function[each.key].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"
}

resource "aws_iam_role" "host" {
  name        = "${var.prefix}-cloudsec-master-ec2"
  description = "Hammer's reporting and remediation host"

  path                 = var.iam_path
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.${local.dns_suffix}" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "host" {
  for_each = toset(concat(
    ["reporting-in-account", "remediation-in-account", "host-in-main", "session-manager-in-main"],
    length(local.secrets) > 0 ? ["secrets-in-main"] : [],
    local.in_organization ? ["organization-in-main"] : [],
    local.ses_from_address == "" ? [] : ["ses-in-main"],
    var.allow_security_hub_import ? ["security-hub-in-account"] : [],
    var.allow_flow_logs ? ["flow-logs-in-account"] : [],
    length(local.reader_roles) > 0 ? ["flow-log-readers-in-main"] : [],
    var.allow_source ? ["source-in-account"] : [],
    var.immediate_remediation ? ["immediate-receiver-in-main"] : [],
    local.of_every_role,
  ))

  name   = each.value
  role   = aws_iam_role.host.id
  policy = templatefile("${local.policies}/${each.value}.json", local.policy_values)
}

resource "aws_iam_instance_profile" "host" {
  name = "${var.prefix}-cloudsec-master-ec2"
  path = var.iam_path
  role = aws_iam_role.host.name
}
