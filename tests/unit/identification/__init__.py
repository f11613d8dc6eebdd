"""Unit tests of identification."""
