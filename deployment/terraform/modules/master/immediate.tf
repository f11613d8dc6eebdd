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

resource "aws_sqs_queue_redrive_allow_policy" "immediate" {
  for_each = local.immediate

  queue_url            = aws_sqs_queue.immediate_dead_letters[each.key].id
  redrive_allow_policy = jsonencode({ redrivePermission = "byQueue", sourceQueueArns = [aws_sqs_queue.immediate[each.key].arn] })
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
