"""The configuration: three files, read and validated into one value, with every mistake in them named at once."""

from library.config.errors import ConfigurationError, Problem
from library.config.loader import configuration_uri, load_configuration, parse_configuration
from library.config.models import (
    DEFAULT_RESTRICTED_PORTS,
    ORGANIZATION,
    AllowedPorts,
    Configuration,
    Inspector,
    Jira,
    Owners,
    SecurityGroupsCheck,
    Slack,
)

__all__ = [
    "DEFAULT_RESTRICTED_PORTS",
    "ORGANIZATION",
    "AllowedPorts",
    "Configuration",
    "ConfigurationError",
    "Inspector",
    "Jira",
    "Owners",
    "Problem",
    "SecurityGroupsCheck",
    "Slack",
    "configuration_uri",
    "load_configuration",
    "parse_configuration",
]
