# What one key encrypts: topics, queues, logs, the bucket, secrets, the functions' environment. The table has
# the key that AWS keeps for DynamoDB, which asks no further permission of whoever may read the table, or table_kms_key_arn.
locals {
  key_arn = var.kms_key_arn == null ? aws_kms_key.hammer[0].arn : var.kms_key_arn
  # What the policy of a key needs beside the usual statement for its account.
  key_statements = [
    {
      Sid       = "AlarmsAndTopics"
      Effect    = "Allow"
      Principal = { Service = ["cloudwatch.amazonaws.com", "sns.amazonaws.com"] }
      Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      Resource  = "*"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    },
    # EventBridge sends no aws:SourceAccount to KMS (SNS Developer Guide, "Enabling compatibility between event sources"): with
    # that condition no event would arrive, and no dead letter either. The queues' policies name the rules.
    {
      Sid       = "RulesThatSendToQueues"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      Resource  = "*"
    },
    {
      Sid       = "LogGroups"
      Effect    = "Allow"
      Principal = { Service = "logs.${local.region}.${local.dns_suffix}" }
      Action    = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      Resource  = "*"
      Condition = {
        ArnLike = {
          "kms:EncryptionContext:aws:logs:arn" = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/*"
        }
      }
    },
  ]
}

resource "aws_kms_key" "hammer" {
  count = var.kms_key_arn == null ? 1 : 0

  description             = "Hammer's topics, queues, logs, bucket and secrets"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "TheAccountDecidesThroughIam"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      }],
      [for statement in local.key_statements : statement],
    )
  })
}

resource "aws_kms_alias" "hammer" {
  count = var.kms_key_arn == null ? 1 : 0

  name          = "alias/${var.prefix}"
  target_key_id = aws_kms_key.hammer[0].key_id
}

# Version 0.1.0 always made the key.
moved {
  from = aws_kms_key.hammer
  to   = aws_kms_key.hammer[0]
}

moved {
  from = aws_kms_alias.hammer
  to   = aws_kms_alias.hammer[0]
}
