"""Integration tests of inspector."""
