resource "aws_security_group" "web" {
  name        = "web"
  description = "Web servers"
  ingress {
    description = "p22"
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = var.open
  }
}
