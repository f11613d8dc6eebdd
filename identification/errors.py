"""Errors that more than one of the identification Lambdas raises."""

from __future__ import annotations


class MalformedEventError(ValueError):
    """A record is not what the function's event source sends. Lambda retries it, then the dead-letter queue gets it."""
