"""Who on the Internet can really connect through what a security group exposes."""
