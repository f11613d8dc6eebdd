"""Tests against an emulated AWS and HTTP stand-ins."""
