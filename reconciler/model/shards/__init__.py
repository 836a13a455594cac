"""A plan in shards: what of it is known without reading one of them."""
