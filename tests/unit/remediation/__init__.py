"""Unit tests of remediation."""
