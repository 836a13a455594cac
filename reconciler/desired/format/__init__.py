"""The canonical form of a file, and writing one."""
