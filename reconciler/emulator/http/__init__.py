"""Requests and answers of the embedded store, and the media types they negotiate."""
