"""Thin adapters over AWS: what they return is parsed, what they raise is named."""
