# The slave roles in every account of some units, by StackSets: an account that joins gets them by itself.
data "aws_region" "current" {}

resource "aws_cloudformation_stack_set" "roles" {
  name             = "hammer-slave-roles"
  description      = "The two roles that Hammer assumes"
  permission_model = "SERVICE_MANAGED"
  call_as          = var.call_as
  capabilities     = ["CAPABILITY_NAMED_IAM"]
  template_body    = file("${path.module}/../../../cloudformation/slave-roles.yaml")

  parameters = {
    MainAccountId          = var.main_account_id
    ExternalId             = var.external_id
    RoleNameIdentification = var.role_name_identification
    RoleNameReporting      = var.role_name_reporting
  }

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }

  operation_preferences {
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 100
  }

  # AWS fills this in for a service-managed set.
  lifecycle {
    ignore_changes = [administration_role_arn]
  }
}

# Roles are global: one region is enough.
resource "aws_cloudformation_stack_set_instance" "roles" {
  stack_set_name            = aws_cloudformation_stack_set.roles.name
  call_as                   = var.call_as
  stack_set_instance_region = data.aws_region.current.region

  deployment_targets {
    organizational_unit_ids = var.organizational_unit_ids
  }
}
