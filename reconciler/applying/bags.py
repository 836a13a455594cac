"""Complete bags: those of a run, and those that interrupted runs of its plan left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reconciler.applying.archive import Archive, BagInfo
from reconciler.applying.bag import Bag, PayloadFile
from reconciler.applying.fingerprint import read_file
from reconciler.applying.stopping import Stop
from reconciler.dicom.file_head import NotDicomFileError
from reconciler.journal.inside import open_inside
from reconciler.journal.reader import RunRecords
from reconciler.journal.records import Archived, RunEnded
from reconciler.journal.state import RUNS, State
from reconciler.model.address import InstanceAddress
from reconciler.model.outcome import RunState


@dataclass(frozen=True, slots=True)
class UnfinishedBag:
    """A bag of an interrupted run, and what the run's journal says that it holds."""

    archive: str
    run: str
    recorded: tuple[PayloadFile, ...]

    @property
    def bag(self) -> Bag:
        """The bag itself."""
        return Bag(Path(self.archive), self.run)


class Bags:
    """Completes the bags of a plan; one that cannot be completed stops the run.

    ``are_complete`` says that each could. What stops so may be resumed, and is tried again then.
    """

    def __init__(
        self, info: BagInfo, *, state: State, stop: Stop, now: Callable[[], datetime]
    ) -> None:
        self.are_complete = True
        self._info = info
        self._state = state
        self._stop = stop
        self._now = now

    def find_unfinished(
        self, archives: Iterable[str], runs: Iterable[str]
    ) -> tuple[UnfinishedBag, ...]:
        """The bags that earlier runs of the plan began and did not finish.

        Raises:
            JournalError: the record of a run cannot be read.
        """
        pairs = [(archive, run) for archive in archives for run in runs]
        found = (self._unfinished(archive, run) for archive, run in pairs)
        return tuple(unfinished for unfinished in found if unfinished is not None)

    def complete(self, bags: Iterable[UnfinishedBag]) -> None:
        """Write the manifests of bags from what the journal says that they hold.

        A payload file without a record had its name but not yet its record when the run was
        interrupted: it is proven again and added, or set aside if it is damaged, not what its name
        says, or no regular file.
        """
        for unfinished in bags:
            bag = unfinished.bag
            with self._or_stop([bag.path]):
                bag.require_own_folders()
                for file in unfinished.recorded:
                    open_inside(bag.path, file.path).close()
                info = self._info.of(unfinished.run, self._now())
                bag.finish([*unfinished.recorded, *_unrecorded(unfinished)], info)

    def finish(self, archive: Archive) -> tuple[Path, ...]:
        """Complete the bags of the run that ends; where they are."""
        with self._or_stop(archive.bags):
            archive.finish(self._info)
        return archive.bags

    def _unfinished(self, archive: str, run: str) -> UnfinishedBag | None:
        bag = Bag(Path(archive), run)
        if bag.is_finished:
            return None
        recorded: list[PayloadFile] = []
        has_ended = False
        file = self._state.run_file(RUNS, run)
        for record in RunRecords(file) if file else ():
            has_ended |= isinstance(record, RunEnded)
            if isinstance(record, Archived) and record.archive == archive:
                recorded.append(PayloadFile(record.path, record.sha256, record.size))
        # The bag of a run that came to its end may have been moved away since.
        is_expected = bool(recorded) and not has_ended
        if bag.is_begun or is_expected:
            return UnfinishedBag(archive, run, tuple(recorded))
        return None

    @contextmanager
    def _or_stop(self, bags: Iterable[Path]) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.are_complete = False
            names = ", ".join(map(str, bags))
            reason = error.strerror or str(error)
            self._stop.request(
                RunState.STOPPED, f"the archive {names} cannot be completed: {reason}"
            )


def _unrecorded(unfinished: UnfinishedBag) -> Iterator[PayloadFile]:
    bag = unfinished.bag
    known = {file.path for file in unfinished.recorded}
    for name in list(bag.payload()):
        if name in known:
            continue
        proven = _prove(bag, name) if bag.is_file(name) else None
        if proven is None:
            bag.set_aside(name)
        else:
            yield proven


def _prove(bag: Bag, name: str) -> PayloadFile | None:
    """The file, if it is whole and what its name says."""
    with open_inside(bag.path, name) as file:
        try:
            fingerprint, found = read_file(file)
        except NotDicomFileError:
            return None
    if found.damage or not name.endswith(f"{InstanceAddress(*found.address)}.dcm"):
        return None
    return PayloadFile(name, fingerprint.sha256, fingerprint.size)
