"""The nouns of the project: frozen values and closed sets; no I/O."""
