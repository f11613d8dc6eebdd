output "identification_role_arn" {
  description = "What slave accounts trust to look."
  value       = aws_iam_role.function["identification"].arn
}

output "host_role_arn" {
  description = "What slave accounts trust to report and remediate."
  value       = aws_iam_role.host.arn
}

output "alarms_topic_arn" {
  description = "Where alarms are sent."
  value       = aws_sns_topic.alarms.arn
}

output "findings_topic_arn" {
  description = "Where Inspector findings are sent, less what is expected."
  value       = aws_sns_topic.findings.arn
}

output "host_autoscaling_group" {
  description = "The auto scaling group of the host: deployment/README.md asks it for the instance. Null: there is no host."
  value       = one([for group in aws_autoscaling_group.host : group.name])
}

output "event_bus_arn" {
  description = "Where slave accounts send their events."
  value       = aws_cloudwatch_event_bus.hammer.arn
}

output "regions" {
  description = "The regions that are scanned: those whose events slave accounts send."
  value       = local.regions
}

output "key_statements" {
  description = "What the policy of a KMS key of your own must have, as JSON."
  value       = jsonencode([for statement in local.key_statements : statement])
}

output "main_account_id" {
  description = "The account that Hammer runs in. Whoever needs it gets it after the roles that slaves trust are there."
  value       = local.account_id
  depends_on  = [aws_iam_role.host, aws_iam_role.function]
}
