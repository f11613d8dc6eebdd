"""Unit tests of inspector."""
