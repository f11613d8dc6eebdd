terraform {
  required_version = ">= 1.6"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # The oldest that is known to have depends_on_stack_sets.
      version = "~> 6.62"
    }
  }
}
