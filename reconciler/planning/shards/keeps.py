"""What the files keep, outside of memory: of it a shard is compared with what may matter to it."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from reconciler.model.address import StoreAddress
from reconciler.model.desired import Claims, DesiredStore, Entry
from reconciler.model.plan import Plan
from reconciler.outside_memory import Database


class Keeps:
    """The keep entries of all stores; of each UID that one names a number is noted."""

    def __init__(self, database: Database, parts: Iterable[DesiredStore]) -> None:
        """Take the keeps of ``parts``, of which one at a time is in memory."""
        self._database = database
        database.execute("CREATE TABLE keeps (number INTEGER PRIMARY KEY, keep BLOB)")
        database.execute("CREATE TABLE kept (uid INTEGER, keep INTEGER)")
        database.execute("CREATE TABLE planned (uid INTEGER)")
        for part in parts:
            for entry in part.keeps.entries:
                self._add(part.store, entry)
        database.execute("CREATE INDEX by_kept ON kept (uid, keep)")

    def covering(self, plan: Plan) -> Mapping[StoreAddress, Claims]:
        """All entries that cover a deletion of the plan, and a few that only seem to."""
        self._database.execute("DELETE FROM planned")
        self._database.executemany(
            "INSERT INTO planned VALUES (?)", ((hash(uid),) for uid in _named(plan))
        )
        found: dict[StoreAddress, list[Entry]] = defaultdict(list)
        for (written,) in self._database.execute(
            "SELECT keep FROM keeps WHERE number IN"
            " (SELECT kept.keep FROM planned CROSS JOIN kept USING (uid)) ORDER BY number"
        ):
            store, entry = pickle.loads(written)  # noqa: S301 - written below, seen by nobody else
            found[store].append(entry)
        return {store: Claims(tuple(entries)) for store, entries in found.items()}

    def _add(self, store: StoreAddress, entry: Entry) -> None:
        written = pickle.dumps((store, entry), pickle.HIGHEST_PROTOCOL)
        number = self._database.execute("INSERT INTO keeps (keep) VALUES (?)", [written]).lastrowid
        whole = (entry.series_uid or entry.study_uid,)
        uids = whole if entry.instances is None else entry.instances.uids
        self._database.executemany(
            "INSERT INTO kept VALUES (?, ?)", ((hash(uid), number) for uid in uids)
        )


def _named(plan: Plan) -> Iterator[str]:
    """The UIDs of what is deleted, and of the series and studies that it lies in."""
    for store in plan.stores:
        for study in store.studies:
            yield study.study_uid
            for series in study.series:
                yield series.series_uid
        for instance in store.deletions():
            yield instance.instance_uid
