"""The check of desired-state files in each format."""
