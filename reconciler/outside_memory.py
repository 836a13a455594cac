"""What need not fit into memory: a database in a temporary file that ends with its connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

Database = sqlite3.Connection


@contextmanager
def temporary_database() -> Iterator[Database]:
    """A database that only this process sees, for what is sorted and grouped outside of memory.

    SQLite makes the file where temporary files lie (``SQLITE_TMPDIR``, else ``TMPDIR``, else
    /var/tmp), for its owner only, and removes its name at once: so nothing of it stays, however the
    process ends. What is small never reaches the disk.
    """
    with closing(sqlite3.connect("", isolation_level=None, check_same_thread=False)) as database:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA temp_store = FILE")
        database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        yield database


_CACHE_KIB = 16 << 10
