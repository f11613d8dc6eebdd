data "aws_partition" "current" {}

locals {
  # Terraform reads the names of things where Hammer does. JSON is YAML, so this reads every format.
  config_file = one([
    for name in fileset(var.config_folder, "config.*") : name if can(regex("^config\\.(json|yaml|yml)$", name))
  ])
  config = yamldecode(file("${var.config_folder}/${local.config_file}"))

  account_id = local.config.aws.main_account_id
  region     = local.config.aws.region
  partition  = data.aws_partition.current.partition
  table      = local.config.secgrp_unrestricted_access["ddb.table_name"]
  bucket     = local.config.aws.s3_backup_bucket

  in_organization = try(local.config.aws.accounts == "organization", false)
  # The configuration takes booleans as text, too.
  jira_enabled  = tostring(try(local.config.jira.enabled, false)) == "true"
  slack_enabled = tostring(try(local.config.slack.enabled, false)) == "true"
  secrets = toset(compact([
    local.jira_enabled ? try(local.config.jira.secret, "hammer/jira") : "",
    local.slack_enabled ? try(local.config.slack.secret, "hammer/slack") : "",
  ]))
}

# What one key encrypts: topics, queues, logs, the bucket, secrets, the functions' environment. The table has
# the key that AWS keeps for DynamoDB, which asks no further permission of whoever may read the table.
resource "aws_kms_key" "hammer" {
  description             = "Hammer's topics, queues, logs, bucket and secrets"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TheAccountDecidesThroughIam"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid    = "ServicesThatSendToQueuesAndTopics"
        Effect = "Allow"
        Principal = {
          Service = ["cloudwatch.amazonaws.com", "events.amazonaws.com", "sns.amazonaws.com"]
        }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
      },
      {
        Sid       = "LogGroups"
        Effect    = "Allow"
        Principal = { Service = "logs.${local.region}.amazonaws.com" }
        Action    = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        Resource  = "*"
        Condition = {
          ArnLike = {
            "kms:EncryptionContext:aws:logs:arn" = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/*"
          }
        }
      },
    ]
  })
}

resource "aws_kms_alias" "hammer" {
  name          = "alias/hammer"
  target_key_id = aws_kms_key.hammer.key_id
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
  kms_key_id  = aws_kms_key.hammer.arn
}
