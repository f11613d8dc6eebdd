"""Tests of what is deployed, with the real Terraform."""
