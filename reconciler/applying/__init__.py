"""Plan + store → deletions, and back: only here a store's ``delete`` and ``store`` are called."""
