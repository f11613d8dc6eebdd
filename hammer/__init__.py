"""The command line: one door to every job, and the demo on an embedded AWS."""
