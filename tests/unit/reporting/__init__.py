"""Unit tests of reporting."""
