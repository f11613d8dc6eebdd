# Immediate mode (remediation_immediate): a look that finds a group to be remediated at once asks the host for a run, by a
# message in this queue. The host's timer takes it within a minute.
locals {
  immediate = var.immediate_remediation ? { immediate = "${var.prefix}-immediate-remediation" } : {}
  # Its URL; empty: there is none.
  immediate_queue = join("", [for queue in aws_sqs_queue.immediate : queue.id])
}

resource "aws_sqs_queue" "immediate" {
  for_each = local.immediate

  name              = each.value
  kms_master_key_id = local.key_arn
  # What a run could not do comes again after this time, twelve times: as long as another run may hold the lock.
  visibility_timeout_seconds = 300
  message_retention_seconds  = 86400
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.immediate_dead_letters[each.key].arn
    maxReceiveCount     = 12
  })
}

resource "aws_sqs_queue" "immediate_dead_letters" {
  for_each = local.immediate

  name                      = "${each.value}-dead-letters"
  message_retention_seconds = 1209600
  kms_master_key_id         = local.key_arn
}

resource "aws_sqs_queue_policy" "immediate" {
  for_each = { for queue in concat(values(aws_sqs_queue.immediate), values(aws_sqs_queue.immediate_dead_letters)) : queue.name => queue }

  queue_url = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = "sqs:*"
      Resource  = each.value.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_cloudwatch_metric_alarm" "immediate_dead_letters" {
  for_each = local.immediate

  alarm_name          = "${each.value}-dead-letters"
  alarm_description   = "A group was not remediated at once, after an hour of attempts: the log group of the host says why. See the runbook."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.immediate_dead_letters[each.key].name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "immediate_waiting" {
  for_each = local.immediate

  alarm_name          = "${each.value}-waiting"
  alarm_description   = "A group has waited for half an hour to be remediated at once: the host is away, or its runs fail."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = aws_sqs_queue.immediate[each.key].name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 1800
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
