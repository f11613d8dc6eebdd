locals {
  # Keys are the names of the zips, and of the functions where the prefix is "hammer".
  functions = {
    "hammer-initiate-security-groups" = {
      role    = "initiate"
      module  = "identification.initiate_security_groups"
      timeout = 300
      memory  = 512
      environment = {
        SNS_ARN               = aws_sns_topic.scans.arn
        SCAN_INTERVAL_MINUTES = tostring(var.scan_interval_minutes)
      }
    }
    "hammer-describe-security-groups" = {
      role    = "identification"
      module  = "identification.describe_security_groups"
      timeout = 300
      memory  = 1024
      environment = merge(
        { HAMMER_HOST_ROLE = aws_iam_role.host.name, SCAN_INTERVAL_MINUTES = tostring(var.scan_interval_minutes) },
        local.immediate_queue == "" ? {} : { HAMMER_IMMEDIATE_QUEUE = local.immediate_queue },
      )
    }
    "hammer-receive-security-group-events" = {
      role    = "identification"
      module  = "identification.receive_security_group_events"
      timeout = 120
      memory  = 512
      environment = {
        SNS_ARN          = aws_sns_topic.scans.arn
        HAMMER_HOST_ROLE = aws_iam_role.host.name
      }
    }
    "hammer-filter-inspector-findings" = {
      role        = "filter"
      module      = "identification.filter_inspector_findings"
      timeout     = 120
      memory      = 512
      environment = { FINDINGS_SNS_ARN = aws_sns_topic.findings.arn }
    }
  }
  names = { for key in keys(local.functions) : key => replace(key, "/^hammer/", var.prefix) }
}

resource "aws_lambda_function" "hammer" {
  for_each = local.functions

  function_name    = local.names[each.key]
  role             = aws_iam_role.function[each.value.role].arn
  handler          = "${each.value.module}.lambda_handler"
  runtime          = "python3.13"
  architectures    = [var.architecture]
  filename         = "${var.package_folder}/${each.key}.zip"
  source_code_hash = filebase64sha256("${var.package_folder}/${each.key}.zip")
  timeout          = each.value.timeout
  memory_size      = each.value.memory
  kms_key_arn      = local.key_arn

  reserved_concurrent_executions = lookup(var.reserved_concurrency, each.key, -1)
  code_signing_config_arn        = var.code_signing_config_arn

  environment {
    variables = merge(
      var.environment,
      each.value.environment,
      # Not among the others: the queue has its visibility timeout from there. A group of which an event told is
      # scanned again after five minutes.
      each.key == "hammer-receive-security-group-events" ? {
        SCAN_QUEUE_URL = aws_sqs_queue.work["hammer-describe-security-groups"].id
      } : {},
      { HAMMER_CONFIG = "s3://${local.bucket}/config" },
    )
  }

  dead_letter_config {
    target_arn = aws_sqs_queue.dead_letters[each.key].arn
  }

  dynamic "vpc_config" {
    for_each = var.vpc_config == null ? [] : [var.vpc_config]
    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  depends_on = [
    aws_cloudwatch_log_group.function,
    aws_iam_role_policy.function,
    aws_iam_role_policy_attachment.function_in_vpc,
    aws_s3_object.config,
  ]
}

resource "aws_cloudwatch_log_group" "function" {
  for_each = local.functions

  name              = "/aws/lambda/${local.names[each.key]}"
  retention_in_days = var.log_retention_days
  kms_key_id        = local.key_arn
}

# What a function could not do after every retry, and what could not be delivered to it.
resource "aws_sqs_queue" "dead_letters" {
  for_each = local.functions

  name                      = "${local.names[each.key]}-dead-letters"
  message_retention_seconds = 1209600
  kms_master_key_id         = local.key_arn
}

# What queues hand over comes from the function's own queue; topics, rules and functions need no such leave.
resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  for_each = local.functions

  queue_url = aws_sqs_queue.dead_letters[each.key].id
  redrive_allow_policy = jsonencode(merge(
    { redrivePermission = contains(keys(local.queues), each.key) ? "byQueue" : "denyAll" },
    contains(keys(local.queues), each.key) ? { sourceQueueArns = [aws_sqs_queue.work[each.key].arn] } : {},
  ))
}

resource "aws_sqs_queue_policy" "dead_letters" {
  for_each = local.functions

  queue_url = aws_sqs_queue.dead_letters[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "FromTopicsAndRules"
        Effect    = "Allow"
        Principal = { Service = ["events.amazonaws.com", "sns.amazonaws.com"] }
        Action    = "sqs:SendMessage"
        Resource  = aws_sqs_queue.dead_letters[each.key].arn
        Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = "sqs:*"
        Resource  = aws_sqs_queue.dead_letters[each.key].arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

# The schedule starts initiation.
resource "aws_cloudwatch_event_rule" "scan" {
  name                = local.names["hammer-initiate-security-groups"]
  description         = "Scan every account and region"
  schedule_expression = "rate(${var.scan_interval_minutes} minutes)"
}

resource "aws_cloudwatch_event_target" "scan" {
  rule      = aws_cloudwatch_event_rule.scan.name
  target_id = "hammer"
  arn       = aws_lambda_function.hammer["hammer-initiate-security-groups"].arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters["hammer-initiate-security-groups"].arn
  }
}

resource "aws_lambda_permission" "scan" {
  statement_id  = "schedule"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.hammer["hammer-initiate-security-groups"].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.scan.arn
}
