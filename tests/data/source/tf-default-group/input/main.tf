resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.main.id
  ingress {
    description = "p22"
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
