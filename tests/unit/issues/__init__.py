"""Unit tests of issues."""
