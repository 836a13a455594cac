"""Loads the desired state: every file, every problem, in one pass."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from reconciler.desired.contradictions import check_contradictions
from reconciler.desired.desired_file import DesiredFile, read_desired_file
from reconciler.desired.duplicates import check_duplicates
from reconciler.desired.limits import smallest_limits
from reconciler.desired.pins import Pins
from reconciler.desired.problems import Problems
from reconciler.desired.selection import select_files
from reconciler.desired.two_addresses import check_addresses
from reconciler.errors import DesiredStateError
from reconciler.model.address import StoreAddress
from reconciler.model.desired import (
    Claims,
    DesiredState,
    DesiredStore,
    Entry,
    InputFile,
    InputRole,
)
from reconciler.model.problem import Source


def load_desired_state(paths: Sequence[Path], *, root: Path) -> DesiredState:
    """Read what the PATHs, files or folders, ask of the stores that they name.

    Relative PATHs start from the working directory; in the result every path is relative to
    ``root``, the project's. The files under ``specs/`` of the project that no PATH selects add
    their keeps, and must be valid too; a store that only they name is not part of the result.

    Raises:
        DesiredStateError: with every problem of every file; never another exception for what a
            file holds.
    """
    problems = Problems()
    real_root = Path(os.path.realpath(root))
    selection = select_files(paths, real_root, problems)
    pins = Pins(real_root, problems)
    files = [
        file
        for path, role in selection.files.items()
        if (file := read_desired_file(real_root, path, role, pins, problems)) is not None
    ]
    stores = _stores(files, problems)
    if problems.has_errors:
        raise DesiredStateError(problems.sorted())
    return DesiredState(
        stores=stores,
        paths=selection.paths,
        inputs=_inputs(files, pins),
        endpoints=_endpoints(files),
        warnings=problems.sorted(),
    )


def _stores(files: Sequence[DesiredFile], problems: Problems) -> tuple[DesiredStore, ...]:
    by_store: dict[StoreAddress, list[DesiredFile]] = defaultdict(list)
    for file in files:
        by_store[file.store].append(file)
    return tuple(
        _store(address, by_store[address], problems)
        for address in sorted(by_store)
        if any(file.is_selected for file in by_store[address])
    )


def _store(address: StoreAddress, files: Sequence[DesiredFile], problems: Problems) -> DesiredStore:
    selected = [file for file in files if file.is_selected]
    removes = _claims(entry for file in selected for entry in file.removes)
    keeps = _claims(entry for file in files for entry in file.keeps)
    check_contradictions(removes, keeps, problems)
    check_duplicates(removes, problems)
    check_duplicates(keeps, problems)
    check_addresses(removes, keeps, problems)
    return DesiredStore(address, smallest_limits(file.limits for file in selected), removes, keeps)


def _claims(entries: Iterable[Entry]) -> Claims:
    return Claims(tuple(sorted(entries, key=_order)))


def _order(entry: Entry) -> tuple[str, str, Source]:
    return (entry.study_uid, entry.series_uid or "", entry.source)


def _inputs(files: Iterable[DesiredFile], pins: Pins) -> tuple[InputFile, ...]:
    read = {file.input.path: file.input for file in files}
    for inventory in pins.inventories():
        role = InputRole.INVENTORY
        read[inventory.path] = InputFile(inventory.path, inventory.sha256, role)
    return tuple(read[path] for path in sorted(read))


def _endpoints(files: Iterable[DesiredFile]) -> Mapping[str, Source]:
    endpoints: dict[str, Source] = {}
    for file in files:
        if file.is_selected and file.endpoint is not None:
            endpoints.setdefault(*file.endpoint)
    return MappingProxyType(dict(sorted(endpoints.items())))
