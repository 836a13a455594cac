"""The result of an apply or a restore in each format."""
