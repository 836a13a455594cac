"""The version of the journal's format."""

FORMAT_VERSION = "1.0"
"""``major.minor``: a minor version may add keys, and in ``observations/`` new types of records.

In ``runs/`` a new type of record is a new major version, since a reader that skips one may miss a
deletion. The records of `read_only` report nothing that changes a store.
"""
