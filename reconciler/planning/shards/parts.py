"""Parts of a plan that wait outside of memory until all of them are known.

What a part may do depends on the others: an instance that one deletes may be kept by another, or
referred to from there. So of each object that is deleted or kept a number is noted, and the few
that are needed again are looked up by it.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from reconciler.model.address import SeriesAddress, StoreAddress
from reconciler.model.desired import DesiredStore
from reconciler.model.live import LiveStore
from reconciler.model.plan import StorePlan
from reconciler.outside_memory import Database
from reconciler.planning.dangling import locate_in
from reconciler.planning.planner import plan_store, refuse_two_addresses, series_in_question
from reconciler.planning.series import SeriesDecisions, decide_series


@dataclass(frozen=True, slots=True)
class Part:
    """Some studies of one store: what is asked of them, what was seen, and what is planned."""

    desired: DesiredStore
    live: LiveStore
    plan: StorePlan


_KEPT, _DELETED, _EMPTIED = range(3)
"""Series are emptied, the others are instances. Plain numbers: SQLite takes an enum slowly."""


class Parts:
    """All parts, in the order of their stores and studies; each is in memory while it is used."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asking = threading.Lock()
        self._deleting: set[StoreAddress] = set()
        self._numbers: dict[StoreAddress, int] = {}
        database.execute("CREATE TABLE aside (value BLOB)")
        database.execute("CREATE TABLE parts (number INTEGER PRIMARY KEY, part BLOB)")
        database.execute(
            "CREATE TABLE objects (store INTEGER, uid INTEGER, kind INTEGER, part INTEGER)"
        )

    def add(self, desired: DesiredStore, live: LiveStore) -> Part:
        """Plan the next part."""
        noted: list[tuple[str, int]] = []

        def note(series: SeriesDecisions) -> None:
            noted.extend((uid, _DELETED) for uid in series.deletions)
            noted.extend((uid, _KEPT) for uid in series.kept.keys() | series.unseen.keys())

        plan = plan_store(desired, live, note)
        if plan.studies:
            self._deleting.add(plan.store)
        noted += (
            (series.series_uid, _EMPTIED)
            for study in plan.studies
            for series in study.series
            if series.emptied
        )
        part = Part(desired, _without_deleted(live, plan), plan)
        written = pickle.dumps(part, pickle.HIGHEST_PROTOCOL)
        number = self._database.execute("INSERT INTO parts (part) VALUES (?)", [written]).lastrowid
        store = self._numbers.setdefault(plan.store, len(self._numbers))
        self._database.executemany(
            "INSERT INTO objects VALUES (?, ?, ?, ?)",
            ((store, hash(uid), kind, number) for uid, kind in noted),
        )
        return part

    def finish(self) -> None:
        """Make ready for questions, once all are added.

        Raises:
            DesiredStateError: an instance to delete has the SOP Instance UID of a kept one.
        """
        self._database.execute("CREATE INDEX by_uid ON objects (store, uid, kind, part)")
        for store in self._numbers.values():
            self._refuse_two_addresses(store)

    def __iter__(self) -> Iterator[Part]:
        numbers = [number for (number,) in self._database.execute("SELECT number FROM parts")]
        return map(self._at, numbers)

    def set_aside(self, values: Iterable[object]) -> None:
        """Keep values outside of memory until `aside` gives them back."""
        rows = ([pickle.dumps(one, pickle.HIGHEST_PROTOCOL)] for one in values)
        self._database.executemany("INSERT INTO aside VALUES (?)", rows)

    def aside(self) -> Iterator[Any]:
        """What was set aside, in its order."""
        for (written,) in self._database.execute("SELECT value FROM aside ORDER BY rowid"):
            yield pickle.loads(written)  # noqa: S301 - written above, seen by nobody else

    def deletes_from(self, store: StoreAddress) -> bool:
        """Whether anything of the store is deleted."""
        return store in self._deleting

    def deleted(self, store: StoreAddress) -> Set[str]:
        """The UIDs of what is deleted and of series that are emptied; it only knows what is in it.

        It may be asked from any thread. One UID in 10¹² that is not in it may seem to be: `locate`
        tells.
        """
        return _Deleted(self._database, self._asking, self._numbers[store])

    def locate(
        self, store: StoreAddress, named: Set[str]
    ) -> tuple[Mapping[str, SeriesAddress], Mapping[str, str]]:
        """As `dangling.Locate`, of a store."""
        instances: dict[str, SeriesAddress] = {}
        emptied: dict[str, str] = {}
        for number in self._holding(self._numbers[store], map(hash, named)):
            more_instances, more_emptied = locate_in(self._at(number).plan, named)
            instances.update(more_instances)
            emptied.update(more_emptied)
        return instances, emptied

    def _refuse_two_addresses(self, store: int) -> None:
        found = self._database.execute(
            "SELECT uid FROM objects WHERE store = ? AND kind <> ? GROUP BY uid"
            " HAVING MIN(kind) <> MAX(kind)",
            (store, _EMPTIED),
        )
        suspects = frozenset(uid for (uid,) in found)
        parts = map(self._at, self._holding(store, suspects))
        refuse_two_addresses([one for part in parts for one in _deciding(part, suspects)])

    def _holding(self, store: int, numbers: Iterable[int]) -> list[int]:
        """The parts that hold objects of these numbers."""
        found: set[int] = set()
        for uid in numbers:
            rows = self._database.execute(
                "SELECT part FROM objects WHERE store = ? AND uid = ?", (store, uid)
            )
            found.update(part for (part,) in rows)
        return sorted(found)

    def _at(self, number: int) -> Part:
        (written,) = self._database.execute(
            "SELECT part FROM parts WHERE number = ?", [number]
        ).fetchone()
        part: Part = pickle.loads(written)  # noqa: S301 - written above, seen by nobody else
        return part


def _without_deleted(live: LiveStore, plan: StorePlan) -> LiveStore:
    """The same, without what the plan deletes among what may refer to others: nobody reads it."""
    referrers = live.referrers
    stays = {*plan.staying(one for study in referrers.values() for one in study.instances)}
    left = {uid: replace(one, instances=one.instances & stays) for uid, one in referrers.items()}
    return replace(live, referrers=left)


def _deciding(part: Part, suspects: Collection[int]) -> Iterator[SeriesDecisions]:
    for series in series_in_question(part.desired, part.live):
        decided = decide_series(series, part.desired, part.live)
        claimed = (*decided.deletions, *decided.kept, *decided.unseen)
        if not {*map(hash, claimed)}.isdisjoint(suspects):
            yield decided


class _Deleted(Set[str]):
    def __init__(self, database: Database, asking: threading.Lock, store: int) -> None:
        self._database = database
        self._asking = asking
        self._store = store

    def __contains__(self, uid: object) -> bool:
        with self._asking:
            found = self._database.execute(
                "SELECT 1 FROM objects WHERE store = ? AND uid = ? AND kind <> ?",
                (self._store, hash(uid), _KEPT),
            )
            return found.fetchone() is not None

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError("only numbers of them are held")

    def __len__(self) -> int:
        raise NotImplementedError("only numbers of them are held")
