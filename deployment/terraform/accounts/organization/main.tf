locals {
  config = jsondecode(file("${path.module}/config/config.json"))
  # Every provider below gives these to everything that it makes.
  tags = merge({ Application = "hammer" }, var.tags)
}

provider "aws" {
  region              = local.config.aws.region
  allowed_account_ids = [local.config.aws.main_account_id]

  default_tags {
    tags = local.tags
  }
}

module "master" {
  source = "../../modules/master"

  config_folder               = "${path.module}/config"
  package_folder              = var.package_folder
  alarm_emails                = var.alarm_emails
  findings_emails             = var.findings_emails
  inspector_classic_topic_arn = var.inspector_classic_topic_arn
  protect_data                = var.protect_data
  host                        = var.host
  organization_id             = var.organization_id
  tags                        = local.tags
}

module "slaves" {
  source = "../../modules/organization"

  main_account_id          = module.master.main_account_id
  external_id              = try(local.config.aws.external_id, "")
  role_name_identification = try(local.config.aws.role_name_identification, "hammer-cloudsec-crossact-id")
  role_name_reporting      = try(local.config.aws.role_name_reporting, "hammer-cloudsec-crossact-ec2")
  organizational_unit_ids  = var.organizational_unit_ids
  call_as                  = var.call_as
  event_bus_arn            = module.master.event_bus_arn
  regions                  = module.master.regions
  denied_regions           = var.denied_regions
}

output "master" {
  description = "What was made in the main account."
  value       = module.master
}
