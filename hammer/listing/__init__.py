"""The one list of issues that every format shows: issues as values, what they break, and which are wanted. Pure."""
