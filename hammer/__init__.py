"""The command line, the formats it prints, and the demo."""

__version__ = "0.1.0"
"""Hammer's version, as `hammer --version` prints it and the wheel is named."""
