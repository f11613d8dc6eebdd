"""Unit tests of hammer."""
