# Alarms were resources of their own once. Without these blocks Terraform would delete them by their names, after it had made them
# anew under the same.
moved {
  from = aws_cloudwatch_metric_alarm.dead_letters["hammer-initiate-security-groups"]
  to   = aws_cloudwatch_metric_alarm.hammer["dead-letters/hammer-initiate-security-groups"]
}

moved {
  from = aws_cloudwatch_metric_alarm.dead_letters["hammer-describe-security-groups"]
  to   = aws_cloudwatch_metric_alarm.hammer["dead-letters/hammer-describe-security-groups"]
}

moved {
  from = aws_cloudwatch_metric_alarm.dead_letters["hammer-receive-security-group-events"]
  to   = aws_cloudwatch_metric_alarm.hammer["dead-letters/hammer-receive-security-group-events"]
}

moved {
  from = aws_cloudwatch_metric_alarm.dead_letters["hammer-filter-inspector-findings"]
  to   = aws_cloudwatch_metric_alarm.hammer["dead-letters/hammer-filter-inspector-findings"]
}

moved {
  from = aws_cloudwatch_metric_alarm.dead_letters["immediate"]
  to   = aws_cloudwatch_metric_alarm.hammer["dead-letters/immediate"]
}

moved {
  from = aws_cloudwatch_metric_alarm.errors["hammer-initiate-security-groups"]
  to   = aws_cloudwatch_metric_alarm.hammer["errors/hammer-initiate-security-groups"]
}

moved {
  from = aws_cloudwatch_metric_alarm.errors["hammer-describe-security-groups"]
  to   = aws_cloudwatch_metric_alarm.hammer["errors/hammer-describe-security-groups"]
}

moved {
  from = aws_cloudwatch_metric_alarm.errors["hammer-receive-security-group-events"]
  to   = aws_cloudwatch_metric_alarm.hammer["errors/hammer-receive-security-group-events"]
}

moved {
  from = aws_cloudwatch_metric_alarm.errors["hammer-filter-inspector-findings"]
  to   = aws_cloudwatch_metric_alarm.hammer["errors/hammer-filter-inspector-findings"]
}

moved {
  from = aws_cloudwatch_metric_alarm.waiting["hammer-describe-security-groups"]
  to   = aws_cloudwatch_metric_alarm.hammer["waiting/hammer-describe-security-groups"]
}

moved {
  from = aws_cloudwatch_metric_alarm.waiting["hammer-receive-security-group-events"]
  to   = aws_cloudwatch_metric_alarm.hammer["waiting/hammer-receive-security-group-events"]
}

moved {
  from = aws_cloudwatch_metric_alarm.waiting["immediate"]
  to   = aws_cloudwatch_metric_alarm.hammer["waiting/immediate"]
}

moved {
  from = aws_cloudwatch_metric_alarm.missing_run["immediate"]
  to   = aws_cloudwatch_metric_alarm.hammer["missing/immediate"]
}

moved {
  from = aws_cloudwatch_metric_alarm.missing_run["publishing"]
  to   = aws_cloudwatch_metric_alarm.hammer["missing/publishing"]
}

moved {
  from = aws_cloudwatch_metric_alarm.missing_run["remediation"]
  to   = aws_cloudwatch_metric_alarm.hammer["missing/remediation"]
}

moved {
  from = aws_cloudwatch_metric_alarm.missing_run["reporting"]
  to   = aws_cloudwatch_metric_alarm.hammer["missing/reporting"]
}

moved {
  from = aws_cloudwatch_metric_alarm.run["failed"]
  to   = aws_cloudwatch_metric_alarm.hammer["run/failed"]
}

moved {
  from = aws_cloudwatch_metric_alarm.run["partial"]
  to   = aws_cloudwatch_metric_alarm.hammer["run/partial"]
}

moved {
  from = aws_cloudwatch_metric_alarm.stale
  to   = aws_cloudwatch_metric_alarm.hammer["not-scanned"]
}

moved {
  from = aws_cloudwatch_metric_alarm.never_scanned
  to   = aws_cloudwatch_metric_alarm.hammer["never-scanned"]
}

moved {
  from = aws_cloudwatch_metric_alarm.remediation_limit
  to   = aws_cloudwatch_metric_alarm.hammer["remediation-limit"]
}
