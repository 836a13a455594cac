"""Loads the desired state: every file, every problem, in one pass."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import date
from pathlib import Path
from types import MappingProxyType

from reconciler.desired.checks.contradictions import check_contradictions
from reconciler.desired.checks.duplicates import check_duplicates, check_nested
from reconciler.desired.checks.reviews import check_reviews
from reconciler.desired.checks.two_addresses import check_addresses
from reconciler.desired.desired_file import DesiredFile, read_desired_file
from reconciler.desired.inventory.pins import Pins
from reconciler.desired.inventory.spilled import SpilledRows
from reconciler.desired.problems import Problems
from reconciler.desired.progress import ProgressCallback, ReadProgress
from reconciler.desired.rules import HIDES
from reconciler.desired.selection import Selection, Walked, select_files
from reconciler.desired.selectors.origins import Origins
from reconciler.desired.services import check_one_service, check_providers
from reconciler.errors import DesiredStateError, HiddenFilesError
from reconciler.model.address import StoreAddress
from reconciler.model.desired import (
    Claims,
    DesiredState,
    DesiredStore,
    Entry,
    EntryKind,
    InputFile,
    InputRole,
    Limits,
    QueriedRemoves,
    WrittenLimits,
    smallest_limits,
)
from reconciler.model.problem import Severity, Source

Inspect = Callable[[Walked, Sequence[str], Problems], None]
"""Called with where files were looked for, and with all that were read."""


def load_desired_state(
    paths: Sequence[Path],
    *,
    root: Path,
    queried: QueriedRemoves | None = None,
    one_service: bool = True,
    today: date | None = None,
    with_reviews: bool = False,
    on_progress: ProgressCallback | None = None,
    inspect: Inspect | None = None,
) -> DesiredState:
    """Read what the PATHs, files or folders, ask of the stores that they name.

    Relative PATHs start from the working directory; in the result every path is relative to
    ``root``, the project's. The files under ``specs/`` of the project that no PATH selects add
    their keeps, and must be valid too; a store that only they name is not part of the result.

    With ``queried`` the removes are its own alone: all files, those of the PATHs too, add their
    keeps and the limits of its store. Without ``one_service`` the files may be about several,
    which is no matter as long as no store is asked. A list that was resolved for a day after
    ``today`` is an error; ``with_reviews`` holds that were to be reviewed before it are warnings.
    ``on_progress`` hears how far the reading is; ``inspect`` may add problems of the places that
    were read.

    Raises:
        HiddenFilesError: not all could be read that may hold keeps.
        DesiredStateError: with every problem of every file; never another exception for what a
            file holds.
    """
    problems = Problems()
    role = InputRole.SELECTED if queried is None else InputRole.KEEPS
    selection, pins, origins, files = read_files(
        paths, root, role, problems, on_progress=on_progress, today=today, inspect=inspect
    )
    if queried is not None and queried.removes is not None:
        files.append(_queried_file(queried.input, *queried.removes))
    check_providers(files, problems)
    if one_service:
        check_one_service(files, problems)
    keeps = _keeps(files)
    stores = _stores(files, keeps, problems)
    if with_reviews and today is not None:
        check_reviews(keeps, today, problems)
    require_valid(problems)
    return DesiredState(
        stores=stores,
        paths=selection.paths,
        inputs=inputs_of([*origins.inputs(), *(file.input for file in files)], pins, queried),
        endpoints=endpoints_of(files, queried),
        keeps=keeps,
        warnings=problems.sorted(),
    )


def stores_of(paths: Sequence[Path], *, root: Path) -> frozenset[StoreAddress]:
    """The stores that files name: those of the PATHs and those under ``specs/``.

    Raises:
        DesiredStateError: as `load_desired_state`.
    """
    problems = Problems()
    *_, files = read_files(paths, root, InputRole.KEEPS, problems)
    check_providers(files, problems)
    require_valid(problems)
    return frozenset(file.store for file in files)


def require_valid(problems: Problems) -> None:
    """Go on only without an error; raises as `load_desired_state`."""
    if problems.has_errors:
        found = problems.sorted()
        is_hidden = any(one.rule in HIDES and one.severity is Severity.ERROR for one in found)
        raise (HiddenFilesError if is_hidden else DesiredStateError)(found)


def read_files(
    paths: Sequence[Path],
    root: Path,
    role: InputRole,
    problems: Problems,
    *,
    on_progress: ProgressCallback | None = None,
    today: date | None = None,
    inspect: Inspect | None = None,
    rows: SpilledRows | None = None,
) -> tuple[Selection, Pins, Origins, list[DesiredFile]]:
    """Read the files that the PATHs select, in this role, and those under ``specs/``.

    With ``rows`` these take the rows of inventories, and no file holds one.
    """
    real_root = Path(os.path.realpath(root))
    selection = select_files(paths, real_root, role, problems)
    progress = ReadProgress(on_progress)
    pins = Pins(real_root, problems, progress, rows)
    origins = Origins(real_root, problems, today)
    for path in selection.files:
        progress.expect(Path(real_root, path))
    read = [
        read_desired_file(
            real_root, path, role, pins, origins, problems=problems, progress=progress
        )
        for path, role in selection.files.items()
    ]
    if inspect is not None:
        inspect(selection.walked, [*selection.files, *pins.names, *origins.names], problems)
    return selection, pins, origins, [file for file in read if file is not None]


def _keeps(files: Sequence[DesiredFile]) -> Mapping[StoreAddress, Claims]:
    entries: dict[StoreAddress, list[Entry]] = defaultdict(list)
    for file in files:
        entries[file.store] += file.keeps
    return MappingProxyType({store: claims_of(entries[store]) for store in sorted(entries)})


def _stores(
    files: Sequence[DesiredFile], keeps: Mapping[StoreAddress, Claims], problems: Problems
) -> tuple[DesiredStore, ...]:
    by_store: dict[StoreAddress, list[DesiredFile]] = defaultdict(list)
    for file in files:
        by_store[file.store].append(file)
    return tuple(
        _store(address, by_store[address], keeps[address], problems)
        for address in sorted(by_store)
        if any(file.is_selected for file in by_store[address])
    )


def _store(
    address: StoreAddress, files: Sequence[DesiredFile], keeps: Claims, problems: Problems
) -> DesiredStore:
    selected = [file for file in files if file.is_selected]
    removes = claims_of(entry for file in selected for entry in file.removes)
    check_claims(removes, keeps, problems)
    check_addresses(removes, keeps, problems)
    # A statement says nothing of limits, so those of its store's files hold.
    if selected[0].input.role is InputRole.QUERY:
        return DesiredStore(address, smallest_of(files), removes, keeps)
    return DesiredStore(address, smallest_of(selected), removes, keeps, written_in(selected))


def check_claims(removes: Claims, keeps: Claims, problems: Problems) -> None:
    """Report what is wrong between entries on one study."""
    check_contradictions(removes, keeps, problems)
    check_duplicates(removes, problems)
    check_duplicates(keeps, problems)
    check_nested(removes, problems)


def smallest_of(files: Iterable[DesiredFile]) -> Limits:
    """The smallest limits of files."""
    return smallest_limits(file.limits for file in files)


def written_in(
    files: Iterable[DesiredFile], listing: Set[str] = frozenset()
) -> tuple[WrittenLimits, ...]:
    """As `DesiredStore.written`; ``listing`` are inventories that list something elsewhere."""
    return tuple(WrittenLimits(_declaring(file, listing), file.limits) for file in files)


def _declaring(file: DesiredFile, listing: Set[str]) -> frozenset[str]:
    """The file and its inventories, as far as they declare a remove."""
    pinned = {one.path for one in file.pinned if one.intent is EntryKind.REMOVE}
    return frozenset({entry.source.path for entry in file.removes} | listing & pinned)


def _queried_file(
    statement: InputFile, store: StoreAddress, removes: tuple[Entry, ...]
) -> DesiredFile:
    """A statement, as a file would say the same."""
    return DesiredFile(statement, store, removes[0].source, None, {}, removes, ())


def claims_of(entries: Iterable[Entry]) -> Claims:
    """The claims, with entries in the order of what they name, then of their places."""
    return Claims(tuple(sorted(entries, key=_order)))


def _order(entry: Entry) -> tuple[str, str, Source]:
    return (entry.study_uid, entry.series_uid or "", entry.source)


def inputs_of(
    files: Iterable[InputFile], pins: Pins, queried: QueriedRemoves | None
) -> tuple[InputFile, ...]:
    """All files that were read, by their paths."""
    read = {file.path: file for file in files}
    for inventory in pins.inventories():
        role = InputRole.INVENTORY
        read[inventory.path] = InputFile(inventory.path, inventory.sha256, role)
    if queried is not None:
        read[queried.input.path] = queried.input
    return tuple(read[path] for path in sorted(read))


def endpoints_of(
    files: Iterable[DesiredFile], queried: QueriedRemoves | None
) -> Mapping[str, Source]:
    """What the selected files expect; for a statement, what the files of its store expect."""
    asked = None if queried is None or queried.removes is None else queried.removes[0]
    endpoints: dict[str, Source] = {}
    for file in files:
        if file.endpoint is not None and (file.is_selected or file.store == asked):
            endpoints.setdefault(*file.endpoint)
    return MappingProxyType(dict(sorted(endpoints.items())))
