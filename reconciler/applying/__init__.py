"""Plan + store → deletions: the only room that calls a store's ``delete``."""
