"""Address and port arithmetic on intervals. Pure: knows no security group."""
