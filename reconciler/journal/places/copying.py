"""Copies state from one place to another: the record, its logs, and the plans that were applied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set

from reconciler.errors import StateError
from reconciler.journal.folder import INDEX, is_run_name
from reconciler.journal.log import RunLog, entry_name
from reconciler.journal.segments import is_header
from reconciler.journal.state import OBSERVATIONS, RUNS, RunFile, State
from reconciler.objects.interface import is_name

OnProgress = Callable[[int, int], None]


def copy_state(source: State, target: State, on_progress: OnProgress | None = None) -> int:
    """Copy what is on record, and skip what is there already; how many runs there are.

    ``on_progress`` hears how many bytes of the runs are through, and how many there are.

    Locks are not copied, nor what somebody else put there. The logs come last, so that no run is
    in one before it is there.

    Raises:
        JournalError: something cannot be read or written, or the target has another run or object
            of the same name.
    """
    if not source.exists:
        raise StateError(f"there is no state folder {source}", hint="see to the name")
    entries = dict(_entries(source))
    files = [file for folder in (RUNS, OBSERVATIONS) for file in source.run_files(folder)]
    _require_same_record(target, entries, {(file.folder, file.name) for file in files})
    total, done = sum(file.size for file in files), 0
    for file in files:
        _copy_run(file, target)
        done += file.size
        if on_progress is not None:
            on_progress(done, total)
    for folder in ("plans", "delivered", f"{RUNS}/{INDEX}"):
        for name in filter(is_name, source.objects.names(folder)):
            _copy_object(name, source.objects.read(name), target)
    for name, data in entries.items():
        _copy_object(name, data, target)
    return len(files)


def _entries(state: State) -> Iterator[tuple[str, bytes | None]]:
    """The entries of the logs, by name."""
    for folder in (RUNS, OBSERVATIONS):
        for number in RunLog(state.objects, folder).numbers():
            name = entry_name(folder, number)
            yield name, state.objects.read(name)


def _require_same_record(
    target: State, entries: Mapping[str, bytes | None], runs: Set[tuple[str, str]]
) -> None:
    """Refuse a target with another record before anything is written: nothing can be taken back."""
    for name, data in _entries(target):
        if entries.get(name) != data:
            raise _differs(name, target)
    for folder in (RUNS, OBSERVATIONS):
        for file in target.run_files(folder):
            if (folder, file.name) not in runs:
                raise _differs(f"{folder}/{file.name}", target)


def _copy_run(file: RunFile, target: State) -> None:
    if not is_run_name(file.name):
        raise StateError(f"{file.place} cannot be copied: its name is not that of a run")
    try:
        if not target.put_run(file.folder, file.name, _segments(file)):
            raise _differs(f"{file.folder}/{file.name}", target)
    except OSError as error:
        raise StateError(
            f"{file.place} cannot be copied to {target}: {error.strerror or error}"
        ) from error


def _segments(file: RunFile) -> Iterator[bytes]:
    """The segments of a run; a torn tail is a part of the last."""
    lines: list[bytes] = []
    with file.open() as opened:
        for line in opened:
            if is_header(line) and lines:
                yield b"".join(lines)
                lines = []
            lines.append(line)
    if lines:
        yield b"".join(lines)


def _copy_object(name: str, data: bytes | None, target: State) -> None:
    if data is not None and not target.objects.create(name, data):
        raise _differs(name, target)


def _differs(name: str, target: State) -> StateError:
    return StateError(
        f"{target} holds another {name}",
        hint="copy to a place that is empty, or that only an interrupted copy of the same began",
    )
