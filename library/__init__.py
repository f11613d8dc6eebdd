"""What more than one of identification, reporting and remediation needs."""
