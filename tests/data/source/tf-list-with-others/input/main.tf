resource "aws_security_group" "web" {
  name        = "web"
  description = "Web servers"
  ingress {
    description = "p22"
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = [
      "10.1.0.0/16", # office
      "0.0.0.0/0", # all
      "0.0.0.0/0",
      var.more,
    ]
  }
}
