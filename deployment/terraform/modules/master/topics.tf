locals {
  topics = {
    scans    = aws_sns_topic.scans.arn
    findings = aws_sns_topic.findings.arn
    alarms   = aws_sns_topic.alarms.arn
  }
}

# Initiation publishes a message for each account and region, and the receiver of events one for groups that changed.
resource "aws_sns_topic" "scans" {
  name              = "${var.prefix}-describe-security-groups"
  kms_master_key_id = local.key_arn
}

resource "aws_sns_topic_subscription" "scans" {
  topic_arn            = aws_sns_topic.scans.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.work["hammer-describe-security-groups"].arn
  raw_message_delivery = true
  redrive_policy       = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead_letters["hammer-describe-security-groups"].arn })
}

# What is left of the findings, for people and bots to subscribe to.
resource "aws_sns_topic" "findings" {
  name              = "${var.prefix}-inspector-findings"
  kms_master_key_id = local.key_arn
}

resource "aws_sns_topic_subscription" "findings" {
  for_each = var.findings_emails

  topic_arn = aws_sns_topic.findings.arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.prefix}-alarms"
  kms_master_key_id = local.key_arn
}

resource "aws_sns_topic_subscription" "alarms" {
  for_each = var.alarm_emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

# The policy that SNS gives a topic by itself, and TLS only.
resource "aws_sns_topic_policy" "hammer" {
  for_each = local.topics

  arn = each.value
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TheAccountItself"
        Effect    = "Allow"
        Principal = { AWS = "*" }
        Action = [
          "sns:AddPermission",
          "sns:DeleteTopic",
          "sns:GetTopicAttributes",
          "sns:ListSubscriptionsByTopic",
          "sns:Publish",
          "sns:RemovePermission",
          "sns:SetTopicAttributes",
          "sns:Subscribe",
        ]
        Resource  = each.value
        Condition = { StringEquals = { "AWS:SourceOwner" = local.account_id } }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = "sns:Publish"
        Resource  = each.value
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}
