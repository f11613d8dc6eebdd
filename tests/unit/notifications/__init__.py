"""Unit tests of notifications."""
