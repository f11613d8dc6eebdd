variable "main_account_id" {
  description = "The account that Hammer runs in."
  type        = string
}

variable "external_id" {
  description = "aws.external_id of the configuration. Empty: none is asked for. It is no secret: CloudFormation shows it."
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

variable "organizational_unit_ids" {
  description = "Units whose accounts get the roles, now and when they join: ids of units (ou-…), or of the root (r-…) for all."
  type        = list(string)
}

variable "call_as" {
  description = "SELF in the management account, DELEGATED_ADMIN in a delegated administrator account of CloudFormation."
  type        = string
  default     = "DELEGATED_ADMIN"
}

variable "event_bus_arn" {
  description = "The bus in the main account that events are sent to: an output of the master module."
  type        = string
  default     = null
}

variable "regions" {
  description = "The regions whose events are sent: an output of the master module. Empty: no events are sent, and changes are seen by the next scan."
  type        = set(string)
  default     = []
}

variable "denied_regions" {
  description = "Those of the regions that a policy of the organization denies: no rule is put there. Their accounts' scans are recorded as closed."
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

variable "alarm_topic_name" {
  description = "Name of an SNS topic that there is in each of these accounts and regions: it gets an alarm when a rule cannot send. Null: no alarms."
  type        = string
  default     = null
}

variable "prefix" {
  description = "As the master module's: another one for each Hammer."
  type        = string
  default     = "hammer"
}

variable "master_iam_path" {
  description = "The master module's iam_path."
  type        = string
  default     = "/"
}

variable "permissions_boundary_name" {
  description = "Name, with its path, of the policy in each account that is the roles' permissions boundary. Null: none."
  type        = string
  default     = null
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

variable "tags" {
  description = "More tags of the stack sets than the provider's default_tags. CloudFormation gives both to the roles and rules."
  type        = map(string)
  default     = {}
}
