# The slave roles and the rules for events in every account of some units, by StackSets: an account that joins gets them by
# itself.
data "aws_region" "current" {}

locals {
  # A rule that an organization's policy lets nobody make would fail in every account.
  regions = setsubtract(var.regions, var.denied_regions)
  # One instance for each unit, and not one for all: deployment_targets is of those arguments whose change makes a resource
  # anew, so that a unit that is added or taken away would take the roles out of every other account, too.
  instances = {
    for pair in setproduct(var.organizational_unit_ids, local.regions) : "${pair[0]}/${pair[1]}" => { unit = pair[0], region = pair[1] }
  }
  # As in modules/slave: the names of the roles may have a path.
  iam_path           = dirname(var.role_name_identification) == "." ? "/" : "/${dirname(var.role_name_identification)}/"
  reporting_iam_path = dirname(var.role_name_reporting) == "." ? "/" : "/${dirname(var.role_name_reporting)}/"
}

resource "aws_cloudformation_stack_set" "roles" {
  name             = "${var.prefix}-slave-roles"
  description      = "The roles that Hammer assumes"
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
    ReportingIamPath       = local.reporting_iam_path
    MasterIamPath          = var.master_iam_path
    PermissionsBoundary    = var.permissions_boundary_name == null ? "" : var.permissions_boundary_name
    EventBusArn            = var.event_bus_arn == null ? "" : var.event_bus_arn
    AllowFlowLogs          = tostring(var.allow_flow_logs)
    FlowLogGroup           = var.flow_log_group
    AllowInspectorClassic  = tostring(var.allow_inspector_classic)
    AllowLookupEvents      = tostring(var.allow_lookup_events)
    AllowSecurityHubImport = tostring(var.allow_security_hub_import)
    AllowSource            = tostring(var.allow_source)
  }

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }

  # CloudFormation does one operation on a stack set at a time and refuses another; with this it queues them.
  managed_execution {
    active = true
  }

  # Of an update of the stack set; the instances below have their own.
  operation_preferences {
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 100
  }

  timeouts {
    update = "6h"
  }

  # AWS fills this in for a service-managed set.
  lifecycle {
    ignore_changes = [administration_role_arn]
  }
}

resource "aws_cloudformation_stack_set_instance" "roles" {
  for_each = toset(var.organizational_unit_ids)

  stack_set_name = aws_cloudformation_stack_set.roles.name
  call_as        = var.call_as
  # Roles are global: one region is enough.
  stack_set_instance_region = data.aws_region.current.region

  # The main account has roles of its own, from the master module.
  deployment_targets {
    organizational_unit_ids = [each.value]
    account_filter_type     = "DIFFERENCE"
    accounts                = [var.main_account_id]
  }

  # By default: one account at a time, and none after the first failure. What one account refuses is its own.
  operation_preferences {
    concurrency_mode             = "SOFT_FAILURE_TOLERANCE"
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 100
  }

  timeouts {
    create = "6h"
    update = "6h"
    delete = "6h"
  }
}

resource "aws_cloudformation_stack_set" "events" {
  count = length(local.regions) > 0 ? 1 : 0

  name             = "${var.prefix}-slave-events"
  description      = "The rules that send events to Hammer's bus"
  permission_model = "SERVICE_MANAGED"
  call_as          = var.call_as
  template_body    = file("${path.module}/../../../cloudformation/slave-events.yaml")
  tags             = var.tags

  parameters = {
    EventBusArn          = var.event_bus_arn
    Prefix               = var.prefix
    IamPath              = local.iam_path
    ForwardInspector     = tostring(var.forward_inspector)
    ForwardOtherFindings = tostring(var.forward_other_findings)
    AlarmTopicName       = var.alarm_topic_name == null ? "" : var.alarm_topic_name
  }

  # In an account that joins, the role that the rules name is made first.
  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
    depends_on_stack_sets            = [aws_cloudformation_stack_set.roles.arn]
  }

  managed_execution {
    active = true
  }

  operation_preferences {
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 100
    region_concurrency_type      = "PARALLEL"
  }

  timeouts {
    update = "6h"
  }

  # AWS fills this in for a service-managed set.
  lifecycle {
    ignore_changes = [administration_role_arn]
  }
}

resource "aws_cloudformation_stack_set_instance" "events" {
  for_each = local.instances

  stack_set_name            = aws_cloudformation_stack_set.events[0].name
  call_as                   = var.call_as
  stack_set_instance_region = each.value.region

  # The main account has rules of these names, from the master module.
  deployment_targets {
    organizational_unit_ids = [each.value.unit]
    account_filter_type     = "DIFFERENCE"
    accounts                = [var.main_account_id]
  }

  operation_preferences {
    concurrency_mode             = "SOFT_FAILURE_TOLERANCE"
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 100
  }

  timeouts {
    create = "6h"
    update = "6h"
    delete = "6h"
  }

  # The rules name the role that these make.
  depends_on = [aws_cloudformation_stack_set_instance.roles]
}
