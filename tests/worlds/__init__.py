"""Emulated worlds that integration tests share: AWS and what stands in for it, with faults."""
