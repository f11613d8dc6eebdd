"""A deterministic simulation of the whole pipeline: see docs/simulation.md."""
