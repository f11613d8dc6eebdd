variable "name" {}

variable "cidrs" {
  type = list(string)
}

resource "aws_security_group" "this" {
  name        = var.name
  description = "Web servers"
  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = var.cidrs
  }
}
