"""Selectors: the rules from which lists are resolved, and the files that they name."""
