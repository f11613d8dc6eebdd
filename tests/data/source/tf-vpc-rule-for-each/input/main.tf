resource "aws_security_group" "web" {
  name        = "web"
  description = "Web servers"
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  for_each = toset(["0.0.0.0/0"])
  security_group_id = aws_security_group.web.id
  cidr_ipv4         = each.value
  from_port         = 22
  ip_protocol       = "tcp"
  to_port           = 22
}
