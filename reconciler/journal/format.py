"""The version of the journal's format."""

FORMAT_VERSION = "1.1"
"""``major.minor``: a minor version may add keys.

In ``runs/`` a new type of record is a new major version, since a reader that skips one may miss a
deletion. The records of `readings` came with a minor one: they tell of nothing that changes a
store.
"""
