data "aws_partition" "current" {}

data "aws_regions" "enabled" {}

locals {
  # Terraform reads the names of things where Hammer does.
  config_file = one([
    for name in fileset(var.config_folder, "config.*") : name if can(regex("^config\\.(json|yaml|yml)$", name))
  ])
  # Files beside those of a configuration, but for hidden ones. They are not in the bucket, where a whitelist that is not there
  # is an empty one.
  beside = [
    for name in fileset(var.config_folder, "*") : name
    if !can(regex("^(config|whitelist|ticket_owners)[.](json|yaml|yml)$|^[.]", name))
  ]
  # What resembles their names: one letter wrong, one too many, one or two missing, or two in the wrong order.
  resembling = {
    for name, usual in { config = "configs?", whitelist = "white[ _-]?lists?", ticket_owners = "ticket[ _-]?owners?" } :
    name => join("|", concat([usual, "${name}."], flatten([
      for at in range(length(name)) : [
        "${substr(name, 0, at)}.?${substr(name, at + 1, -1)}",
        "${substr(name, 0, at)}.${substr(name, at, -1)}",
        "${substr(name, 0, at)}(${substr(name, at + 1, 1)}${substr(name, at, 1)})?${substr(name, at + 2, -1)}",
      ]
    ])))
  }
  # Hammer refuses such files, where it sees them. In other formats they are no matter, where the right one is there.
  misnamed = distinct(flatten([
    for name, pattern in local.resembling : [
      for other in local.beside : other
      if can(regex("(?i)^(${pattern})[.](json|yaml|yml)$", other)) ||
      can(regex("(?i)^(${pattern})([.][^.]*)?$", other)) && length(fileset(var.config_folder, "${name}.{json,yaml,yml}")) == 0
    ]
  ]))
  # The others of the configuration's formats, which Hammer names and does not read.
  unread = [
    for name in local.beside : name
    if can(regex("(?i)[.](json|yaml|yml)$", name)) && !contains(local.misnamed, name)
  ]
  config_text = file("${var.config_folder}/${local.config_file}")
  # JSON first: not all of it is YAML, such as "https:\/\/…". Of YAML Hammer refuses what Terraform would read otherwise, such
  # as an account id with a leading zero and without quotes (library/config/yaml_text.py).
  config = try(jsondecode(local.config_text), yamldecode(local.config_text))

  # Anything else stops Terraform here.
  account_id = regex("^[0-9]{12}$", local.config.aws.main_account_id)
  region     = local.config.aws.region
  partition  = data.aws_partition.current.partition
  # Service principals of EC2 and CloudWatch Logs end in it: amazonaws.com.cn in China.
  dns_suffix = data.aws_partition.current.dns_suffix
  table      = local.config.secgrp_unrestricted_access["ddb.table_name"]
  bucket     = local.config.aws.s3_backup_bucket
  # Where the host may write reports: in a folder that holds nothing else.
  given_prefix = try(local.config.publishing.prefix, "reports/")
  reports_prefix = (
    can(regex("^([A-Za-z0-9_=-][A-Za-z0-9_.=-]*/)+([A-Za-z0-9_=-][A-Za-z0-9_.=-]*)?$", local.given_prefix)) &&
    !can(regex("^(closing|config|host|security_groups)/", local.given_prefix))
  ) ? local.given_prefix : "reports/"
  # The configuration takes a list as one text, too, and a map from account ids, or "*", to lists, as library.config.models.Aws
  # has it: one list without an entry, and an account that the map does not name, mean every region that is enabled in the
  # main account.
  enabled_regions = tolist(data.aws_regions.enabled.names)
  given_regions   = try(local.config.aws.regions, [])
  by_account      = can(keys(local.given_regions))
  regions_of = {
    for account in try(keys(local.given_regions), ["*"]) :
    account => [
      for region in try(
        split(",", local.given_regions[account]), tolist(local.given_regions[account]),
        split(",", local.given_regions), tolist(local.given_regions),
      ) : trimspace(region) if trimspace(region) != ""
    ]
    if !startswith(account, "__")
  }
  names_every_account = can(local.regions_of["*"]) && (local.by_account || length(flatten(values(local.regions_of))) > 0)
  of_the_others       = local.names_every_account ? tolist(local.regions_of["*"]) : local.enabled_regions
  listed_regions      = concat(flatten(values(local.regions_of)), local.of_the_others)
  listed_own          = local.by_account ? try(local.regions_of[local.account_id], local.of_the_others) : local.of_the_others
  # Of all accounts, and of the main account.
  regions     = toset(concat([local.region], local.listed_regions))
  own_regions = toset(concat([local.region], local.listed_own))

  in_organization = try(local.config.aws.accounts == "organization", false)
  # The configuration takes booleans as text, too, in any case.
  jira_enabled  = lower(try(local.config.jira.enabled, false)) == "true"
  slack_enabled = lower(try(local.config.slack.enabled, false)) == "true"
  # As library.config.models.Webhook.is_on has it.
  webhook_enabled = try(local.config.webhook.url, "") != "" && lower(try(local.config.webhook.enabled, true)) == "true"
  secrets = toset(compact([
    local.jira_enabled ? try(local.config.jira.secret, "hammer/jira") : "",
    local.slack_enabled ? try(local.config.slack.secret, "hammer/slack") : "",
    local.webhook_enabled ? try(local.config.webhook.secret, "hammer/webhook") : "",
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
    enabled     = true
    kms_key_arn = var.table_kms_key_arn
  }

  # As for the bucket: where the table refuses to be destroyed, the secrets stay.
  depends_on = [aws_secretsmanager_secret.client]
}

resource "aws_secretsmanager_secret" "client" {
  for_each = local.secrets

  name        = each.value
  description = "Read by Hammer's reporting host. Its value is set by hand, never by Terraform."
  kms_key_id  = local.key_arn
}
