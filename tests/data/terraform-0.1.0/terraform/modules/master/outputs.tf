output "identification_role_arn" {
  description = "What slave accounts trust to look."
  value       = aws_iam_role.identification.arn
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

output "host_instance_id" {
  description = "For `aws ssm start-session --target`. Null: there is no host."
  value       = one([for host in aws_instance.host : host.id])
}
