"""The published schema: the verdict on a file, and its messages."""
