"""The append-only, hash-chained record of runs: append, make durable, read, resume.

``records`` are what happened, ``codec`` and ``segments`` how they stand in a file, ``state`` where
that lies: one of the ``places``. ``commits`` and ``writer`` bring them there, ``reader`` and
``history`` read them again.
"""
