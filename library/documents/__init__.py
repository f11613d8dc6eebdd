"""Documents as values, and how JIRA, Slack and the console show them. Pure."""
