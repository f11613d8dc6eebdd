variable "package_folder" {
  description = "Where `make package` put what it built."
  type        = string
  default     = "../../../../dist"
}

variable "alarm_emails" {
  description = "Addresses that alarms are sent to."
  type        = set(string)
  default     = []
}

variable "findings_emails" {
  description = "Addresses that Inspector findings are sent to, less what is expected."
  type        = set(string)
  default     = []
}

variable "inspector_classic_topic_arn" {
  description = "Existing SNS topic of Inspector Classic notifications. Empty: none."
  type        = string
  default     = ""
}

variable "protect_data" {
  description = "Refuse to destroy the table, and the bucket while it holds anything."
  type        = bool
  default     = true
}

# Every attribute is the master module's, which says what it takes: any, so that they are not repeated here.
variable "host" {
  description = "The reporting and remediation host: its VPC, subnet and, if wanted, more. Null: none."
  type        = any
  default     = null
}

variable "tags" {
  description = "Tags for everything, in every account."
  type        = map(string)
  default     = {}
}
