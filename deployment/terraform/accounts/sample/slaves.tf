# A provider and a module for each slave account in `aws.accounts`. With many accounts, use
# modules/organization in place of this file.

provider "aws" {
  alias               = "slave1"
  region              = local.config.aws.region
  allowed_account_ids = ["210987654321"]

  assume_role {
    role_arn = "arn:aws:iam::210987654321:role/${var.deployer_role}"
  }

  default_tags {
    tags = local.tags
  }
}

module "slave1" {
  source    = "../../modules/slave"
  providers = { aws = aws.slave1 }

  identification_role_arn  = module.master.identification_role_arn
  host_role_arn            = module.master.host_role_arn
  external_id              = try(local.config.aws.external_id, "")
  role_name_identification = try(local.config.aws.role_name_identification, "hammer-cloudsec-crossact-id")
  role_name_reporting      = try(local.config.aws.role_name_reporting, "hammer-cloudsec-crossact-ec2")
  event_bus_arn            = module.master.event_bus_arn
  regions                  = module.master.regions
}

provider "aws" {
  alias               = "slave2"
  region              = local.config.aws.region
  allowed_account_ids = ["321098765432"]

  assume_role {
    role_arn = "arn:aws:iam::321098765432:role/${var.deployer_role}"
  }

  default_tags {
    tags = local.tags
  }
}

module "slave2" {
  source    = "../../modules/slave"
  providers = { aws = aws.slave2 }

  identification_role_arn  = module.master.identification_role_arn
  host_role_arn            = module.master.host_role_arn
  external_id              = try(local.config.aws.external_id, "")
  role_name_identification = try(local.config.aws.role_name_identification, "hammer-cloudsec-crossact-id")
  role_name_reporting      = try(local.config.aws.role_name_reporting, "hammer-cloudsec-crossact-ec2")
  event_bus_arn            = module.master.event_bus_arn
  regions                  = module.master.regions
}
