"""From a DELETE to the removes of a plan; it deletes nothing by itself."""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import replace

from reconciler.model.address import StoreAddress
from reconciler.model.desired import (
    Entry,
    EntryKind,
    InputFile,
    InputRole,
    InstanceList,
    QueriedRemoves,
    Reason,
)
from reconciler.query.statement import Delete


def removes_of(
    delete: Delete, *, store: StoreAddress, reason: Reason, path: str, text: str
) -> QueriedRemoves:
    """What a file would say that asks for the same.

    ``store`` is that of the statement, with its provider found; ``path`` is how the statement is
    named in plans and records, ``text`` the statement with its variables filled in.
    """
    listed = InstanceList(
        tuple(removal.instance.instance_uid for removal in delete.removals),
        array("I", (removal.place.line for removal in delete.removals)),
        array("I", (removal.place.column for removal in delete.removals)),
    )
    first = replace(delete.removals[0].place, path=path)
    entry = Entry(EntryKind.REMOVE, *delete.series, listed, first, reason)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return QueriedRemoves(InputFile(path, digest, InputRole.QUERY), (store, (entry,)))
