data "aws_partition" "current" {}

data "aws_regions" "enabled" {}

locals {
  # Terraform reads the names of things where Hammer does. JSON is YAML, so this reads every format.
  config_file = one([
    for name in fileset(var.config_folder, "config.*") : name if can(regex("^config\\.(json|yaml|yml)$", name))
  ])
  config = yamldecode(file("${var.config_folder}/${local.config_file}"))

  account_id = local.config.aws.main_account_id
  region     = local.config.aws.region
  partition  = data.aws_partition.current.partition
  # Service principals of EC2 and CloudWatch Logs end in it: amazonaws.com.cn in China.
  dns_suffix = data.aws_partition.current.dns_suffix
  table      = local.config.secgrp_unrestricted_access["ddb.table_name"]
  bucket     = local.config.aws.s3_backup_bucket
  # The configuration takes a list as one text, too, and lists by account. No regions for any account: every one that
  # is enabled in the main account.
  regions = toset([
    for region in concat(
      [local.region],
      try(
        split(",", local.config.aws.regions),
        tolist(local.config.aws.regions),
        flatten([
          for key in distinct(concat(["*"], keys(local.config.aws.regions))) :
          try(split(",", local.config.aws.regions[key]), tolist(local.config.aws.regions[key])) if !startswith(key, "__")
        ]),
        tolist(data.aws_regions.enabled.names),
      ),
    ) : trimspace(region)
  ])

  in_organization = try(local.config.aws.accounts == "organization", false)
  # The configuration takes booleans as text, too.
  jira_enabled  = tostring(try(local.config.jira.enabled, false)) == "true"
  slack_enabled = tostring(try(local.config.slack.enabled, false)) == "true"
  secrets = toset(compact([
    local.jira_enabled ? try(local.config.jira.secret, "hammer/jira") : "",
    local.slack_enabled ? try(local.config.slack.secret, "hammer/slack") : "",
  ]))
}

# As library/aws/issue_table.py defines it.
resource "aws_dynamodb_table" "issues" {
  name                        = local.table
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "account_id"
  range_key                   = "issue_id"
  deletion_protection_enabled = var.protect_data

  dynamic "attribute" {
    for_each = ["account_id", "issue_id", "status", "open_region"]
    content {
      name = attribute.value
      type = "S"
    }
  }

  local_secondary_index {
    name            = "by_status"
    range_key       = "status"
    projection_type = "ALL"
  }

  local_secondary_index {
    name            = "by_open_region"
    range_key       = "open_region"
    projection_type = "ALL"
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}

resource "aws_secretsmanager_secret" "client" {
  for_each = local.secrets

  name        = each.value
  description = "Read by Hammer's reporting host. Its value is set by hand, never by Terraform."
  kms_key_id  = local.key_arn
}
