"""Builders of values and texts that tests share: rules, groups, issues, configurations."""
