"""Amazon Inspector's findings: reading them, deciding what nobody expected, delivering that once."""
