# Every policy document is one file in deployment/policies, which the tests read, too.
locals {
  policies = "${path.module}/../../../policies"
  # Whoever names a sender in the configuration asks for mail.
  ses_from_address = var.ses_from_address != null ? var.ses_from_address : try(local.config.publishing.email_from, "")
  policy_values = {
    account_id               = local.account_id
    bucket                   = local.bucket
    key_arn                  = local.key_arn
    partition                = local.partition
    prefix                   = var.prefix
    region                   = local.region
    role_name_identification = try(local.config.aws.role_name_identification, "hammer-cloudsec-crossact-id")
    role_name_reporting      = try(local.config.aws.role_name_reporting, "hammer-cloudsec-crossact-ec2")
    secrets                  = jsonencode([for secret in local.secrets : "arn:${local.partition}:secretsmanager:${local.region}:${local.account_id}:secret:${secret}-??????"])
    ses_from_address         = local.ses_from_address
    table                    = local.table
  }
}

resource "aws_iam_role" "identification" {
  name        = "${var.prefix}-cloudsec-master-id"
  description = "Hammer's Lambda functions"

  path                 = var.iam_path
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "identification" {
  for_each = toset(concat(
    ["identification-in-account", "identification-in-main"],
    local.in_organization ? ["organization-in-main"] : [],
    var.allow_lookup_events ? ["lookup-events-in-account"] : [],
    var.allow_source ? ["source-in-account"] : [],
    var.immediate_remediation ? ["immediate-sender-in-main"] : [],
  ))

  name   = each.value
  role   = aws_iam_role.identification.id
  policy = templatefile("${local.policies}/${each.value}.json", local.policy_values)
}

resource "aws_iam_role" "host" {
  name        = "${var.prefix}-cloudsec-master-ec2"
  description = "Hammer's reporting and remediation host"

  path                 = var.iam_path
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.${local.dns_suffix}" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "host" {
  for_each = toset(concat(
    ["reporting-in-account", "remediation-in-account", "host-in-main"],
    length(local.secrets) > 0 ? ["secrets-in-main"] : [],
    local.in_organization ? ["organization-in-main"] : [],
    local.ses_from_address == "" ? [] : ["ses-in-main"],
    var.allow_security_hub_import ? ["security-hub-in-account"] : [],
    var.allow_source ? ["source-in-account"] : [],
    var.immediate_remediation ? ["immediate-receiver-in-main"] : [],
  ))

  name   = each.value
  role   = aws_iam_role.host.id
  policy = templatefile("${local.policies}/${each.value}.json", local.policy_values)
}

# Session Manager: the way in while no port is open.
resource "aws_iam_role_policy_attachment" "session_manager" {
  role       = aws_iam_role.host.id
  policy_arn = "arn:${local.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "host" {
  name = "${var.prefix}-cloudsec-master-ec2"
  path = var.iam_path
  role = aws_iam_role.host.name
}
