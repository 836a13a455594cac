"""The append-only, hash-chained record of runs: append, fsync, read, resume.

``records`` are what happened, ``codec`` and ``chain`` how they stand in a line, ``durable`` and
``writer`` how they reach the disk, ``reader`` and ``history`` how they are read again, ``locks``
how two runs keep out of each other's way.
"""
