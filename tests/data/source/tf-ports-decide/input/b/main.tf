resource "aws_security_group" "web" {
  name        = "web"
  description = "Web servers"
  ingress {
    description = "p3389"
    from_port   = 3389
    to_port     = 3389
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
