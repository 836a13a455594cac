"""A plan in each format."""
