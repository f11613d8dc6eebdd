variable "config_folder" {
  description = "Folder with the configuration: config, and whitelist and ticket_owners if there are any, as .json, .yaml or .yml."
  type        = string
}

variable "package_folder" {
  description = "Folder with what `make package` built: a zip for each function, the wheel and the host's lock."
  type        = string
}

variable "scan_interval_minutes" {
  description = "How often every account and region is scanned, in minutes."
  type        = number
  default     = 60

  validation {
    condition     = var.scan_interval_minutes >= 5 && var.scan_interval_minutes <= 720 && floor(var.scan_interval_minutes) == var.scan_interval_minutes
    error_message = "Write a whole number of minutes between 5 and 720."
  }
}

variable "architecture" {
  description = "Processor of the Lambda functions: arm64 or x86_64. `make package` must have built for it."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Write arm64 or x86_64."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept, in days. One of the values that CloudWatch Logs takes."
  type        = number
  default     = 365
}

variable "alarm_emails" {
  description = "Addresses that alarms are sent to. Each must confirm the mail it gets."
  type        = set(string)
  default     = []
}

variable "findings_emails" {
  description = "Addresses that Inspector findings are sent to, less what is expected. Each must confirm the mail it gets."
  type        = set(string)
  default     = []
}

variable "inspector_classic_topic_arn" {
  description = "Existing SNS topic of Inspector Classic notifications, in the main account and region. Empty: none."
  type        = string
  default     = ""
}

variable "protect_data" {
  description = "Refuse to destroy the table, and the bucket while it holds anything."
  type        = bool
  default     = true
}

variable "host" {
  description = "The reporting and remediation host. Null: none; run the jobs elsewhere."
  type = object({
    vpc_id        = string
    subnet_id     = string
    instance_type = optional(string, "t4g.micro")
    ssh_cidrs     = optional(list(string), [])
    key_name      = optional(string)
  })
  default = null
}
