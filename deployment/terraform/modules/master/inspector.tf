locals {
  # Unless the configuration asks for findings of other types, too, they need not even start the function.
  inspector_pattern = merge(
    {
      source      = ["aws.inspector2"]
      detail-type = ["Inspector2 Finding"]
    },
    try(local.config.inspector.other_findings, "ignore") == "pass" ? {} : {
      detail = { type = ["NETWORK_REACHABILITY"] }
    },
  )
}

# Findings of every region come by the bus (events.tf).
resource "aws_cloudwatch_event_rule" "inspector" {
  name           = local.names["hammer-filter-inspector-findings"]
  description    = "Amazon Inspector findings, of member accounts, too, where this is the delegated administrator"
  event_bus_name = aws_cloudwatch_event_bus.hammer.name
  event_pattern  = jsonencode(local.inspector_pattern)
}

resource "aws_cloudwatch_event_target" "inspector" {
  rule           = aws_cloudwatch_event_rule.inspector.name
  event_bus_name = aws_cloudwatch_event_bus.hammer.name
  target_id      = "hammer"
  arn            = aws_lambda_function.hammer["hammer-filter-inspector-findings"].arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters["hammer-filter-inspector-findings"].arn
  }
}

resource "aws_lambda_permission" "inspector" {
  statement_id  = "inspector"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.hammer["hammer-filter-inspector-findings"].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.inspector.arn
}

resource "aws_sns_topic_subscription" "inspector_classic" {
  count = var.inspector_classic_topic_arn == "" ? 0 : 1

  topic_arn      = var.inspector_classic_topic_arn
  protocol       = "lambda"
  endpoint       = aws_lambda_function.hammer["hammer-filter-inspector-findings"].arn
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead_letters["hammer-filter-inspector-findings"].arn })
}

resource "aws_lambda_permission" "inspector_classic" {
  count = var.inspector_classic_topic_arn == "" ? 0 : 1

  statement_id  = "inspector-classic"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.hammer["hammer-filter-inspector-findings"].function_name
  principal     = "sns.amazonaws.com"
  source_arn    = var.inspector_classic_topic_arn
}
