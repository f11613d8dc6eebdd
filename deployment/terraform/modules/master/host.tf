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
  # Through a proxy the agent of Systems Manager gets no credentials from the instance's metadata, and nobody gets in.
  no_proxy    = try(join(",", distinct(compact(concat(split(",", var.host.no_proxy), ["169.254.169.254"])))), "")
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

resource "aws_security_group" "host" {
  for_each = local.hosts

  name        = "${var.prefix}-reporting-remediation"
  description = "Hammer reporting and remediation host"
  vpc_id      = each.value.vpc_id
}

# Security groups do not filter the resolver that AWS provides, but they do filter others, such as a directory's.
locals {
  egress_rules = var.host == null ? [] : var.host.egress_rules != null ? var.host.egress_rules : concat(
    [for port in var.host.egress_ports : { protocol = "tcp", from_port = port, to_port = port, cidr_ipv4 = "0.0.0.0/0", cidr_ipv6 = null, prefix_list_id = null }],
    [for protocol in ["tcp", "udp"] : { protocol = protocol, from_port = 53, to_port = 53, cidr_ipv4 = "0.0.0.0/0", cidr_ipv6 = null, prefix_list_id = null }],
  )
}

resource "aws_vpc_security_group_egress_rule" "host" {
  for_each = {
    for rule in local.egress_rules :
    "${rule.protocol} ${rule.from_port}-${rule.to_port} ${coalesce(rule.cidr_ipv4, rule.cidr_ipv6, rule.prefix_list_id)}" => rule
  }

  security_group_id = aws_security_group.host["host"].id
  description       = "To AWS, JIRA and Slack"
  ip_protocol       = each.value.protocol
  from_port         = each.value.from_port
  to_port           = each.value.to_port
  cidr_ipv4         = each.value.cidr_ipv4
  cidr_ipv6         = each.value.cidr_ipv6
  prefix_list_id    = each.value.prefix_list_id
}

# Version 0.1.0 had one rule.
moved {
  from = aws_vpc_security_group_egress_rule.host["host"]
  to   = aws_vpc_security_group_egress_rule.host["tcp 443-443 0.0.0.0/0"]
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

# Every instance begins with the newest Amazon Linux 2023 as AWS publishes it, which Auto Scaling looks up at each launch, unless
# an image of one's own is given.
resource "aws_launch_template" "host" {
  for_each = local.hosts

  name                   = "${var.prefix}-reporting-remediation"
  update_default_version = true
  image_id               = each.value.ami != null ? each.value.ami : "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${local.host_architecture}"
  instance_type          = each.value.instance_type
  key_name               = each.value.key_name
  ebs_optimized          = true
  user_data = base64encode(templatefile("${path.module}/user_data.sh.tftpl", {
    bucket        = local.bucket
    bundle        = aws_s3_object.package[local.bundle].key
    bundle_sha256 = local.bundle_hash
    environment   = join("\n", [for name, value in var.environment : "${name}=${value}"])
    https_proxy   = each.value.https_proxy
    log_group     = local.host_log_group
    no_proxy      = local.no_proxy
    queue         = local.immediate_queue
    region        = local.region
  }))

  iam_instance_profile {
    name = aws_iam_instance_profile.host.name
  }

  monitoring {
    enabled = true
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  network_interfaces {
    associate_public_ip_address = false
    delete_on_termination       = true
    security_groups             = [aws_security_group.host[each.key].id]
  }

  # EC2 refuses a volume that is smaller than the image's: without a size it has the image's own.
  block_device_mappings {
    device_name = each.value.root_device
    ebs {
      encrypted             = true
      kms_key_id            = each.value.volume_kms_key_arn
      volume_type           = "gp3"
      volume_size           = each.value.volume_size
      delete_on_termination = true
    }
  }

  # Tags that the provider gives to everything do not reach what Auto Scaling launches.
  dynamic "tag_specifications" {
    for_each = ["instance", "volume"]
    content {
      resource_type = tag_specifications.value
      tags          = merge(var.tags, { Name = "${var.prefix}-reporting-remediation" })
    }
  }

  depends_on = [aws_iam_role_policy.host, aws_s3_object.config]
}

# One host, that comes back: after a failed status check, in another subnet if its zone is away, and every host.max_age_days days
# with what AWS has patched since. A job that is running then ends as at a reboot; the next run completes what it began.
resource "aws_autoscaling_group" "host" {
  for_each = local.hosts

  name                      = local.autoscaling_group
  min_size                  = 1
  max_size                  = 1
  desired_capacity          = 1
  vpc_zone_identifier       = distinct(concat([each.value.subnet_id], each.value.more_subnet_ids))
  health_check_type         = "EC2"
  health_check_grace_period = 300
  max_instance_lifetime     = each.value.max_age_days * 86400
  enabled_metrics           = ["GroupDesiredCapacity"]
  wait_for_capacity_timeout = "0"

  launch_template {
    id      = aws_launch_template.host[each.key].id
    version = aws_launch_template.host[each.key].latest_version
  }

  # A new bundle is a new version of the template, and replaces the host.
  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage = 0
    }
  }

  dynamic "tag" {
    for_each = merge(var.tags, { Name = "${var.prefix}-reporting-remediation" })
    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = false
    }
  }

  depends_on = [
    aws_vpc_security_group_egress_rule.host,
  ]
}
