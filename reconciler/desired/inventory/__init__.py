"""Inventories: lists of instances in CSV files."""
