"""Rules that select studies or series, and the lists that they become."""
