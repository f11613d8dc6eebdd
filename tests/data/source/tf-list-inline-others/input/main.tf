resource "aws_security_group" "web" {
  name        = "web"
  description = "Web servers"
  ingress {
    description = "p22"
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["10.1.0.0/16", "0.0.0.0/0"]
  }
  ingress {
    description = "p3389"
    from_port   = 3389
    to_port     = 3389
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0", "10.1.0.0/16"]
  }
}
