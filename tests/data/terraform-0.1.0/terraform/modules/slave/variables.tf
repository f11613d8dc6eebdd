variable "identification_role_arn" {
  description = "The one role that may assume the role for identification: an output of the master module."
  type        = string
}

variable "host_role_arn" {
  description = "The one role that may assume the role for reporting and remediation: an output of the master module."
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
