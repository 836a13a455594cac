"""The resources of the embedded store: one module for each kind of request."""
