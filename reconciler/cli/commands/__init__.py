"""The commands, a module each; every one has a function ``command``."""
