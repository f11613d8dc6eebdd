# Two functions take their work from queues: scan targets from the topic, and events from the bus.
locals {
  queues = {
    "hammer-describe-security-groups" = {
      delay_seconds = 0
      sender        = "sns.amazonaws.com"
      source_arn    = aws_sns_topic.scans.arn
      # Targets of one account follow each other, so that one batch assumes its role once.
      batch_size          = 10
      batching_window     = 2
      maximum_concurrency = var.scan_concurrency
    }
    "hammer-receive-security-group-events" = {
      # EC2 may show a change only after some seconds, and a burst of changes is one look.
      delay_seconds       = var.event_delay_seconds
      sender              = "events.amazonaws.com"
      source_arn          = aws_cloudwatch_event_rule.security_group_events.arn
      batch_size          = 500
      batching_window     = 5
      maximum_concurrency = 2
    }
  }
}

resource "aws_sqs_queue" "work" {
  for_each = local.queues

  name              = local.names[each.key]
  kms_master_key_id = local.key_arn
  delay_seconds     = each.value.delay_seconds
  # AWS recommends six times the function's timeout: a batch that is being worked on must not be given out again.
  visibility_timeout_seconds = 6 * local.functions[each.key].timeout
  message_retention_seconds  = 86400
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters[each.key].arn
    maxReceiveCount     = 3
  })
}

resource "aws_sqs_queue_policy" "work" {
  for_each = local.queues

  queue_url = aws_sqs_queue.work[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "FromItsSource"
        Effect    = "Allow"
        Principal = { Service = each.value.sender }
        Action    = "sqs:SendMessage"
        Resource  = aws_sqs_queue.work[each.key].arn
        Condition = { ArnEquals = { "aws:SourceArn" = each.value.source_arn } }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = "sqs:*"
        Resource  = aws_sqs_queue.work[each.key].arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

# What Lambda throttles counts as received, and after three times a message that nobody looked at is a dead letter: no more
# is taken at once than the function has concurrency for, and nothing where it has none.
locals {
  reserved = { for key in keys(local.queues) : key => lookup(var.reserved_concurrency, key, -1) }
  batches_at_once = {
    for key, queue in local.queues : key => local.reserved[key] < 0 ? queue.maximum_concurrency : min(queue.maximum_concurrency, local.reserved[key])
  }
}

resource "aws_lambda_event_source_mapping" "work" {
  for_each = local.queues

  event_source_arn                   = aws_sqs_queue.work[each.key].arn
  function_name                      = aws_lambda_function.hammer[each.key].arn
  batch_size                         = each.value.batch_size
  maximum_batching_window_in_seconds = each.value.batching_window
  function_response_types            = ["ReportBatchItemFailures"]
  enabled                            = local.batches_at_once[each.key] > 0

  scaling_config {
    maximum_concurrency = max(2, local.batches_at_once[each.key]) # the least that Lambda takes
  }
}
