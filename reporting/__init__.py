"""Tickets and alerts for issues that are new, changed or gone."""
