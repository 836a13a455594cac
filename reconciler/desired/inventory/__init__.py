"""Inventories: lists of studies, series or instances in CSV files."""
