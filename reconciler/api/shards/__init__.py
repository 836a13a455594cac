"""Applying a plan in shards: accepted once, in one process or several, with one report."""
