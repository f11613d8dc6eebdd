"""Issues: the tracked record of one exposed group, its life, and what a scan covered. Pure."""
