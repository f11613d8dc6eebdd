"""Integration tests of hammer."""
