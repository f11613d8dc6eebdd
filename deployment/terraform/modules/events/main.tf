# In one account: the rules, in every region, that send CloudTrail's calls about security groups to Hammer's bus.
data "aws_caller_identity" "current" {}

locals {
  # One list with the StackSets' template and Hammer's code; tests hold them together.
  calls = jsondecode(file("${path.module}/../../../events/calls.json"))
  patterns = merge(
    {
      "security-group-events" = {
        source      = ["aws.ec2"]
        detail-type = ["AWS API Call via CloudTrail"]
        detail = {
          eventSource = ["ec2.amazonaws.com"]
          eventName   = local.calls
          errorCode   = [{ exists = false }]
        }
      }
    },
    var.forward_inspector ? { "inspector-findings" = var.inspector_finding_pattern } : {},
  )
  rules = {
    for pair in setproduct(keys(local.patterns), var.regions) : "${pair[0]}/${pair[1]}" => { pattern = pair[0], region = pair[1] }
  }
}

resource "aws_iam_role" "events" {
  name                 = var.role_name
  path                 = var.iam_path
  permissions_boundary = var.permissions_boundary_arn
  description          = "EventBridge sends events to Hammer's bus"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "events" {
  name = "send-events"
  role = aws_iam_role.events.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "SendEvents"
      Effect   = "Allow"
      Action   = "events:PutEvents"
      Resource = var.event_bus_arn
    }]
  })
}

resource "aws_cloudwatch_event_rule" "events" {
  for_each = local.rules

  region        = each.value.region
  name          = "${var.prefix}-${each.value.pattern}"
  description   = "To Hammer's bus"
  event_pattern = jsonencode(local.patterns[each.value.pattern])
}

# EventBridge itself tries again for 24 hours. What is lost after that, the next scan sees.
resource "aws_cloudwatch_event_target" "events" {
  for_each = local.rules

  region    = each.value.region
  rule      = aws_cloudwatch_event_rule.events[each.key].name
  target_id = "hammer"
  arn       = var.event_bus_arn
  role_arn  = aws_iam_role.events.arn
}

# An alarm tells a topic of its own region alone.
resource "aws_cloudwatch_metric_alarm" "failed_invocations" {
  for_each = { for key, rule in local.rules : key => rule if contains(keys(var.alarm_topic_arns), rule.region) }

  region              = each.value.region
  alarm_name          = "${aws_cloudwatch_event_rule.events[each.key].name}-failed-invocations"
  alarm_description   = "EventBridge cannot send to Hammer's bus. The next scan sees what this rule does not tell."
  namespace           = "AWS/Events"
  metric_name         = "FailedInvocations"
  dimensions          = { RuleName = aws_cloudwatch_event_rule.events[each.key].name }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arns[each.value.region]]
}
