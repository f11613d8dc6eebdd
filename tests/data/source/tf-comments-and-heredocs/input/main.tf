/* ingress { cidr_blocks = ["0.0.0.0/0"] } */
resource "aws_security_group" "web" {
  name        = "web"
  description = "Web servers"
  tags = {
    doc = <<-EOT
      cidr_blocks = ["0.0.0.0/0"]
    EOT
    world = "0.0.0.0/0"
  }
  # cidr_blocks = ["0.0.0.0/0"]
  ingress {
    description = "p22"
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
