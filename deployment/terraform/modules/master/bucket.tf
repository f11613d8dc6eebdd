# config/ (the configuration), host/ (the package of the host), security_groups/ (backups), closing/ (what changes closed).
resource "aws_s3_bucket" "hammer" {
  bucket        = local.bucket
  force_destroy = !var.protect_data

  # So that the key is destroyed after the bucket: where the bucket refuses, because it holds backups, they stay readable. So are
  # the secrets: their tokens stay, and the next apply need not make them again under names that are taken for 30 days.
  depends_on = [aws_kms_key.hammer, aws_secretsmanager_secret.client]
}

resource "aws_s3_bucket_versioning" "hammer" {
  bucket = aws_s3_bucket.hammer.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "hammer" {
  bucket = aws_s3_bucket.hammer.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = local.key_arn
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "hammer" {
  bucket = aws_s3_bucket.hammer.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "hammer" {
  bucket                  = aws_s3_bucket.hammer.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "hammer" {
  bucket = aws_s3_bucket.hammer.id

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  # A host's bundle has a key of its own; what an apply took away is kept as an old version for a while.
  rule {
    id     = "old-packages"
    status = "Enabled"

    filter {
      prefix = "host/"
    }

    noncurrent_version_expiration {
      noncurrent_days = 90
    }
  }

  dynamic "rule" {
    for_each = var.backup_retention_days > 0 ? [var.backup_retention_days] : []
    content {
      id     = "backups"
      status = "Enabled"

      filter {
        prefix = "security_groups/"
      }

      expiration {
        days = rule.value
      }

      noncurrent_version_expiration {
        noncurrent_days = 30
      }
    }
  }
}

resource "aws_s3_bucket_object_lock_configuration" "hammer" {
  count = var.backup_lock_days > 0 ? 1 : 0

  bucket = aws_s3_bucket_versioning.hammer.bucket

  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = var.backup_lock_days
    }
  }
}

resource "aws_s3_bucket_policy" "hammer" {
  bucket = aws_s3_bucket.hammer.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.hammer.arn, "${aws_s3_bucket.hammer.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "HammerDeletesNothing"
        Effect    = "Deny"
        Principal = { AWS = concat([for role in aws_iam_role.function : role.arn], [aws_iam_role.host.arn]) }
        Action = [
          "s3:BypassGovernanceRetention",
          "s3:DeleteBucket",
          "s3:DeleteBucketPolicy",
          "s3:DeleteObject",
          "s3:DeleteObjectVersion",
          "s3:PutBucketObjectLockConfiguration",
          "s3:PutBucketPolicy",
          "s3:PutBucketVersioning",
          "s3:PutLifecycleConfiguration",
          "s3:PutObjectRetention",
        ]
        Resource = [aws_s3_bucket.hammer.arn, "${aws_s3_bucket.hammer.arn}/*"]
      },
    ]
  })

  depends_on = [aws_s3_bucket_public_access_block.hammer]
}

# The running functions read these again within minutes: a change of the whitelist deploys nothing else.
resource "aws_s3_object" "config" {
  for_each = toset([
    for name in fileset(var.config_folder, "*") : name
    if can(regex("^(config|whitelist|ticket_owners)\\.(json|yaml|yml)$", name))
  ])

  bucket      = aws_s3_bucket.hammer.id
  key         = "config/${each.value}"
  source      = "${var.config_folder}/${each.value}"
  source_hash = filemd5("${var.config_folder}/${each.value}")
  # With Object Lock, every version in the bucket is locked: this deletes those of the configuration all the same, for
  # whoever has s3:BypassGovernanceRetention.
  force_destroy = var.backup_lock_days > 0

  depends_on = [
    aws_s3_bucket_server_side_encryption_configuration.hammer,
    aws_s3_bucket_versioning.hammer,
  ]

  lifecycle {
    precondition {
      condition     = length(local.misnamed) == 0
      error_message = "Not a file of a configuration: ${join(", ", local.misnamed)}. Rename it, or move it elsewhere; hammer check-config says to what."
    }
  }
}

check "configuration_files" {
  assert {
    condition     = length(local.unread) == 0
    error_message = "Not read, because a configuration has no such files: ${join(", ", local.unread)}."
  }
}
