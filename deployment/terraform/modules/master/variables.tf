variable "config_folder" {
  description = "Folder with the configuration: config, and whitelist and ticket_owners if there are any, as .json, .yaml or .yml."
  type        = string
}

variable "package_folder" {
  description = "Folder with what `make package` built: a zip for each function, and the host's bundle."
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

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Write a number of days that CloudWatch Logs takes, such as 90, 365 or 731."
  }
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
    vpc_id             = string
    subnet_id          = string
    more_subnet_ids    = optional(list(string), []) # of other zones, where it may come back
    instance_type      = optional(string, "t4g.micro")
    ssh_cidrs          = optional(list(string), [])
    key_name           = optional(string)
    ami                = optional(string)                    # an image with Amazon Linux 2023's tools; without: the newest of Amazon Linux 2023
    root_device        = optional(string, "/dev/xvda")       # of the image
    volume_size        = optional(number)                    # of the root volume, in GB; without: the image's own
    volume_kms_key_arn = optional(string)                    # its key must let Auto Scaling's service-linked role use it; without: the account's default
    max_age_days       = optional(number, 14)                # after so many days another takes its place, patched; 0: never
    architecture       = optional(string)                    # arm64 or x86_64; without: as the instance type has it
    egress_ports       = optional(list(number), [443])       # TCP ports that it may connect to, such as those of a proxy or of JIRA; and port 53
    https_proxy        = optional(string, "")                # http://proxy.example.com:3128, without a password; its port belongs into egress_ports
    no_proxy           = optional(string, "169.254.169.254") # what is reached without it, beside the instance metadata: endpoints of the VPC
    egress_rules = optional(list(object({                    # in place of egress_ports: what it may connect to, DNS included
      protocol       = string
      from_port      = number
      to_port        = number
      cidr_ipv4      = optional(string)
      cidr_ipv6      = optional(string)
      prefix_list_id = optional(string)
    })))
  })
  default = null

  validation {
    condition     = var.host == null || try(var.host.max_age_days == 0 || (var.host.max_age_days >= 1 && var.host.max_age_days <= 365), false)
    error_message = "Write 1 to 365 days, or 0, as max_age_days."
  }

  validation {
    condition     = !can(regex("//[^/]*@", var.host.https_proxy))
    error_message = "Write https_proxy without user and password: user data and state show it."
  }

  # A login shell reads them as a program, and a unit of systemd has them between quotes.
  validation {
    condition     = var.host == null || can(regex("^[A-Za-z0-9_.,:/@+=*\\[\\]-]*$", "${var.host.https_proxy},${var.host.no_proxy}"))
    error_message = "Write https_proxy and no_proxy without blanks and quotes; no_proxy with commas between its values."
  }
}

variable "missing_after_hours" {
  description = "After how many hours without a run of a job of the host there is an alarm. Longer than the pause between two runs of cronjobs; at most 168."
  type        = object({ publishing = optional(number, 26), remediation = optional(number, 26), reporting = optional(number, 3) })
  default     = {}

  validation {
    condition     = alltrue([for hours in values(var.missing_after_hours) : hours >= 1 && hours <= 168])
    error_message = "Write 1 to 168 hours."
  }
}

variable "prefix" {
  description = "What the names of functions, log groups, topics, queues, roles and alarms begin with. Another one for each Hammer in one account and region."
  type        = string
  default     = "hammer"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.prefix))
    error_message = "Write 2 to 20 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "iam_path" {
  description = "Path of the roles in the main account."
  type        = string
  default     = "/"

  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.iam_path))
    error_message = "Write a path that begins and ends with a slash, such as /security/."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the roles in the main account. Null: none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags for what the provider's default_tags do not reach: the host's volume. Everything else takes the provider's."
  type        = map(string)
  default     = {}
}

variable "kms_key_arn" {
  description = "A KMS key of your own, from the first apply on: given later, what the key that was made encrypts cannot be read any more. Its policy needs the statements of the output `key_statements`. Null: one is made."
  type        = string
  default     = null

  # Roles are allowed this key: the name of an alias allows nothing.
  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.", var.kms_key_arn))
    error_message = "Write the ARN of the key itself, arn:…:key/…, and not of an alias."
  }
}

variable "organization_id" {
  description = "Organization (o-…) whose accounts may send events to the bus. Null: the accounts in aws.accounts may."
  type        = string
  default     = null

  # Of another one no account could be entered, and no event would arrive.
  validation {
    condition     = var.organization_id == null || can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "Write the id of the organization, o-…: aws organizations describe-organization shows it."
  }
}

variable "event_delay_seconds" {
  description = "How long an event waits before it is looked at, so that bursts merge and EC2 shows the change."
  type        = number
  default     = 15

  validation {
    condition     = var.event_delay_seconds >= 0 && var.event_delay_seconds <= 900
    error_message = "Write 0 to 900 seconds."
  }
}

variable "scan_concurrency" {
  description = "How many batches of scan targets are looked at at once, 2 to 1000."
  type        = number
  default     = 20

  validation {
    condition     = var.scan_concurrency >= 2 && var.scan_concurrency <= 1000
    error_message = "Write 2 to 1000."
  }
}

variable "backup_lock_days" {
  description = "S3 Object Lock (governance mode): how many days no version of a backup can be deleted without s3:BypassGovernanceRetention. 0: no lock. Once on, S3 does not let the bucket lose the feature."
  type        = number
  default     = 0

  validation {
    condition     = var.backup_lock_days >= 0 && floor(var.backup_lock_days) == var.backup_lock_days
    error_message = "Write a whole number of days, or 0."
  }
}

variable "backup_retention_days" {
  description = "Backups are deleted after so many days. 0: never. Keep them for longer than anybody may want to restore."
  type        = number
  default     = 0

  validation {
    condition     = var.backup_retention_days == 0 || var.backup_retention_days >= 30
    error_message = "Write 0, or at least 30 days."
  }
}

variable "allow_flow_logs" {
  description = "Allow the host to read VPC flow logs, which tell who works through the rules of open issues."
  type        = bool
  default     = false
}

variable "flow_log_group" {
  description = "The log groups that allow_flow_logs opens, as IAM writes a name with wildcards."
  type        = string
  default     = "*flow*log*"
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
  description = "Allow the host to import findings into Security Hub of the main account. The slave modules have a variable of the same name."
  type        = bool
  default     = false
}

variable "immediate_remediation" {
  description = "Let events start a run for the groups that remediation_immediate names: a queue that the functions send to and the host polls."
  type        = bool
  default     = false
}

variable "ses_from_address" {
  description = "Allow the host to send mail by SES from this address. Null: publishing.email_from of the configuration; empty: it may not."
  type        = string
  default     = null
}

variable "vpc_config" {
  description = "Subnets and security groups of the functions. They need a way to the APIs of every region that is scanned. Null: no VPC."
  type        = object({ subnet_ids = list(string), security_group_ids = list(string) })
  default     = null
}

variable "reserved_concurrency" {
  description = "Reserved concurrency of functions, by their names with the prefix \"hammer\". A function that is not named has none. It bounds scan_concurrency; 0 leaves messages in their queue, for a day."
  type        = map(number)
  default     = {}

  # Lambda takes from a queue for two at least.
  validation {
    condition     = !contains([for name in ["hammer-describe-security-groups", "hammer-receive-security-group-events"] : lookup(var.reserved_concurrency, name, -1)], 1)
    error_message = "Write 2 or more, or 0, for the functions that take from a queue."
  }
}

variable "code_signing_config_arn" {
  description = "Code signing configuration of the functions; `make package` does not sign. Null: none."
  type        = string
  default     = null
}

variable "table_kms_key_arn" {
  description = "A KMS key of your own for the table. Whoever reads the table needs it, too. Null: the key that AWS keeps for DynamoDB."
  type        = string
  default     = null

  # Roles are allowed this key: the name of an alias allows nothing.
  validation {
    condition     = var.table_kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.", var.table_kms_key_arn))
    error_message = "Write the ARN of the key itself, arn:…:key/…, and not of an alias."
  }
}

variable "environment" {
  description = "More environment variables of the functions and the host's jobs, such as { AWS_USE_FIPS_ENDPOINT = \"true\" }."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name, value in var.environment : can(regex("^[A-Z][A-Z0-9_]*$", name)) && can(regex("^[A-Za-z0-9_.,:/@%+=-]*$", value))])
    error_message = "Write names in capitals, and values without blanks and quotes."
  }
}
