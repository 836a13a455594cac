"""The functions that ``reconciler`` gives, and how each goes about it; the command calls them too.

``machine`` has the clock, the randomness and the names of this process. Nothing here prints, reads
an environment variable or handles a signal: a caller hands in what it has of these.
"""
