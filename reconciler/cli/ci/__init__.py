"""The CI system around the run."""
