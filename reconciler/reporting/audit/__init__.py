"""The record as a report, in each format."""
