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
    lower(try(local.config.secgrp_unrestricted_access.remediation, false)) == "true",
    anytrue([
      for account, severities in try(local.config.secgrp_unrestricted_access.remediation_immediate, {}) :
      anytrue([for severity in try(split(",", severities), severities) : trimspace(severity) != ""])
      if !startswith(account, "__")
    ]),
  ])

  # Whether the host holds a connection to Slack (deployment/systemd_timers.py).
  listens = alltrue([
    var.host != null,
    local.slack_enabled,
    lower(try(local.config.decisions.enabled, false)) == "true",
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
    # Of hammer listen: a line for each minute with a connection to Slack.
    ListenerConnected = {
      log_group = aws_cloudwatch_log_group.host.name
      pattern   = "{ $.connected_to_slack IS TRUE }"
      value     = "1"
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
    # Of hammer-timers, which runs at boot and every hour.
    TimerRuns = {
      log_group = aws_cloudwatch_log_group.host.name
      pattern   = "{ $.run_ended = \"timers\" }"
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

# Every alarm is a row: what it watches, and from what on it goes off. What a row leaves out is as in alarm_defaults.
locals {
  alarm_defaults = {
    namespace  = local.namespace
    dimensions = {}
    statistic  = "Sum"
    comparison = "GreaterThanThreshold"
    threshold  = 0
    period     = 300
    periods    = 1
    missing    = "notBreaching"
    # Whether it says when it is over, and whether it says that there is no data.
    says_over    = false
    says_missing = false
    # In place of one metric: what one host and its runs must be, as metric math.
    runs_metric = null
  }
  dead_letter_queues = merge(
    { for function in keys(local.functions) : function => aws_sqs_queue.dead_letters[function].name },
    { for immediate in keys(local.immediate) : immediate => aws_sqs_queue.immediate_dead_letters[immediate].name },
  )
  waiting_queues = merge(
    {
      for function in keys(local.queues) : function => {
        name        = aws_sqs_queue.work[function].name
        seconds     = function == "hammer-receive-security-group-events" ? 600 : var.scan_interval_minutes * 60
        description = "The oldest message has waited for long: the function fails, is throttled, or has more to do than scan_concurrency allows."
      }
    },
    {
      for immediate in keys(local.immediate) : immediate => {
        name        = aws_sqs_queue.immediate[immediate].name
        seconds     = 1800
        description = "A group has waited for half an hour to be remediated at once: the host is away, or its runs fail."
      }
    },
  )
  # Rules of a bus of one's own have metrics by its name, too (EventBridge User Guide, "Monitoring").
  rules = {
    (local.names["hammer-initiate-security-groups"]) = { RuleName = aws_cloudwatch_event_rule.scan.name }
    (local.names["hammer-receive-security-group-events"]) = {
      EventBusName = aws_cloudwatch_event_bus.hammer.name
      RuleName     = aws_cloudwatch_event_rule.security_group_events.name
    }
    (local.names["hammer-filter-inspector-findings"]) = {
      EventBusName = aws_cloudwatch_event_bus.hammer.name
      RuleName     = aws_cloudwatch_event_rule.inspector.name
    }
  }
  autoscaling_group = "${var.prefix}-reporting-remediation"

  alarms = merge(
    {
      for key, queue in local.dead_letter_queues : "dead-letters/${key}" => {
        name        = queue
        description = key == "immediate" ? "A group was not remediated at once, after an hour of attempts: the log group of the host says why. See the runbook." : "Something could not be done after every retry: read the queue and the function's log, mend the cause. The runbook says what becomes of what is in the queue."
        namespace   = "AWS/SQS"
        metric      = "ApproximateNumberOfMessagesVisible"
        dimensions  = { QueueName = queue }
        statistic   = "Maximum"
        says_over   = true
      }
    },
    # Scan targets must be done before the next scan; an event is worth little when it is old.
    {
      for key, queue in local.waiting_queues : "waiting/${key}" => {
        name        = "${queue.name}-waiting"
        description = queue.description
        namespace   = "AWS/SQS"
        metric      = "ApproximateAgeOfOldestMessage"
        dimensions  = { QueueName = queue.name }
        statistic   = "Maximum"
        threshold   = queue.seconds
        says_over   = true
      }
    },
    {
      for function, name in local.names : "errors/${function}" => {
        name        = "${name}-errors"
        description = "The function failed: its log says at what, account and region among it."
        namespace   = "AWS/Lambda"
        metric      = "Errors"
        dimensions  = { FunctionName = name }
      }
    },
    {
      for name, dimensions in local.rules : "failed-invocations/${name}" => {
        name        = "${name}-failed-invocations"
        description = "EventBridge cannot deliver what this rule matches: the target, its policy or its key refuses."
        namespace   = "AWS/Events"
        metric      = "FailedInvocations"
        dimensions  = dimensions
      }
    },
    {
      for name, dimensions in local.rules : "lost-invocations/${name}" => {
        name        = "${name}-lost-invocations"
        description = "EventBridge could not even hand to the dead-letter queue what it could not deliver: the queue's policy or its key refuses."
        namespace   = "AWS/Events"
        metric      = "InvocationsFailedToBeSentToDLQ"
        dimensions  = dimensions
      }
    },
    {
      # Initiation counts, at every run, the accounts and regions whose last scan is older than three intervals. No count
      # means that initiation itself does not run. Until the first run that is a state, and no message.
      "not-scanned" = {
        name         = "${var.prefix}-not-scanned"
        description  = "An account or region was not scanned for three intervals, or (insufficient data) initiation does not run. The log of hammer-initiate-security-groups names them."
        metric       = "StaleScanTargets"
        statistic    = "Maximum"
        period       = var.scan_interval_minutes * 60 * 2
        missing      = "missing"
        says_over    = true
        says_missing = true
      }
      # Three runs in a row: an account that was added just now has had no time.
      "never-scanned" = {
        name        = "${var.prefix}-never-scanned"
        description = "For three intervals there has been an account or region that was never scanned. The log of hammer-initiate-security-groups names it."
        metric      = "NeverScannedTargets"
        statistic   = "Minimum"
        period      = var.scan_interval_minutes * 60
        periods     = min(3, floor(1440 / var.scan_interval_minutes))
        says_over   = true
      }
      "remediation-limit" = {
        name        = "${var.prefix}-remediation-limit"
        description = "A remediation run stopped at remediation_limit_per_run: look at what it was about to change before the next run goes on."
        metric      = "RemediationStoppedAtLimit"
      }
    },
    {
      for job, hours in local.host_jobs : "missing/${job}" => {
        name        = "${var.prefix}-${job}-missing"
        description = "No run of this job has ended for ${hours} hours: the host is away, or its timer does not start it."
        runs_metric = local.run_metrics[job]
        period      = 3600
        periods     = hours
        missing     = "breaching"
        says_over   = true
      }
    },
    # `for` in place of a condition, whose two sides must be of one type.
    { for alarm in var.host == null ? [] : ["host"] : "run/partial" => {
      name        = "${var.prefix}-run-partial"
      description = "A job of the host did not do all of its work: the log group of the host names what was left."
      metric      = "PartialRuns"
    } },
    { for alarm in var.host == null ? [] : ["host"] : "run/failed" => {
      name        = "${var.prefix}-run-failed"
      description = "A job of the host failed: its configuration is wrong, it crashed, or it was killed."
      metric      = "FailedRuns"
    } },
    # Until the first connection it has no data, which is a state and no message: without app_token nobody listens.
    { for alarm in local.listens ? ["listen"] : [] : "listen/deaf" => {
      name         = "${var.prefix}-listen-deaf"
      description  = "For 15 minutes (insufficient data) hammer listen was not connected to Slack: what people press in messages is lost. The log group of the host says why."
      metric       = "ListenerConnected"
      comparison   = "LessThanThreshold"
      threshold    = 1
      period       = 900
      missing      = "missing"
      says_over    = true
      says_missing = true
    } },
    { for alarm in var.host == null ? [] : ["host"] : "host/not-booted" => {
      name        = "${var.prefix}-host-not-booted"
      description = "For two hours the host has not set its timers, which it does at boot and every hour: it did not start, or has no way to the bucket or to CloudWatch Logs."
      runs_metric = "TimerRuns"
      period      = 3600
      periods     = 2
      missing     = "breaching"
      says_over   = true
    } },
    { for alarm in var.host == null ? [] : ["host"] : "host/status-check" => {
      name        = "${var.prefix}-host-status-check"
      description = "EC2's status checks of the host fail. Its auto scaling group puts another in its place."
      namespace   = "AWS/EC2"
      metric      = "StatusCheckFailed"
      dimensions  = { AutoScalingGroupName = local.autoscaling_group }
      statistic   = "Maximum"
      periods     = 3
      says_over   = true
    } },
  )
}

resource "aws_cloudwatch_metric_alarm" "hammer" {
  for_each = { for key, alarm in local.alarms : key => merge(local.alarm_defaults, alarm) }

  alarm_name                = each.value.name
  alarm_description         = each.value.description
  comparison_operator       = each.value.comparison
  threshold                 = each.value.threshold
  evaluation_periods        = each.value.periods
  treat_missing_data        = each.value.missing
  alarm_actions             = [aws_sns_topic.alarms.arn]
  ok_actions                = each.value.says_over ? [aws_sns_topic.alarms.arn] : []
  insufficient_data_actions = each.value.says_missing ? [aws_sns_topic.alarms.arn] : []

  namespace   = each.value.runs_metric == null ? each.value.namespace : null
  metric_name = each.value.runs_metric == null ? each.value.metric : null
  dimensions  = each.value.runs_metric == null ? each.value.dimensions : null
  statistic   = each.value.runs_metric == null ? each.value.statistic : null
  period      = each.value.runs_metric == null ? each.value.period : null

  # An hour without a run counts only if there was to be a host: before the first deployment there was none.
  dynamic "metric_query" {
    for_each = each.value.runs_metric == null ? [] : ["IF(FILL(hosts, 0) > 0 AND FILL(runs, 0) < 1, 1, 0)"]
    content {
      id          = "missing"
      label       = "An hour without a run"
      expression  = metric_query.value
      return_data = true
    }
  }

  dynamic "metric_query" {
    for_each = each.value.runs_metric == null ? [] : [each.value.runs_metric]
    content {
      id = "runs"
      metric {
        namespace   = local.namespace
        metric_name = metric_query.value
        stat        = "Sum"
        period      = each.value.period
      }
    }
  }

  dynamic "metric_query" {
    for_each = each.value.runs_metric == null ? [] : [local.autoscaling_group]
    content {
      id = "hosts"
      metric {
        namespace   = "AWS/AutoScaling"
        metric_name = "GroupDesiredCapacity"
        dimensions  = { AutoScalingGroupName = metric_query.value }
        stat        = "Minimum"
        period      = each.value.period
      }
    }
  }
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
