"""Loads the desired state study by study: the rows of inventories are never all in memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from heapq import merge
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from reconciler.desired.checks.two_addresses import AddressesOutsideMemory
from reconciler.desired.desired_file import DesiredFile
from reconciler.desired.inventory.listing import Listing, TargetList
from reconciler.desired.inventory.reader import Inventory
from reconciler.desired.inventory.spilled import WEIGHT_OF_TARGET, Run, SpilledRows
from reconciler.desired.load import (
    Inspect,
    check_claims,
    claims_of,
    endpoints_of,
    inputs_of,
    read_files,
    require_valid,
    smallest_of,
    written_in,
)
from reconciler.desired.problems import Problems
from reconciler.desired.progress import ProgressCallback
from reconciler.desired.services import check_one_service, check_providers
from reconciler.model.address import SeriesAddress, StoreAddress
from reconciler.model.desired import DesiredStore, Entry, EntryKind, InputFile, InputRole
from reconciler.model.problem import Problem, Source
from reconciler.outside_memory import Database

HEAVIEST = 50_000
"""So many instances make a part: enough to ask a store many questions at a time."""


@dataclass(frozen=True, slots=True)
class DesiredParts:
    """As `DesiredState`; ``parts`` gives each store in parts of whole studies, sorted by both.

    A part has the limits of its whole store. A store of which nothing is said has none.
    """

    stores: tuple[StoreAddress, ...]
    paths: tuple[str, ...]
    inputs: tuple[InputFile, ...]
    endpoints: Mapping[str, Source]
    warnings: tuple[Problem, ...]
    bare: Mapping[StoreAddress, DesiredStore]
    """Each store with its limits, and without an entry."""
    parts: Callable[[], Iterator[DesiredStore]]
    keeps: Callable[[], Iterator[DesiredStore]]
    """What all files keep, in every store, in parts that remove nothing."""


def load_in_parts(
    paths: Sequence[Path],
    *,
    root: Path,
    database: Database,
    on_progress: ProgressCallback | None = None,
    today: date | None = None,
    inspect: Inspect | None = None,
) -> DesiredParts:
    """Read what `load_desired_state` reads, with what inventories list in a temporary database.

    Raises:
        HiddenFilesError: not all could be read that may hold keeps.
        DesiredStateError: as there.
    """
    problems, rows = Problems(), SpilledRows(database)
    selection, pins, origins, files = read_files(
        paths,
        root,
        InputRole.SELECTED,
        problems,
        on_progress=on_progress,
        today=today,
        inspect=inspect,
        rows=rows,
    )
    check_providers(files, problems)
    check_one_service(files, problems)
    rows.sort()
    by_store: dict[StoreAddress, list[DesiredFile]] = defaultdict(list)
    for file in files:
        by_store[file.store].append(file)
    stores = [
        _Store(address, found, selected, rows)
        for address, found in sorted(by_store.items())
        if (selected := [file for file in found if file.is_selected])
    ]
    keeping = (_Store(address, found, (), rows) for address, found in sorted(by_store.items()))
    for store in stores:
        _check(store, database, problems)
    require_valid(problems)
    return DesiredParts(
        stores=tuple(store.whole.store for store in stores),
        paths=selection.paths,
        inputs=inputs_of([*origins.inputs(), *(file.input for file in files)], pins, None),
        endpoints=endpoints_of(files, None),
        warnings=problems.sorted(),
        bare={store.whole.store: store.whole for store in stores},
        parts=lambda: (part for store in stores for part in store.parts(Problems())),
        keeps=lambda: (part for store in keeping for part in store.parts(Problems())),
    )


def _check(store: _Store, database: Database, problems: Problems) -> None:
    addresses = AddressesOutsideMemory(database)
    for part in store.parts(problems):
        check_claims(part.removes, part.keeps, problems)
        addresses.take(part.removes, part.keeps)
    again = ((part.removes, part.keeps) for part in store.parts(Problems()))
    addresses.check(again, problems)


class _Store:
    """What files ask of one store: entries that are in memory, and rows that are not."""

    def __init__(
        self,
        address: StoreAddress,
        files: Sequence[DesiredFile],
        selected: Sequence[DesiredFile],
        rows: SpilledRows,
    ) -> None:
        """Of all files the keeps count, and of those that are ``selected`` the removes."""
        listing = rows.paths()
        self._rows = rows
        removes = [entry for file in selected for entry in file.removes]
        self._entries = _by_study([*removes, *(entry for file in files for entry in file.keeps)])
        self._pinned = [
            one
            for of_kind, kind in ((selected, EntryKind.REMOVE), (files, EntryKind.KEEP))
            for file in of_kind
            for one in file.pinned
            if one.intent is kind
        ]
        self._paths = sorted(listing.intersection(one.path for one in self._pinned))
        self.whole = DesiredStore(
            address,
            smallest_of(selected),
            claims_of(()),
            claims_of(()),
            written_in(selected, listing),
        )

    def parts(self, problems: Problems) -> Iterator[DesiredStore]:
        """The store part by part; what an inventory lists twice is a problem."""
        for studies in self._studies():
            found = self._rows.between(studies[0], studies[-1], self._paths)
            inventories = _inventories(found, problems)
            entries = [entry for uid in studies for entry in self._entries.get(uid, ())]
            for one in self._pinned:
                if one.path in inventories:
                    entries.extend(one.entries(inventories[one.path]))
            removes, keeps = (
                claims_of(entry for entry in entries if entry.intent is intent)
                for intent in (EntryKind.REMOVE, EntryKind.KEEP)
            )
            yield replace(self.whole, removes=removes, keeps=keeps)

    def _studies(self) -> Iterator[list[str]]:
        """The studies of each part."""
        in_memory: Counter[str] = Counter()
        for uid, entries in self._entries.items():
            in_memory[uid] = sum(map(_weight, entries))
        both = merge(sorted(in_memory.items()), self._rows.studies(self._paths))
        studies: list[str] = []
        heavy = 0
        for uid, found in groupby(both, key=itemgetter(0)):
            studies.append(uid)
            heavy += sum(weight for _, weight in found)
            if heavy >= HEAVIEST:
                yield studies
                studies, heavy = [], 0
        if studies:
            yield studies


def _by_study(entries: Iterable[Entry]) -> Mapping[str, Sequence[Entry]]:
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[entry.study_uid].append(entry)
    return found


def _weight(entry: Entry) -> int:
    return WEIGHT_OF_TARGET if entry.instances is None else len(entry.instances.uids)


def _inventories(runs: Iterable[Run], problems: Problems) -> Mapping[str, Inventory]:
    """What of each inventory lies in the studies of a part."""
    listings: dict[str, dict[SeriesAddress, Listing]] = defaultdict(dict)
    targets: dict[str, TargetList] = {}
    for run in runs:
        if run.listing is not None and run.series_uid is not None:
            series = SeriesAddress(run.study_uid, run.series_uid)
            listings[run.path].setdefault(series, Listing()).extend(run.listing)
            continue
        listed = targets.setdefault(run.path, TargetList())
        if run.seen is not None:
            listed.seen = listed.seen or []
        below = () if run.series_uid is None else (run.series_uid,)
        line, column = run.place
        listed.add(run.study_uid, *below, line=line, column=column, seen=run.seen)
    return {
        path: Inventory(
            path,
            "",
            None,
            {
                series: listing.finished(path, problems)
                for series, listing in listings.get(path, {}).items()
            },
            targets.get(path, TargetList()).finished(path, problems),
        )
        for path in sorted(listings.keys() | targets.keys())
    }
