"""Security groups, their rules, and what these expose to the Internet. Pure."""
