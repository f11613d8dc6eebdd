variable "main_account_id" {
  description = "The account that Hammer runs in."
  type        = string
}

variable "external_id" {
  description = "aws.external_id of the configuration. Empty: none is asked for."
  type        = string
  default     = ""
  sensitive   = true
}

variable "role_name_identification" {
  description = "aws.role_name_identification of the configuration."
  type        = string
  default     = "hammer-cloudsec-crossact-id"
}

variable "role_name_reporting" {
  description = "aws.role_name_reporting of the configuration."
  type        = string
  default     = "hammer-cloudsec-crossact-ec2"
}

variable "organizational_unit_ids" {
  description = "Units whose accounts get the roles, now and when they join: ids of units (ou-…), or of the root (r-…) for all."
  type        = list(string)
}

variable "call_as" {
  description = "SELF in the management account, DELEGATED_ADMIN in a delegated administrator account of CloudFormation."
  type        = string
  default     = "DELEGATED_ADMIN"
}
