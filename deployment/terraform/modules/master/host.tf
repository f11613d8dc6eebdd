resource "aws_cloudwatch_log_group" "host" {
  name              = local.host_log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = local.key_arn
}

locals {
  hosts = var.host == null ? {} : { host = var.host }
  # Instance families of AWS's own processors have a `g` after the generation: t4g, m7gd, im4gn; a1 is the oldest.
  host_architecture = try(var.host.architecture, null) != null ? var.host.architecture : (
    can(regex("^(a1|[a-z]+[0-9]+g[a-z0-9-]*)[.]", try(var.host.instance_type, ""))) ? "arm64" : "x86_64"
  )
  bundle      = "hammer-host-${local.host_architecture}.zip"
  bundle_hash = var.host == null ? "" : filesha256("${var.package_folder}/${local.bundle}")
}

# A key for each content: a new package is a new key, which changes the user data, which replaces the host.
resource "aws_s3_object" "package" {
  for_each = var.host == null ? {} : { (local.bundle) = local.bundle_hash }

  bucket      = aws_s3_bucket.hammer.id
  key         = "host/${each.value}/${each.key}"
  source      = "${var.package_folder}/${each.key}"
  source_hash = each.value
  # As for the configuration (bucket.tf): a newer bundle replaces this one.
  force_destroy = var.backup_lock_days > 0

  depends_on = [
    aws_s3_bucket_server_side_encryption_configuration.hammer,
    aws_s3_bucket_versioning.hammer,
  ]
}

# The newest Amazon Linux 2023, as AWS publishes it, unless an image of one's own is given.
data "aws_ssm_parameter" "amazon_linux" {
  for_each = { for name, host in local.hosts : name => host if host.ami == null }

  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${local.host_architecture}"
}

resource "aws_security_group" "host" {
  for_each = local.hosts

  name        = "${var.prefix}-reporting-remediation"
  description = "Hammer reporting and remediation host"
  vpc_id      = each.value.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "host" {
  for_each = var.host == null ? [] : toset([for port in var.host.egress_ports : tostring(port)])

  security_group_id = aws_security_group.host["host"].id
  description       = "To AWS, JIRA and Slack"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
  cidr_ipv4         = "0.0.0.0/0"
}

# Version 0.1.0 had this rule alone.
moved {
  from = aws_vpc_security_group_egress_rule.host["host"]
  to   = aws_vpc_security_group_egress_rule.host["443"]
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

  ami                         = each.value.ami != null ? each.value.ami : data.aws_ssm_parameter.amazon_linux[each.key].value
  instance_type               = each.value.instance_type
  subnet_id                   = each.value.subnet_id
  vpc_security_group_ids      = [aws_security_group.host[each.key].id]
  iam_instance_profile        = aws_iam_instance_profile.host.name
  key_name                    = each.value.key_name
  monitoring                  = true
  ebs_optimized               = true
  user_data_replace_on_change = true
  user_data = templatefile("${path.module}/user_data.sh.tftpl", {
    bucket        = local.bucket
    bundle        = aws_s3_object.package[local.bundle].key
    bundle_sha256 = local.bundle_hash
    https_proxy   = each.value.https_proxy
    log_group     = local.host_log_group
    no_proxy      = each.value.no_proxy
    queue         = local.immediate_queue
    region        = local.region
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
    # Tags that the provider gives to everything do not reach volumes.
    tags = var.tags
  }

  tags = { Name = "${var.prefix}-reporting-remediation" }

  # A new image is no reason to replace the host: patch it, or replace it by name.
  lifecycle {
    ignore_changes = [ami]
  }

  depends_on = [aws_iam_role_policy.host, aws_s3_object.config]
}
