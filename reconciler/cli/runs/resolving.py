"""From selectors to lists: ask, compare with what is there, write."""

from __future__ import annotations

import difflib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice, zip_longest
from pathlib import Path

from reconciler.cli import environment
from reconciler.cli.output.console import report_problems, say
from reconciler.cli.output.destination import write_file
from reconciler.cli.output.progress import progress
from reconciler.desired import Rule
from reconciler.desired.project_paths import relative_to_root
from reconciler.desired.selection import resolved_paths
from reconciler.desired.selectors.origins import resolved_day
from reconciler.desired.selectors.reading import load_selectors
from reconciler.errors import DesiredStateError, EndpointError, ReconcilerError, UsageError
from reconciler.live.connection import Connection
from reconciler.live.http.endpoint import Endpoint
from reconciler.model.address import StoreAddress, is_uid
from reconciler.model.patient import PatientKey, is_seen
from reconciler.model.problem import Problem, Severity
from reconciler.model.selection.resolution import ListState, Resolution, ResolvedList
from reconciler.model.selection.selector import Selector
from reconciler.regular_file import open_regular
from reconciler.selecting.pinned import HEADER, LIST_HEADERS, list_lines, pinning_file
from reconciler.selecting.resolving import resolve


@dataclass(frozen=True, slots=True)
class ResolveRequest:
    """What is resolved, how the store is asked, and whether files are written.

    Without ``as_of`` it is today, for a ``check`` the day of the list that is there.
    """

    paths: Sequence[Path]
    root: Path
    access: environment.Access
    key: PatientKey | None
    as_of: date | None
    check: bool
    diff: bool


def resolve_all(request: ResolveRequest) -> list[ResolvedList]:
    """Resolve every selector, and write the lists once all searches were read.

    Raises:
        DesiredStateError: a selector, or a file that it names, is not valid.
        UsageError: where a list belongs lies something that resolve has not written.
        LiveError: a search could not be read; nothing is written.
        ReconcilerError: a file cannot be written.
    """
    selectors, warnings = load_selectors(request.paths, root=request.root)
    key = _key(selectors, request.key, warnings)
    for one in selectors:
        _require_replaceable(one, request.root)
    endpoint = _endpoint(selectors, request.access)
    provider = environment.provider_of(one.address for one in selectors)
    with environment.connect(
        endpoint, request.access, provider=provider, read_only=True
    ) as connection:
        found: dict[str, Resolution] = {}
        for address in dict.fromkeys(one.address for one in selectors):
            of_store = [one for one in selectors if one.address == address]
            resolutions = _resolved(address, of_store, key, request, connection)
            found.update(zip((one.path for one in of_store), resolutions, strict=True))
    return [_finished(one, found[one.path], request) for one in selectors]


def _key(
    selectors: Sequence[Selector], given: PatientKey | None, warnings: Sequence[Problem]
) -> PatientKey:
    """The key of the pseudonyms that the selectors compare; where they name none, a new one.

    Raises:
        UsageError: there are pseudonyms, or a list is bound, and no key is given.
        DesiredStateError: some were made with another key.
    """
    bound = next((one for one in selectors if one.bind), None)
    if bound is not None and given is None:
        raise UsageError(
            f"{bound.path} binds its list, and no key is given",
            hint="give the key that apply will be given: --patient-key FILE",
        )
    checks = [check for selector in selectors for check in selector.key_checks]
    problems = list(warnings)
    if checks and given is None:
        raise UsageError(
            f"{checks[0][0]} names pseudonyms, and no key is given",
            hint="give the key that they were made with: --patient-key FILE",
        )
    hint = "make them with the key of --patient-key, by reconciler pseudonym"
    for source, check in checks:
        if check is None:
            said = "these pseudonyms do not say by which key they were made"
            kind = Severity.WARNING
        elif given is not None and check != given.check:
            said, kind = "these pseudonyms were made with another key", Severity.ERROR
        else:
            continue
        problems.append(Problem(source, Rule.PSEUDONYM.value, said, hint, kind))
    if any(one.severity is Severity.ERROR for one in problems):
        raise DesiredStateError(sorted(problems, key=lambda one: one.sort_key))
    if problems:
        report_problems(problems)
    return given or environment.new_patient_key()


def _endpoint(selectors: Sequence[Selector], access: environment.Access) -> Endpoint:
    """Where the one service is that all selectors are about."""
    services = {
        one.address.provider if one.address.provider.facts.service else one.address
        for one in selectors
    }
    if len(services) > 1:
        raise UsageError(
            "the selectors are about several services",
            hint="one run speaks to one service; give the selectors of each as PATHs of their own",
        )
    provider = environment.provider_of(one.address for one in selectors)
    endpoint = environment.endpoint(access.endpoint, provider)
    for one in selectors:
        expected = one.store.get("endpoint")
        if expected not in {None, str(endpoint)}:
            raise EndpointError(
                f"{one.path} expects the service at {expected}, this run is set to {endpoint}",
                hint="set --endpoint or RECONCILER_ENDPOINT to the one that is right",
            )
    return endpoint


def _resolved(
    address: StoreAddress,
    selectors: Sequence[Selector],
    key: PatientKey,
    request: ResolveRequest,
    connection: Connection,
) -> list[Resolution]:
    """Search a store once for all its selectors."""
    store = connection.store(address)
    store.preflight(deleting=False)
    asked = [(one, _day_of(one, request)) for one in selectors]
    rows = itertools.count(1)
    with progress(f"searching {address.dicom_store_id}") as counter:
        found = resolve(asked, store, key, lambda: counter.update(next(rows), None))
    if any(one.is_split for one in found):
        say(
            f"note: {address.dicom_store_id} is so large that it was searched by dates:"
            " what has no Study Date was not found"
        )
    return found


def _day_of(selector: Selector, request: ResolveRequest) -> date:
    """The day from which ages are counted."""
    if request.as_of is not None:
        return request.as_of
    today = environment.now().date()
    path, _ = resolved_paths(selector.path)
    day = resolved_day(request.root, path) if request.check else None
    return today if day is None else min(day, today)


def _require_replaceable(selector: Selector, root: Path) -> None:
    """Pass if resolve may read and replace what lies where the two files of a selector belong.

    Raises:
        UsageError: a link leads away from there, or something else has written the file.
    """
    for path, beginnings in zip(
        resolved_paths(selector.path), ({HEADER}, LIST_HEADERS), strict=True
    ):
        if relative_to_root(root / path, os.path.realpath(root)) != path:
            raise UsageError(
                f"{path} is a symbolic link, or lies behind one",
                hint="put a folder or a file in the place of the link",
            )
        first = next(_lines(root / path), None)
        if first is not None and f"{first.rstrip()}\n" not in beginnings:
            raise UsageError(
                f"{path} was not written by resolve, and is not replaced",
                hint="move or remove the file, or rename the selector",
            )


def _finished(selector: Selector, found: Resolution, request: ResolveRequest) -> ResolvedList:
    """Compare with the files that are there, and write them unless that is not wanted."""
    path, list_path = resolved_paths(selector.path)
    text = pinning_file(selector, found)
    old_text, old_list = (list(_lines(request.root / one)) for one in (path, list_path))
    is_same_list = not any(
        old != new for old, new in zip_longest(old_list, list_lines(selector, found))
    )
    more, gone = ([], []) if is_same_list else _changes(old_list, list_lines(selector, found))
    if is_same_list and "".join(old_text) == text:
        state = ListState.SAME
    elif request.check or request.diff:
        state = ListState.DIFFERENT
    else:
        state = ListState.WRITTEN
        # In this order: a list that no file pins yet is refused, and never a half one taken.
        _write(request.root / list_path, list_lines(selector, found))
        _write(request.root / path, [text])
    diff: list[str] = []
    if request.diff:
        new_text = text.splitlines(keepends=True)
        diff += map(str.rstrip, difflib.unified_diff(old_text, new_text, path, path))
        diff += _shown(list_path, more, gone)
    return ResolvedList(
        selector=selector.path,
        path=path,
        list_path=list_path,
        intent=selector.intent,
        resolution=found,
        state=state,
        added=len(more),
        removed=len(gone),
        diff=tuple(diff),
    )


def _changes(old: Sequence[str], new: Iterator[str]) -> tuple[list[str], list[str]]:
    """The rows that a list has more, and those that are gone; its first line is no row."""
    gone = dict.fromkeys(old[1:])
    more = []
    for row in islice(new, 1, None):
        if row in gone:
            del gone[row]
        else:
            more.append(row)
    return more, list(gone)


def _shown(name: str, more: Sequence[str], gone: Sequence[str]) -> Iterator[str]:
    """The rows as a diff shows them; what no list has may be anything, and is only counted."""
    if more or gone:
        yield from (f"--- {name}", f"+++ {name}")
    for sign, rows in (("-", gone), ("+", more)):
        for row in map(str.strip, rows):
            if all(is_uid(cell) or is_seen(cell) for cell in row.split(",")):
                yield f"{sign}{row}"


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file; none where it is not there.

    Raises:
        ReconcilerError: it cannot be read.
    """
    try:
        with open_regular(path) as file:
            yield from (line.decode("utf-8", "replace") for line in file)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ReconcilerError(f"cannot read {path}: {error.strerror}") from error


def _write(path: Path, pieces: Iterable[str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReconcilerError(f"cannot create {path.parent}: {error.strerror}") from error
    write_file(path, pieces)
