# `terraform test` in this module, with Terraform 1.7 or later: no AWS is asked.

mock_provider "aws" {}

variables {
  main_account_id         = "123456789012"
  organizational_unit_ids = ["ou-exam-11111111"]
}

run "no_rule_without_a_bus" {
  command = plan

  assert {
    condition     = length(aws_cloudformation_stack_set.events) == 0
    error_message = "Rules for events were planned without a bus to send them to."
  }
}

run "no_rule_where_a_policy_denies_the_region" {
  command = plan

  variables {
    event_bus_arn  = "arn:aws:events:eu-west-1:123456789012:event-bus/hammer"
    regions        = ["eu-west-1", "us-east-1"]
    denied_regions = ["us-east-1"]
  }

  assert {
    condition     = keys(local.instances) == ["ou-exam-11111111/eu-west-1"]
    error_message = "A rule was planned in a region that a policy denies."
  }
}

run "each_role_has_the_path_that_the_configuration_names" {
  command = plan

  variables {
    role_name_identification = "audit/hammer-cloudsec-crossact-id"
    role_name_reporting      = "security/change/hammer-cloudsec-crossact-ec2"
  }

  assert {
    condition = [
      aws_cloudformation_stack_set.roles.parameters["IamPath"],
      aws_cloudformation_stack_set.roles.parameters["RoleNameIdentification"],
      aws_cloudformation_stack_set.roles.parameters["ReportingIamPath"],
      aws_cloudformation_stack_set.roles.parameters["RoleNameReporting"],
    ] == ["/audit/", "hammer-cloudsec-crossact-id", "/security/change/", "hammer-cloudsec-crossact-ec2"]
    error_message = "A role is not where Hammer looks for it."
  }
}
