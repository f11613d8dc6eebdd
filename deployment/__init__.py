"""What brings Hammer into an AWS account: Terraform, CloudFormation and the package builder."""
