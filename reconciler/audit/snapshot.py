"""The runs of a state folder as they stood at one moment, so that all that is made of them agrees.

An apply may be writing meanwhile: what it adds is left for the next time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

from reconciler.errors import JournalError, UsageError
from reconciler.journal.folder import RUN_SUFFIX, observations_folder, runs_folder
from reconciler.journal.locks import is_held
from reconciler.journal.order import RunStart, in_order
from reconciler.journal.read_only import FirstReadOnly
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import FirstRecord, RunEnded, RunStarted


class Snapshot:
    """The files of a state folder and how far each is read."""

    def __init__(self, state: Path, sizes: dict[Path, int]) -> None:
        self.state = state
        self._sizes = sizes

    @classmethod
    def take(cls, state: Path) -> Self:
        """Note what is there now.

        Raises:
            UsageError: there is no such folder.
            JournalError: it cannot be read.
        """
        if not state.is_dir():
            raise UsageError(
                f"there is no state folder {state}", hint="--state or RECONCILER_STATE names it"
            )
        return cls(state, dict(_sizes(state)))

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of all runs, those that change no store after the others."""
        return tuple(path for path in self._sizes if path.suffix == RUN_SUFFIX)

    @property
    def unrecognised(self) -> tuple[Path, ...]:
        """What lies among them and is not the record of a run."""
        return tuple(path for path in self._sizes if path.suffix != RUN_SUFFIX)

    def records(self, path: Path) -> RunRecords:
        """The records of one of the files; nothing is read before they are iterated."""
        return RunRecords(path, up_to=self._sizes[path])

    def chosen(self, runs: Sequence[str]) -> tuple[Path, ...]:
        """The files of the runs that are named, in that order.

        Raises:
            UsageError: there is no such run.
        """
        by_name = {path.stem: path for path in self.files}
        for run in runs:
            if run not in by_name:
                raise UsageError(f"there is no run {run!r} in the state folder")
        return tuple(by_name[run] for run in runs)

    @cached_property
    def starts(self) -> Mapping[Path, FirstRecord]:
        """The first records of the files; whoever reads the file reports what is none."""
        return dict(self._starts())

    @cached_property
    def changing(self) -> tuple[Path, ...]:
        """The files in ``runs/``, in the order in which the runs happened.

        Those of which the first record cannot be read, or is none of theirs, come last.

        Raises:
            JournalError: the order contradicts itself.
        """
        return self._in_order(runs_folder(self.state), are_observations=False)

    @cached_property
    def observations(self) -> tuple[Path, ...]:
        """The files in ``observations/``; as `changing`."""
        return self._in_order(observations_folder(self.state), are_observations=True)

    def _in_order(self, folder: Path, *, are_observations: bool) -> tuple[Path, ...]:
        paths = {path.stem: path for path in self.files if path.parent == folder}
        begun = {
            path: RunStart.of(first)
            for path, first in self.starts.items()
            if path.parent == folder and isinstance(first, FirstReadOnly) is are_observations
        }
        ordered = [paths[name] for name in in_order(begun.values())]
        return (*ordered, *(path for path in paths.values() if path not in begun))

    def without_runs_under_way(self) -> Snapshot:
        """The same without the applies that another process works on now.

        What they attempted and have not proven yet would look like a failure.
        """
        sizes = {path: size for path, size in self._sizes.items() if not self._is_under_way(path)}
        return Snapshot(self.state, sizes)

    def _is_under_way(self, path: Path) -> bool:
        if path.suffix != RUN_SUFFIX:
            return False
        records = iter(self.records(path))
        try:
            first = next(records, None)
            if not isinstance(first, RunStarted):
                return False
            if any(isinstance(record, RunEnded) for record in records):
                return False
            is_held_now = any(is_held(self.state, store) for store in first.stores)
            # It may have finished since its size was noted.
            return is_held_now or path.stat().st_size > self._sizes[path]
        except (JournalError, OSError):  # whoever reads the file reports it
            return False

    def _starts(self) -> Iterator[tuple[Path, FirstRecord]]:
        for path in self.files:
            try:
                first = next(iter(self.records(path)), None)
            except JournalError:
                continue
            if isinstance(first, FirstRecord):
                yield path, first


def _sizes(state: Path) -> Iterator[tuple[Path, int]]:
    for folder in (runs_folder(state), observations_folder(state)):
        try:
            for path in sorted(folder.iterdir()):
                yield path, path.stat().st_size
        except FileNotFoundError:
            continue
        except OSError as error:
            raise JournalError(f"{folder} cannot be read: {error.strerror or error}") from error
