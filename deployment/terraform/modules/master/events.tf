# The way of events: a rule in each account and region → this bus → a queue → hammer-receive-security-group-events.
resource "aws_cloudwatch_event_bus" "hammer" {
  name = "${var.prefix}-events"
}

locals {
  # The policy of a bus holds 10 KB: some 250 accounts (EventBridge quotas).
  accounts_in_policy = 200
  in_list            = local.in_organization ? [] : [for account in keys(local.config.aws.accounts) : account if account != local.account_id && !startswith(account, "__")]
  senders = {
    for name, statement in {
      TheAccountItself = { Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" } }
      Accounts         = { Principal = { AWS = [for account in local.in_list : "arn:${local.partition}:iam::${account}:root"] } }
      Organization = {
        Principal = { AWS = "*" }
        Condition = { StringEquals = { "aws:PrincipalOrgID" = var.organization_id } }
      }
    } : name => statement
    if anytrue([
      name == "TheAccountItself",
      name == "Accounts" && length(local.in_list) > 0 && length(local.in_list) <= local.accounts_in_policy,
      name == "Organization" && var.organization_id != null,
    ])
  }
}

resource "aws_cloudwatch_event_bus_policy" "hammer" {
  event_bus_name = aws_cloudwatch_event_bus.hammer.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for name, sender in local.senders : merge(
        { Sid = name, Effect = "Allow", Action = "events:PutEvents", Resource = aws_cloudwatch_event_bus.hammer.arn },
        sender,
      )
    ]
  })

  lifecycle {
    precondition {
      condition     = length(local.in_list) <= local.accounts_in_policy || var.organization_id != null
      error_message = "The policy of a bus does not hold so many accounts: set organization_id."
    }
  }
}

check "senders_of_events" {
  assert {
    condition     = !local.in_organization || var.organization_id != null
    error_message = "aws.accounts is \"organization\" and organization_id is not set: the bus takes events of the main account alone, and changes elsewhere are seen by the next scan."
  }
}

# The main account's own events, those of Inspector among them: it may be Inspector's delegated administrator.
module "own_events" {
  source = "../events"

  alarm_topic_arns          = { (local.region) = aws_sns_topic.alarms.arn }
  event_bus_arn             = aws_cloudwatch_event_bus.hammer.arn
  forward_inspector         = true
  iam_path                  = var.iam_path
  permissions_boundary_arn  = var.permissions_boundary_arn
  prefix                    = var.prefix
  regions                   = local.own_regions
  role_name                 = "${var.prefix}-cloudsec-master-events"
  inspector_finding_pattern = local.inspector_pattern
}

resource "aws_cloudwatch_event_rule" "security_group_events" {
  name           = local.names["hammer-receive-security-group-events"]
  description    = "CloudTrail's calls that change security groups or their use"
  event_bus_name = aws_cloudwatch_event_bus.hammer.name
  event_pattern = jsonencode({
    source      = ["aws.ec2"]
    detail-type = ["AWS API Call via CloudTrail"]
  })
}

resource "aws_cloudwatch_event_target" "security_group_events" {
  rule           = aws_cloudwatch_event_rule.security_group_events.name
  event_bus_name = aws_cloudwatch_event_bus.hammer.name
  target_id      = "hammer"
  arn            = aws_sqs_queue.work["hammer-receive-security-group-events"].arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters["hammer-receive-security-group-events"].arn
  }
}
