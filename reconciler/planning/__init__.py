"""Desired state + live state → plan: decision table, gates, plan file."""
