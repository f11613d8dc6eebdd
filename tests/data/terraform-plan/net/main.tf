variable "vpc_id" {
  type = string
}

variable "cidrs" {
  type = list(string)
}

resource "aws_security_group" "this" {
  name_prefix = "net-"
  vpc_id      = var.vpc_id
}

resource "aws_security_group_rule" "all" {
  type              = "ingress"
  security_group_id = aws_security_group.this.id
  from_port         = 0
  to_port           = 0
  protocol          = "all"
  cidr_blocks       = var.cidrs
}
