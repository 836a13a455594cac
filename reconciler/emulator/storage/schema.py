"""The tables of the index, and the function that its searches call.

An instance with ``deleted_at`` is gone: only searches still list it, until the search lag is over.
Series and studies without an instance disappear with their last one.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from pathlib import Path

IS_FUZZY_MATCH = "is_fuzzy_match"
"""The name under which SQL calls `is_fuzzy_match`."""

_STATEMENTS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;  -- survives the end of the process; a power cut costs test data only
PRAGMA cache_size = -65536;

CREATE TABLE IF NOT EXISTS stores (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE IF NOT EXISTS operations (
    id INTEGER PRIMARY KEY,
    dataset TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS studies (
    store INTEGER NOT NULL,
    study_uid TEXT NOT NULL,
    patient_name TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    accession_number TEXT NOT NULL,
    referring_physician_name TEXT NOT NULL,
    study_date TEXT NOT NULL,
    study_row TEXT NOT NULL,
    PRIMARY KEY (store, study_uid)
) STRICT;

CREATE TABLE IF NOT EXISTS series (
    store INTEGER NOT NULL,
    study_uid TEXT NOT NULL,
    series_uid TEXT NOT NULL,
    modality TEXT NOT NULL,
    series_row TEXT NOT NULL,
    PRIMARY KEY (store, study_uid, series_uid)
) STRICT;

CREATE TABLE IF NOT EXISTS instances (
    id INTEGER PRIMARY KEY,
    store INTEGER NOT NULL,
    study_uid TEXT NOT NULL,
    series_uid TEXT NOT NULL,
    instance_uid TEXT NOT NULL,
    transfer_syntax_uid TEXT NOT NULL,
    size INTEGER NOT NULL,
    deleted_at REAL,
    instance_row TEXT NOT NULL,
    listing_row TEXT NOT NULL,
    UNIQUE (store, study_uid, series_uid, instance_uid)
) STRICT;

CREATE INDEX IF NOT EXISTS instances_by_uid ON instances (store, instance_uid);
CREATE INDEX IF NOT EXISTS instances_gone ON instances (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS metadata (
    id INTEGER PRIMARY KEY,
    json TEXT NOT NULL
) STRICT;

CREATE TRIGGER IF NOT EXISTS instance_leaves AFTER DELETE ON instances BEGIN
    DELETE FROM metadata WHERE id = OLD.id;
    DELETE FROM series
        WHERE store = OLD.store AND study_uid = OLD.study_uid AND series_uid = OLD.series_uid
        AND NOT EXISTS (SELECT 1 FROM instances
            WHERE store = OLD.store AND study_uid = OLD.study_uid AND series_uid = OLD.series_uid);
    DELETE FROM studies
        WHERE store = OLD.store AND study_uid = OLD.study_uid
        AND NOT EXISTS (SELECT 1 FROM instances
            WHERE store = OLD.store AND study_uid = OLD.study_uid);
END;
"""


def open_database(path: Path) -> sqlite3.Connection:
    """Open or create the index; each statement commits itself unless a transaction is begun.

    What was only listed because of a search lag when the last run ended is forgotten.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    connection.create_function(IS_FUZZY_MATCH, 2, is_fuzzy_match, deterministic=True)
    connection.executescript(_STATEMENTS)
    connection.execute("DELETE FROM instances WHERE deleted_at IS NOT NULL")
    return connection


def is_fuzzy_match(stored: str, query: str) -> bool:
    """Whether a Patient's Name matches a query, as the service documents fuzzy matching.

    It does if any word of the query is the beginning of any word of it; case and diacritics do not
    count.
    """
    words = _words(stored)
    return any(word.startswith(beginning) for beginning in _words(query) for word in words)


def _words(text: str) -> list[str]:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(one for one in decomposed if not unicodedata.combining(one))
    return re.findall(r"\w+", plain)
