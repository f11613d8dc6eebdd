"""Unit tests of security_groups."""
