"""`selftest --store`: the tool tried on the user's own test store."""
