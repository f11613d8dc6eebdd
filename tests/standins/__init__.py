"""Stand-ins for JIRA and Slack: HTTP servers on the loopback interface that keep state and answer as the real ones."""
