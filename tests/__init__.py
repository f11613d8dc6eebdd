"""The tests: unit (no I/O), integration (emulated services), deployment (real Terraform)."""
