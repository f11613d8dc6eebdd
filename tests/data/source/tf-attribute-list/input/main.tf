resource "aws_security_group" "web" {
  name        = "web"
  description = "Web servers"
  ingress = [{
    from_port        = 22
    to_port          = 22
    protocol         = "tcp"
    cidr_blocks      = ["0.0.0.0/0"]
    ipv6_cidr_blocks = []
    description = ""
    prefix_list_ids = []
    security_groups = []
    self = false
  }]
}
