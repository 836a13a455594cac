"""Finds SOP Instance UIDs that the files name at two addresses of one store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain

from reconciler.desired.problems import Problems
from reconciler.desired.rules import Rule
from reconciler.model.desired import Claims, Entry, EntryKind, listed_sources
from reconciler.model.problem import Source
from reconciler.outside_memory import Database


def check_addresses(removes: Claims, keeps: Claims, problems: Problems) -> None:
    """Report each SOP Instance UID at two addresses: an error if one of them is kept."""
    twice = _at_two_addresses(chain(removes.entries, keeps.entries))
    if not twice:
        return
    places: dict[str, list[tuple[Source, Entry]]] = defaultdict(list)
    for entry in chain(removes.entries, keeps.entries):
        for uid, source in listed_sources(entry):
            if uid in twice:
                places[uid].append((source, entry))
    for uid, found in places.items():
        _report_addresses(uid, sorted(found, key=lambda one: one[0]), problems)


class AddressesOutsideMemory:
    """The same check of a store whose entries come part by part, twice.

    All that is held of an instance is a number, outside of memory; the few whose numbers are at two
    addresses are looked at once more.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.execute("DROP TABLE IF EXISTS addresses")
        database.execute("CREATE TABLE addresses (instance INTEGER, series INTEGER)")

    def take(self, removes: Claims, keeps: Claims) -> None:
        """Take note of a part, the first time."""
        for entry in chain(removes.entries, keeps.entries):
            if entry.instances is not None:
                series = hash((entry.study_uid, entry.series_uid))
                rows = ((hash(uid), series) for uid in entry.instances.uids)
                self._database.executemany("INSERT INTO addresses VALUES (?, ?)", rows)

    def check(self, parts: Iterable[tuple[Claims, Claims]], problems: Problems) -> None:
        """Report what all parts, which come a second time, name at two addresses."""
        twice = self._database.execute(
            "SELECT instance FROM addresses GROUP BY instance HAVING MIN(series) <> MAX(series)"
        )
        if not (suspects := frozenset(number for (number,) in twice)):
            return
        places: dict[str, list[tuple[Source, Entry]]] = defaultdict(list)
        for entry in (one for claims in parts for part in claims for one in part.entries):
            for uid, source in listed_sources(entry):
                if hash(uid) in suspects:
                    places[uid].append((source, entry))
        for uid, found in places.items():
            _report_addresses(uid, sorted(found, key=lambda one: one[0]), problems)


def _at_two_addresses(entries: Iterable[Entry]) -> set[str]:
    by_series: dict[tuple[str, str | None], list[tuple[str, ...]]] = defaultdict(list)
    for entry in entries:
        if entry.instances is not None:
            by_series[entry.study_uid, entry.series_uid].append(entry.instances.uids)
    seen: set[str] = set()
    twice: set[str] = set()
    for listed in by_series.values():
        uids = set(chain.from_iterable(listed))  # of one series at a time: there may be millions
        twice |= seen & uids
        seen |= uids
    return twice


def _report_addresses(uid: str, found: list[tuple[Source, Entry]], problems: Problems) -> None:
    first_source, first = found[0]
    is_kept = any(entry.intent is EntryKind.KEEP for _, entry in found)
    report = problems.error if is_kept else problems.warning
    reported = {(first.study_uid, first.series_uid)}
    for source, entry in found:
        address = (entry.study_uid, entry.series_uid)
        if address in reported:
            continue
        reported.add(address)
        message = f"instance {uid} is named in another series at {first_source}"
        report(
            Rule.TWO_ADDRESSES,
            source,
            message + (", and one of the two is kept" if is_kept else ""),
            "a SOP Instance UID has one address in a store; correct the wrong one",
        )
