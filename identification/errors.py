"""Errors of the identification Lambdas."""

from __future__ import annotations

from library.errors import HammerError


class UnknownAccountError(HammerError):
    """A message or an event is about an account that the configuration does not name. No role is assumed for it."""


class MalformedEventError(HammerError, ValueError):
    """A record is not what the function's event source sends. Lambda retries it, then the dead-letter queue gets it."""


class MissingVariableError(HammerError):
    """A variable of the function's environment is missing: the deployment is not complete."""


class NoTimeLeftError(HammerError):
    """A scan was not begun, because the function might be ended in the middle of it. Its message comes again."""


class NotRequestedError(HammerError):
    """A remediation run at once could not be asked for. The scan must be repeated."""
