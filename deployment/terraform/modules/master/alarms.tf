locals {
  host_log_group = "/aws/ec2/${var.prefix}-reporting-remediation"
  namespace      = var.prefix == "hammer" ? "Hammer" : var.prefix
  # The jobs that the host runs: those that the configuration gives a time.
  host_jobs = var.host == null ? {} : merge(
    {
      for job, hours in {
        publishing  = var.missing_after_hours.publishing
        remediation = var.missing_after_hours.remediation
        reporting   = var.missing_after_hours.reporting
      } :
      job => hours if try(local.config.cronjobs[job], "") != ""
    },
    # Every minute, while the configuration names a severity (deployment/systemd_timers.py).
    local.runs_at_once ? { immediate = 1 } : {},
  )
  runs_at_once = alltrue([
    var.immediate_remediation,
    tostring(try(local.config.secgrp_unrestricted_access.remediation, false)) == "true",
    anytrue([
      for severities in values(try(local.config.secgrp_unrestricted_access.remediation_immediate, {})) : length(severities) > 0
    ]),
  ])

  # Metrics made of log lines: which group, which lines, and what they count.
  log_metrics = {
    StaleScanTargets = {
      log_group = aws_cloudwatch_log_group.function["hammer-initiate-security-groups"].name
      pattern   = "{ $.stale_scan_targets = * }"
      value     = "$.stale_scan_targets"
    }
    NeverScannedTargets = {
      log_group = aws_cloudwatch_log_group.function["hammer-initiate-security-groups"].name
      pattern   = "{ $.never_scanned_targets = * }"
      value     = "$.never_scanned_targets"
    }
    RemediationStoppedAtLimit = {
      log_group = aws_cloudwatch_log_group.host.name
      pattern   = "{ $.stopped_at_limit IS TRUE }"
      value     = "1"
    }
    # deployment/run_ended.py logs a line for each run of a job, however it ended.
    ReportingRuns = {
      log_group = aws_cloudwatch_log_group.host.name
      pattern   = "{ $.run_ended = \"reporting\" }"
      value     = "1"
    }
    RemediationRuns = {
      log_group = aws_cloudwatch_log_group.host.name
      pattern   = "{ $.run_ended = \"remediation\" }"
      value     = "1"
    }
    PublishingRuns = {
      log_group = aws_cloudwatch_log_group.host.name
      pattern   = "{ $.run_ended = \"publishing\" }"
      value     = "1"
    }
    ImmediateRuns = {
      log_group = aws_cloudwatch_log_group.host.name
      pattern   = "{ $.run_ended = \"immediate\" }"
      value     = "1"
    }
    PartialRuns = {
      log_group = aws_cloudwatch_log_group.host.name
      pattern   = "{ $.outcome = \"partial\" }"
      value     = "1"
    }
    FailedRuns = {
      log_group = aws_cloudwatch_log_group.host.name
      pattern   = "{ $.outcome = \"failed\" }"
      value     = "1"
    }
  }
  run_metrics = {
    immediate   = "ImmediateRuns"
    publishing  = "PublishingRuns"
    remediation = "RemediationRuns"
    reporting   = "ReportingRuns"
  }
  run_alarms = {
    partial = {
      metric      = "PartialRuns"
      description = "A job of the host did not do all of its work: the log group of the host names what was left."
    }
    failed = {
      metric      = "FailedRuns"
      description = "A job of the host failed: its configuration is wrong, it crashed, or it was killed."
    }
  }
}

resource "aws_cloudwatch_log_metric_filter" "hammer" {
  for_each = local.log_metrics

  name           = each.key
  log_group_name = each.value.log_group
  pattern        = each.value.pattern

  metric_transformation {
    namespace = local.namespace
    name      = each.key
    value     = each.value.value
  }
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  for_each = merge(
    {
      for function in keys(local.functions) : function => {
        queue       = aws_sqs_queue.dead_letters[function].name
        description = "Something could not be done after every retry: read the queue and the function's log, mend the cause, redrive."
      }
    },
    {
      for immediate in keys(local.immediate) : immediate => {
        queue       = aws_sqs_queue.immediate_dead_letters[immediate].name
        description = "A group was not remediated at once, after an hour of attempts: the log group of the host says why. See the runbook."
      }
    },
  )

  alarm_name          = each.value.queue
  alarm_description   = each.value.description
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = each.value.queue }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  for_each = local.functions

  alarm_name          = "${local.names[each.key]}-errors"
  alarm_description   = "The function failed: its log says at what, account and region among it."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = local.names[each.key] }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

# Initiation counts, at every run, the accounts and regions whose last scan is older than three intervals. No
# count in two intervals means that initiation itself does not run.
resource "aws_cloudwatch_metric_alarm" "stale" {
  alarm_name          = "${var.prefix}-not-scanned"
  alarm_description   = "An account or region was not scanned for three intervals, or initiation does not run. The log of hammer-initiate-security-groups names them."
  namespace           = local.namespace
  metric_name         = "StaleScanTargets"
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = var.scan_interval_minutes * 60 * 2
  evaluation_periods  = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# Three runs in a row: an account that was added just now has had no time.
resource "aws_cloudwatch_metric_alarm" "never_scanned" {
  alarm_name          = "${var.prefix}-never-scanned"
  alarm_description   = "For three intervals there has been an account or region that was never scanned. The log of hammer-initiate-security-groups names it."
  namespace           = local.namespace
  metric_name         = "NeverScannedTargets"
  statistic           = "Minimum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = var.scan_interval_minutes * 60
  evaluation_periods  = min(3, floor(1440 / var.scan_interval_minutes))
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "remediation_limit" {
  alarm_name          = "${var.prefix}-remediation-limit"
  alarm_description   = "A remediation run stopped at remediation_limit_per_run: look at what it was about to change before the next run goes on."
  namespace           = local.namespace
  metric_name         = "RemediationStoppedAtLimit"
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

# Scan targets must be done before the next scan; an event is worth little when it is old.
resource "aws_cloudwatch_metric_alarm" "waiting" {
  for_each = merge(
    {
      for function in keys(local.queues) : function => {
        queue       = aws_sqs_queue.work[function].name
        seconds     = function == "hammer-receive-security-group-events" ? 600 : var.scan_interval_minutes * 60
        description = "The oldest message has waited for long: the function fails, is throttled, or has more to do than scan_concurrency allows."
      }
    },
    {
      for immediate in keys(local.immediate) : immediate => {
        queue       = aws_sqs_queue.immediate[immediate].name
        seconds     = 1800
        description = "A group has waited for half an hour to be remediated at once: the host is away, or its runs fail."
      }
    },
  )

  alarm_name          = "${each.value.queue}-waiting"
  alarm_description   = each.value.description
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = each.value.queue }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.seconds
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "missing_run" {
  for_each = local.host_jobs

  alarm_name          = "${var.prefix}-${each.key}-missing"
  alarm_description   = "No run of this job has ended for ${each.value} hours: the host is away, or its timer does not start it."
  namespace           = local.namespace
  metric_name         = local.run_metrics[each.key]
  statistic           = "Sum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 3600
  evaluation_periods  = each.value
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "run" {
  for_each = var.host == null ? {} : local.run_alarms

  alarm_name          = "${var.prefix}-run-${each.key}"
  alarm_description   = each.value.description
  namespace           = local.namespace
  metric_name         = each.value.metric
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_dashboard" "hammer" {
  dashboard_name = var.prefix
  dashboard_body = jsonencode({
    widgets = [
      for number, widget in [
        { title = "Accounts and regions not scanned", stat = "Maximum", metrics = [
          [local.namespace, "StaleScanTargets"], [local.namespace, "NeverScannedTargets"],
        ] },
        { title = "Dead letters", stat = "Maximum", metrics = [
          for name in values(local.names) : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "${name}-dead-letters"]
        ] },
        { title = "Invocations", stat = "Sum", metrics = [
          for name in values(local.names) : ["AWS/Lambda", "Invocations", "FunctionName", name]
        ] },
        { title = "Errors", stat = "Sum", metrics = [
          for name in values(local.names) : ["AWS/Lambda", "Errors", "FunctionName", name]
        ] },
        { title = "Longest run, ms", stat = "Maximum", metrics = [
          for name in values(local.names) : ["AWS/Lambda", "Duration", "FunctionName", name]
        ] },
        { title = "Table, consumed units", stat = "Sum", metrics = [
          ["AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", local.table],
          ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", local.table],
        ] },
        ] : {
        type   = "metric"
        x      = 12 * (number % 2)
        y      = 6 * floor(number / 2)
        width  = 12
        height = 6
        properties = {
          title   = widget.title
          region  = local.region
          stat    = widget.stat
          period  = 300
          view    = "timeSeries"
          metrics = widget.metrics
        }
      }
    ]
  })
}
