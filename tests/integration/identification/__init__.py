"""Integration tests of identification."""
