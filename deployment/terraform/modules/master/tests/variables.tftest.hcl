# What each variable refuses: `terraform test` in this module, with Terraform 1.7 or later. No AWS is asked; it needs what
# `make package` builds.

mock_provider "aws" {}

variables {
  config_folder  = "../../../../config"
  package_folder = "../../../../dist"
}

run "an_interval_of_less_than_five_minutes" {
  command         = plan
  expect_failures = [var.scan_interval_minutes]

  variables {
    scan_interval_minutes = 4
  }
}

run "an_unknown_architecture" {
  command         = plan
  expect_failures = [var.architecture]

  variables {
    architecture = "arm"
  }
}

run "days_that_cloudwatch_does_not_take" {
  command         = plan
  expect_failures = [var.log_retention_days]

  variables {
    log_retention_days = 100
  }
}

run "a_password_in_the_proxy" {
  command         = plan
  expect_failures = [var.host]

  variables {
    host = {
      vpc_id      = "vpc-0123456789abcdef0"
      subnet_id   = "subnet-0123456789abcdef0"
      https_proxy = "http://user:password@proxy.example.com:3128"
    }
  }
}

run "a_host_that_is_replaced_after_more_than_a_year" {
  command         = plan
  expect_failures = [var.host]

  variables {
    host = {
      vpc_id       = "vpc-0123456789abcdef0"
      subnet_id    = "subnet-0123456789abcdef0"
      max_age_days = 366
    }
  }
}

# A login shell reads these as a program: after the blank it would look for a command, and keep no value.
run "a_blank_in_no_proxy" {
  command         = plan
  expect_failures = [var.host]

  variables {
    host = {
      vpc_id    = "vpc-0123456789abcdef0"
      subnet_id = "subnet-0123456789abcdef0"
      no_proxy  = "169.254.169.254, .example.com"
    }
  }
}

# Roles are allowed the key itself: of an alias no permission comes.
run "the_alias_of_a_key" {
  command         = plan
  expect_failures = [var.kms_key_arn]

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:alias/ours"
  }
}

run "the_alias_of_the_tables_key" {
  command         = plan
  expect_failures = [var.table_kms_key_arn]

  variables {
    table_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:alias/ours"
  }
}

run "a_unit_in_place_of_the_organization" {
  command         = plan
  expect_failures = [var.organization_id]

  variables {
    organization_id = "ou-exam-11111111"
  }
}

# No more than a warning: events are optional.
run "an_organization_whose_id_is_not_given" {
  command         = plan
  expect_failures = [check.senders_of_events]

  variables {
    config_folder = "../../accounts/organization/config"
  }
}

run "an_alarm_after_more_than_a_week" {
  command         = plan
  expect_failures = [var.missing_after_hours]

  variables {
    missing_after_hours = { reporting = 169 }
  }
}

run "a_prefix_with_an_underscore" {
  command         = plan
  expect_failures = [var.prefix]

  variables {
    prefix = "my_hammer"
  }
}

run "a_path_without_a_slash_at_its_end" {
  command         = plan
  expect_failures = [var.iam_path]

  variables {
    iam_path = "/security"
  }
}

run "one_batch_at_a_time" {
  command         = plan
  expect_failures = [var.scan_concurrency]

  variables {
    scan_concurrency = 1
  }
}

run "an_event_that_waits_longer_than_sqs_allows" {
  command         = plan
  expect_failures = [var.event_delay_seconds]

  variables {
    event_delay_seconds = 901
  }
}

run "half_a_day_of_lock" {
  command         = plan
  expect_failures = [var.backup_lock_days]

  variables {
    backup_lock_days = 0.5
  }
}

run "backups_that_are_deleted_after_a_week" {
  command         = plan
  expect_failures = [var.backup_retention_days]

  variables {
    backup_retention_days = 7
  }
}

run "a_value_of_the_environment_that_ends_its_quote" {
  command         = plan
  expect_failures = [var.environment]

  variables {
    environment = { AWS_USE_FIPS_ENDPOINT = "\"; rm -rf /" }
  }
}

run "one_at_a_time_of_a_function_for_which_lambda_takes_two" {
  command         = plan
  expect_failures = [var.reserved_concurrency]

  variables {
    reserved_concurrency = { hammer-describe-security-groups = 1 }
  }
}

run "no_more_is_taken_from_a_queue_than_its_function_has_concurrency_for" {
  command = plan

  variables {
    reserved_concurrency = { hammer-describe-security-groups = 5, hammer-receive-security-group-events = 0 }
  }

  assert {
    condition     = local.batches_at_once["hammer-describe-security-groups"] == 5
    error_message = "More than five batches would be taken: what Lambda throttles three times is a dead letter."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.work["hammer-describe-security-groups"].enabled && !aws_lambda_event_source_mapping.work["hammer-receive-security-group-events"].enabled
    error_message = "A queue whose function has no concurrency waits."
  }
}

run "without_reserved_concurrency_the_queues_have_their_own_bounds" {
  command = plan

  assert {
    condition     = local.batches_at_once["hammer-describe-security-groups"] == 20 && local.batches_at_once["hammer-receive-security-group-events"] == 2
    error_message = "scan_concurrency bounds scans, and two batches of events are taken at once."
  }
}
