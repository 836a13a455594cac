"""The version of the journal's format."""

FORMAT_VERSION = "1.1"
"""``major.minor``: a minor version may add keys.

In ``runs/`` a new type of record is a new major version, since a reader that skips one may miss a
deletion. The records of `readings` came with 1.1: they stand in a folder that 1.0 never opens, and
tell of nothing that changes a store. ``study_patient`` came with 1.1 too; 1.0 stops at it, and does
not skip it.
"""
