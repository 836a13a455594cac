"""Writes a parsed instance into the index."""

from __future__ import annotations

import sqlite3

from reconciler.emulator.storage.parsing import ParsedInstance


def insert(connection: sqlite3.Connection, store: int, instance: ParsedInstance) -> None:
    """Add an instance that the store does not hold, with its series and study if they are new.

    Call it within a transaction.
    """
    key = (store, *instance.address)
    connection.execute(
        "DELETE FROM instances WHERE store = ? AND study_uid = ? AND series_uid = ?"
        " AND instance_uid = ? AND deleted_at IS NOT NULL",
        key,
    )
    _insert_study(connection, store, instance)
    _insert_series(connection, store, instance)
    rows = instance.rows
    cursor = connection.execute(
        "INSERT INTO instances VALUES (NULL, ?, ?, ?, ?, ?, ?, NULL, ?, ?)",
        (*key, instance.transfer_syntax_uid, instance.size, rows.instance, rows.instance_with_uids),
    )
    connection.execute("INSERT INTO metadata VALUES (?, ?)", (cursor.lastrowid, instance.metadata))


def _insert_study(connection: sqlite3.Connection, store: int, instance: ParsedInstance) -> None:
    keys = instance.search_keys
    connection.execute(
        "INSERT OR IGNORE INTO studies VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            store,
            instance.address.study_uid,
            keys["PatientName"],
            keys["PatientID"],
            keys["AccessionNumber"],
            keys["ReferringPhysicianName"],
            keys["StudyDate"],
            instance.rows.study,
        ),
    )


def _insert_series(connection: sqlite3.Connection, store: int, instance: ParsedInstance) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO series VALUES (?, ?, ?, ?, ?)",
        (
            store,
            instance.address.study_uid,
            instance.address.series_uid,
            instance.search_keys["Modality"],
            instance.rows.series,
        ),
    )
