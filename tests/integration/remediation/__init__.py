"""Integration tests of remediation."""
