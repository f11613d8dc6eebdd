"""Integration tests of reporting."""
