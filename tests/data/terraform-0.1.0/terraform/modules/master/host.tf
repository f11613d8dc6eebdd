resource "aws_cloudwatch_log_group" "host" {
  name              = local.host_log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.hammer.arn
}

locals {
  hosts      = var.host == null ? {} : { host = var.host }
  wheel      = one(fileset(var.package_folder, "hammer-*.whl"))
  wheel_hash = filesha256("${var.package_folder}/${local.wheel}")
  lock_hash  = filesha256("${var.package_folder}/host.lock")
}

# A key for each content: a new package is a new key, which changes the user data, which replaces the host.
resource "aws_s3_object" "package" {
  for_each = {
    (local.wheel) = local.wheel_hash
    "host.lock"   = local.lock_hash
  }

  bucket      = aws_s3_bucket.hammer.id
  key         = "host/${each.value}/${each.key}"
  source      = "${var.package_folder}/${each.key}"
  source_hash = each.value

  depends_on = [
    aws_s3_bucket_server_side_encryption_configuration.hammer,
    aws_s3_bucket_versioning.hammer,
  ]
}

# The newest Amazon Linux 2023, as AWS publishes it.
data "aws_ssm_parameter" "amazon_linux" {
  for_each = local.hosts

  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
}

resource "aws_security_group" "host" {
  for_each = local.hosts

  name        = "hammer-reporting-remediation"
  description = "Hammer reporting and remediation host"
  vpc_id      = each.value.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "host" {
  for_each = local.hosts

  security_group_id = aws_security_group.host[each.key].id
  description       = "HTTPS to AWS, the package index, JIRA and Slack"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  for_each = var.host == null ? [] : toset(var.host.ssh_cidrs)

  security_group_id = aws_security_group.host["host"].id
  description       = "SSH, because it was asked for"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = each.value
}

resource "aws_instance" "host" {
  for_each = local.hosts

  ami                         = data.aws_ssm_parameter.amazon_linux[each.key].value
  instance_type               = each.value.instance_type
  subnet_id                   = each.value.subnet_id
  vpc_security_group_ids      = [aws_security_group.host[each.key].id]
  iam_instance_profile        = aws_iam_instance_profile.host.name
  key_name                    = each.value.key_name
  monitoring                  = true
  ebs_optimized               = true
  user_data_replace_on_change = true
  user_data = templatefile("${path.module}/user_data.sh.tftpl", {
    bucket     = local.bucket
    lock       = aws_s3_object.package["host.lock"].key
    region     = local.region
    wheel      = aws_s3_object.package[local.wheel].key
    wheel_name = local.wheel
  })

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    encrypted   = true
    volume_type = "gp3"
    volume_size = 8
  }

  tags = { Name = "hammer-reporting-remediation" }

  # A new image is no reason to replace the host: patch it, or replace it by name.
  lifecycle {
    ignore_changes = [ami]
  }

  depends_on = [aws_iam_role_policy.host, aws_s3_object.config]
}
