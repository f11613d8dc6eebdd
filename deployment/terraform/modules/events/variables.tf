variable "event_bus_arn" {
  description = "Hammer's bus in the main account: an output of the master module."
  type        = string
}

variable "regions" {
  description = "Regions whose events are sent: aws.regions of the configuration."
  type        = set(string)
}

variable "role_name" {
  description = "Name of the role with which EventBridge sends events."
  type        = string
  default     = "hammer-cloudsec-crossact-events"
}

variable "forward_inspector" {
  description = "Send Amazon Inspector's findings, too. Only where the main account is not Inspector's delegated administrator."
  type        = bool
  default     = false
}

variable "inspector_finding_pattern" {
  description = "Event pattern of the findings that are sent."
  type        = any
  default = {
    source      = ["aws.inspector2"]
    detail-type = ["Inspector2 Finding"]
    detail      = { type = ["NETWORK_REACHABILITY"] }
  }
}

variable "prefix" {
  description = "What the names of the rules begin with."
  type        = string
  default     = "hammer"
}

variable "iam_path" {
  description = "Path of the role."
  type        = string
  default     = "/"
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the role. Null: none."
  type        = string
  default     = null
}

variable "alarm_topic_arns" {
  description = "Region → SNS topic there that gets an alarm when a rule of the region cannot send. Regions without one have no alarm."
  type        = map(string)
  default     = {}
}
