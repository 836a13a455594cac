"""What need not fit into memory: a database in a temporary file that ends with its connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from reconciler.errors import ReconcilerError

Database = sqlite3.Connection


@contextmanager
def temporary_database() -> Iterator[Database]:
    """A database that only this process sees, for what is sorted and grouped outside of memory.

    SQLite makes the file where temporary files lie (``SQLITE_TMPDIR``, else ``TMPDIR``, else
    /var/tmp), for its owner only, and removes its name at once: so nothing of it stays, however the
    process ends. What is small never reaches the disk.

    Raises:
        ReconcilerError: there is no room for it.
    """
    try:
        with closing(sqlite3.connect("", isolation_level=None, check_same_thread=False)) as opened:
            opened.execute("PRAGMA journal_mode = OFF")
            opened.execute("PRAGMA temp_store = FILE")
            opened.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            opened.execute("BEGIN")  # else each row would be a transaction of its own
            yield opened
    except sqlite3.Error as error:
        raise ReconcilerError(
            f"what does not fit into memory cannot be written to a temporary file: {error}",
            hint="free space in the folder for temporary files, or set TMPDIR to another",
        ) from error


_CACHE_KIB = 16 << 10
