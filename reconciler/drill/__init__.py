"""The drill: the tool at work on the embedded store, or on a user's: to be seen, or tested."""
