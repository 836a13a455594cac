"""From selectors to lists: ask, compare with what is there, write."""

from __future__ import annotations

import difflib
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice, zip_longest
from pathlib import Path

from reconciler.api import machine
from reconciler.api.arguments import as_paths, require_types
from reconciler.api.destination import write_file
from reconciler.api.listener import SILENT, Listener
from reconciler.api.service import Service, connect, endpoint_of, provider_of
from reconciler.desired import Rule
from reconciler.desired.project_paths import relative_to_root
from reconciler.desired.selection import SELECTORS, resolved_paths
from reconciler.desired.selectors.origins import is_desired_state, resolved_day
from reconciler.desired.selectors.reading import load_selectors
from reconciler.errors import DesiredStateError, EndpointError, ReconcilerError, UsageError
from reconciler.live.connection import Connection
from reconciler.live.http.endpoint import Endpoint
from reconciler.model.address import Provider, StoreAddress, is_uid
from reconciler.model.patient import PatientKey, is_seen
from reconciler.model.problem import Problem, Severity
from reconciler.model.selection.resolution import ListState, Resolution, ResolvedList
from reconciler.model.selection.selector import Selector
from reconciler.regular_file import open_regular
from reconciler.selecting.pinned import HEADER, LIST_HEADERS, list_lines, pinning_file
from reconciler.selecting.resolving import resolve as resolve_selectors

_COMMENT = re.compile(r"(?:^|\s)#")
"""What resolve has not written, and may be anything, but for `HEADER`, which never changes."""


@dataclass(frozen=True, slots=True)
class ResolveRequest:
    """What was read, of which project, and what is to become of it; see `resolve`."""

    selectors: Sequence[Selector]
    warnings: Sequence[Problem]
    root: Path
    key: PatientKey | None
    as_of: date | None
    check: bool
    diff: bool
    listener: Listener

    @property
    def provider(self) -> Provider:
        """The one provider of all stores."""
        return provider_of(one.address for one in self.selectors)


def resolve(
    paths: Sequence[str | Path] | None = None,
    *,
    root: str | Path,
    service: Service,
    patient_key: PatientKey | None = None,
    as_of: date | None = None,
    check: bool = False,
    diff: bool = False,
    listener: Listener = SILENT,
) -> list[ResolvedList]:
    """Turn selectors into lists of whole studies or series, for review and planning.

    Each list, and the desired-state file that pins it, is written under ``specs/resolved/`` once
    all searches were read. Nothing is deleted, and no file, request or message names a patient.

    Args:
        paths: Selectors and folders of selectors. Default: ``selectors/`` of the project.
        root: The project's folder.
        service: How to reach the stores.
        patient_key: The key of the pseudonyms in the selectors' files, and of bound lists.
        as_of: Count ages from this day. Default: today; for ``check``, the day of the existing
            list.
        check: Write nothing; the ``state`` of a list that would change is ``DIFFERENT``.
        diff: Write nothing; ``diff`` has the lines that would change.
        listener: Receives progress, notes and warnings.

    Raises:
        DesiredStateError: a selector, or a file that it names, is not valid.
        UsageError: ``paths`` is one text, there is no key where one is needed, the selectors are
            about several services, or a file that resolve did not write is in the place of a
            list.
        LiveError: a search could not be read; nothing is written.
        ReconcilerError: a file cannot be written.

    Example:
        >>> (found,) = reconciler.resolve(root=folder, service=service)
        >>> found.path, found.resolution.studies
        ('specs/resolved/old.yaml', 1)
    """
    require_types(service=service, listener=listener)
    given = [Path(root) / SELECTORS] if paths is None else as_paths(paths)
    request = read_selectors(
        given,
        root=Path(root).resolve(),
        key=patient_key,
        as_of=as_of.date() if isinstance(as_of, datetime) else as_of,
        check=check,
        diff=diff,
        listener=listener,
    )
    return resolve_all(request, service)


def read_selectors(
    paths: Sequence[Path],
    *,
    root: Path,
    key: PatientKey | None,
    as_of: date | None,
    check: bool,
    diff: bool,
    listener: Listener,
) -> ResolveRequest:
    """Read the selectors; how their stores are reached may depend on these."""
    selectors, warnings = load_selectors(paths, root=root)
    return ResolveRequest(selectors, warnings, root, key, as_of, check, diff, listener)


def resolve_all(request: ResolveRequest, service: Service) -> list[ResolvedList]:
    """Resolve every selector, and write the lists once all searches were read."""
    selectors = request.selectors
    key = _key(selectors, request.key, request.warnings, request.listener)
    _require_one_service(selectors)
    for one in selectors:
        _require_replaceable(one, request.root)
    _require_expected_endpoint(selectors, endpoint_of(service, request.provider))
    with connect(service, request.provider, read_only=True) as connection:
        found: dict[str, Resolution] = {}
        for address in dict.fromkeys(one.address for one in selectors):
            of_store = [one for one in selectors if one.address == address]
            resolutions = _resolved(address, of_store, key, request, connection)
            found.update(zip((one.path for one in of_store), resolutions, strict=True))
    return [_finished(one, found[one.path], request) for one in selectors]


def _key(
    selectors: Sequence[Selector],
    given: PatientKey | None,
    warnings: Sequence[Problem],
    listener: Listener,
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
            hint="give the key that apply will be given (--patient-key; in Python: patient_key=)",
        )
    checks = [check for selector in selectors for check in selector.key_checks]
    problems = list(warnings)
    if checks and given is None:
        raise UsageError(
            f"{checks[0][0]} names pseudonyms, and no key is given",
            hint="give the key that they were made with (--patient-key; in Python: patient_key=)",
        )
    hint = (
        "make them with reconciler pseudonym and the same key (--patient-key; in"
        " Python: patient_key=)"
    )
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
        listener.problems(problems)
    return given or machine.new_patient_key()


def _require_one_service(selectors: Sequence[Selector]) -> None:
    """Refuse selectors that are about several."""
    services = {
        one.address.provider if one.address.provider.facts.service else one.address
        for one in selectors
    }
    if len(services) > 1:
        raise UsageError(
            "the selectors are about several services",
            hint="one run uses one service; resolve the selectors of each service separately",
        )


def _require_expected_endpoint(selectors: Sequence[Selector], endpoint: Endpoint) -> None:
    """Compare the origins that files expect with the configured one."""
    for one in selectors:
        expected = one.store.get("endpoint")
        if expected not in {None, str(endpoint)}:
            raise EndpointError(
                f"{one.path} expects the service at {expected}, this run is set to {endpoint}",
                hint="set the endpoint that is right (--endpoint or RECONCILER_ENDPOINT; in Python:"
                " endpoint=)",
            )


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
    with request.listener.step(f"searching {address.dicom_store_id}") as update:
        found = resolve_selectors(asked, store, key, lambda: update(next(rows), None))
    if any(one.is_split for one in found):
        request.listener.note(
            f"note: {address.dicom_store_id} is so large that it was searched by dates:"
            " what has no Study Date was not found"
        )
    return found


def _day_of(selector: Selector, request: ResolveRequest) -> date:
    """The day from which ages are counted."""
    if request.as_of is not None:
        return request.as_of
    today = machine.now().date()
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
        lines = difflib.unified_diff(old_text, new_text, path, path)
        is_known = is_desired_state(request.root, path)
        diff += (
            line.rstrip()
            for line in lines
            if not line.startswith("-")
            or line == f"--- {path}\n"
            or (is_known and not _COMMENT.search(line[1:]))
        )
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
