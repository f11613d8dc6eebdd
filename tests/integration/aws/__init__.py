"""Integration tests of aws."""
