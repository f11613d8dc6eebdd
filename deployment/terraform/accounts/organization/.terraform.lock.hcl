# The version of the provider that the tests check the arguments against. It has no hashes, because they are those of your
# platforms: `terraform init` adds them; commit the file then.

provider "registry.terraform.io/hashicorp/aws" {
  version     = "6.62.0"
  constraints = "~> 6.0"
}
