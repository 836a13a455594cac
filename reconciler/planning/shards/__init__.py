"""A plan in shards: made part by part, and the manifest that names its shards."""
