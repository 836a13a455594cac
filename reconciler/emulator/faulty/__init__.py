"""Faults that the embedded store shows on demand."""
