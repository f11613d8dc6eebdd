terraform {
  required_version = ">= 1.6"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }

  # Keep the state where the team can reach it, encrypted: it has aws.external_id in it.
  # backend "s3" {
  #   bucket       = "your-terraform-state"
  #   key          = "hammer/terraform.tfstate"
  #   region       = "eu-west-1"
  #   encrypt      = true
  #   use_lockfile = true
  # }
}
