"""Unit tests of aws."""
