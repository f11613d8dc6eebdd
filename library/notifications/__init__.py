"""Bringing something to people: who owns it, and the clients of JIRA and Slack."""
