"""Verifies, signs and selects what the journal holds; asks no store."""
