"""Integration tests of config."""
