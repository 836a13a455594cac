"""Applying a plan in shards: which shards, in how many processes, and the account of them."""
