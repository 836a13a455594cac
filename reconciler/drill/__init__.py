"""The drill: the tool at work against the embedded store, to be seen (demo) or tested."""
