"""Selects and verifies what the journal holds; asks no store."""
