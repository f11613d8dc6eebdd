variable "identification_role_arn" {
  description = "The role that may assume the role for identification, with Inspector's filter's: an output of the master module."
  type        = string
}

variable "host_role_arn" {
  description = "The one role that may assume the role for reporting and remediation: an output of the master module."
  type        = string
}

variable "external_id" {
  description = "aws.external_id of the configuration. Empty: none is asked for. It is no secret."
  type        = string
  default     = ""
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

variable "event_bus_arn" {
  description = "The bus in the main account that events are sent to: an output of the master module."
  type        = string
  default     = null
}

variable "regions" {
  description = "The regions whose events are sent: an output of the master module, less those that a policy denies this account. Empty: no events are sent, and changes are seen by the next scan."
  type        = set(string)
  default     = []
}

variable "forward_inspector" {
  description = "Send Amazon Inspector's findings, too. Only where the main account is not Inspector's delegated administrator."
  type        = bool
  default     = false
}

variable "forward_other_findings" {
  description = "With forward_inspector: findings of every type, where the configuration has inspector.other_findings: pass. False: those on network reachability."
  type        = bool
  default     = false
}

variable "allow_flow_logs" {
  description = "Allow the role for reporting to read VPC flow logs, which tell who works through the rules of open issues."
  type        = bool
  default     = false
}

variable "flow_log_group" {
  description = "The log groups that allow_flow_logs opens, as IAM writes a name with wildcards."
  type        = string
  default     = "*flow*log*"
}

variable "allow_inspector_classic" {
  description = "Allow inspector:DescribeFindings, where notifications of Inspector Classic come in: they name a finding and no more."
  type        = bool
  default     = false
}

variable "allow_lookup_events" {
  description = "Allow cloudtrail:LookupEvents, which tells who opened a group where no event did."
  type        = bool
  default     = false
}

variable "allow_source" {
  description = "Allow reading CloudFormation's stacks and templates, which tell where a group is defined."
  type        = bool
  default     = false
}

variable "allow_security_hub_import" {
  description = "Allow the role for reporting to import findings into the account's Security Hub."
  type        = bool
  default     = false
}

variable "prefix" {
  description = "As the master module's: another one for each Hammer."
  type        = string
  default     = "hammer"
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the roles. Null: none."
  type        = string
  default     = null
}

variable "alarm_topic_arns" {
  description = "Region → SNS topic there that gets an alarm when a rule of the region cannot send. Regions without one have no alarm."
  type        = map(string)
  default     = {}
}
