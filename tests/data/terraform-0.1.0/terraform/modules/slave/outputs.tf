output "role_arns" {
  description = "The two roles, by name."
  value       = { for name, role in aws_iam_role.hammer : name => role.arn }
}
