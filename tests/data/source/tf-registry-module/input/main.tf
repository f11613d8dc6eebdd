module "web" {
  source      = "terraform-aws-modules/security-group/aws"
  name        = "web"
  description = "Web servers"

  ingress_with_cidr_blocks = [
    {
      from_port   = 22
      to_port     = 22
      protocol    = "tcp"
      cidr_blocks = "0.0.0.0/0"
    },
    {
      from_port   = 3389
      to_port     = 3389
      protocol    = "tcp"
      cidr_blocks = "10.1.0.0/16,0.0.0.0/0"
    },
  ]
  egress_with_cidr_blocks = [{ from_port = 22, to_port = 22, protocol = "tcp", cidr_blocks = "0.0.0.0/0" }]
}
