# The slave roles and the rules for events in every account of some units, by StackSets: an account that joins gets them by
# itself.
data "aws_region" "current" {}

locals {
  # As in modules/slave: the names of the roles may have a path.
  iam_path = dirname(var.role_name_identification) == "." ? "/" : "/${dirname(var.role_name_identification)}/"
}

resource "aws_cloudformation_stack_set" "roles" {
  name             = "${var.prefix}-slave-roles"
  description      = "The two roles that Hammer assumes"
  permission_model = "SERVICE_MANAGED"
  call_as          = var.call_as
  capabilities     = ["CAPABILITY_NAMED_IAM"]
  template_body    = file("${path.module}/../../../cloudformation/slave-roles.yaml")
  tags             = var.tags

  parameters = {
    MainAccountId          = var.main_account_id
    ExternalId             = var.external_id
    RoleNameIdentification = basename(var.role_name_identification)
    RoleNameReporting      = basename(var.role_name_reporting)
    Prefix                 = var.prefix
    IamPath                = local.iam_path
    MasterIamPath          = var.master_iam_path
    PermissionsBoundary    = var.permissions_boundary_name == null ? "" : var.permissions_boundary_name
    EventBusArn            = var.event_bus_arn == null ? "" : var.event_bus_arn
    AllowLookupEvents      = tostring(var.allow_lookup_events)
    AllowSecurityHubImport = tostring(var.allow_security_hub_import)
    AllowSource            = tostring(var.allow_source)
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

resource "aws_cloudformation_stack_set" "events" {
  count = length(var.regions) > 0 ? 1 : 0

  name             = "${var.prefix}-slave-events"
  description      = "The rule that sends events to Hammer's bus"
  permission_model = "SERVICE_MANAGED"
  call_as          = var.call_as
  template_body    = file("${path.module}/../../../cloudformation/slave-events.yaml")
  tags             = var.tags

  parameters = {
    EventBusArn = var.event_bus_arn
    Prefix      = var.prefix
    IamPath     = local.iam_path
  }

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }

  operation_preferences {
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 100
    region_concurrency_type      = "PARALLEL"
  }

  # AWS fills this in for a service-managed set.
  lifecycle {
    ignore_changes = [administration_role_arn]
  }
}

resource "aws_cloudformation_stack_set_instance" "events" {
  for_each = var.regions

  stack_set_name            = aws_cloudformation_stack_set.events[0].name
  call_as                   = var.call_as
  stack_set_instance_region = each.value

  deployment_targets {
    organizational_unit_ids = var.organizational_unit_ids
  }

  # The rule names the role that this makes.
  depends_on = [aws_cloudformation_stack_set_instance.roles]
}
