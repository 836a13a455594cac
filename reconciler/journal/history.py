"""All runs of a state folder together: what is gone, what is open, how far a plan came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from reconciler.errors import JournalError
from reconciler.journal.folder import RUN_SUFFIX, runs_folder
from reconciler.journal.order import RunStart, in_order
from reconciler.journal.reader import read_run
from reconciler.journal.records import RestoreStarted, RunEnded, RunStarted
from reconciler.journal.summary import (
    OpenAttempt,
    Recorded,
    RestoredRemoval,
    RunSummary,
    summarise,
)
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.outcome import Outcome, RunState

ProgressCallback = Callable[[int, int], None]

_RESUMED = frozenset({RunState.STOPPED, RunState.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class PlanHistory:
    """How far a plan came over all its runs, which stand in the order of their start.

    ``started`` is when the latest run began, ``ended`` the end of the latest run that came to
    one; ``outcomes`` the last outcome of each instance, what a later run settled for these runs
    included. ``met_operation`` says that a DELETE of one of them was answered with a long-running
    operation.
    """

    runs: tuple[str, ...]
    started: datetime
    ended: RunEnded | None
    outcomes: Mapping[tuple[StoreAddress, InstanceAddress], Outcome]
    met_operation: bool = False


class History:
    """The runs of a state folder that started, in the order of their start."""

    def __init__(self, runs: Iterable[RunSummary] = ()) -> None:
        by_name = {run.run: run for run in runs}
        starts = (RunStart.of(run.started, run.head) for run in by_name.values())
        self.runs = tuple(by_name[name] for name in in_order(starts))

    @classmethod
    def read(cls, folder: Path, on_progress: ProgressCallback | None = None) -> Self:
        """Read every run of a state folder; one that does not exist has none.

        ``on_progress`` is called with how many bytes are read, and how many there are.

        Raises:
            JournalError: a run cannot be read or is broken; it may hide deletions.
        """
        paths = _run_files(folder)
        on_read = None if on_progress is None else _counter(paths, on_progress)
        return cls(run for path in paths if (run := summarise(path, on_read)))

    @property
    def previous_head(self) -> str | None:
        """The head of the latest run, for the next one to name."""
        return self.runs[-1].head if self.runs else None

    def of_endpoint(self, endpoint: str) -> History:
        """The runs that spoke to this origin: what one service says proves nothing of another."""
        return History(run for run in self.runs if run.started.endpoint == endpoint)

    def deleted(self, store: StoreAddress) -> frozenset[InstanceAddress]:
        """The instances of a store whose last record, of any run, says that they are gone."""
        return frozenset(self.removed_by(store))

    def removed_by(self, store: StoreAddress) -> Mapping[InstanceAddress, str]:
        """For each of the `deleted` instances the run that removed it.

        A run that found it already absent is named only where no run before it removed it. An
        attempt that failed says nothing against a later run that removed it, whenever it was
        settled: what is there again then has come back.
        """
        places = {run.run: place for place, run in enumerate(self.runs)}
        removed: dict[InstanceAddress, str] = {}
        for record in self._of_store(store):
            if isinstance(record, RestoredRemoval):
                removed.pop(record.instance, None)
            elif not record.outcome.is_gone:
                remover = removed.get(record.instance, record.run)
                if places.get(record.run, -1) >= places.get(remover, -1):
                    removed.pop(record.instance, None)
            elif record.outcome is Outcome.ALREADY_ABSENT:
                removed.setdefault(record.instance, record.run)
            else:
                removed[record.instance] = record.run
        return removed

    def restored(self, store: StoreAddress) -> Mapping[InstanceAddress, RestoredRemoval]:
        """The instances of a store whose last record, of any run, is a verified restore."""
        restored: dict[InstanceAddress, RestoredRemoval] = {}
        for record in self._of_store(store):
            if isinstance(record, RestoredRemoval):
                restored[record.instance] = record
            else:
                restored.pop(record.instance, None)
        return restored

    def restores_of(self, run: str) -> tuple[str, ...]:
        """The restores that were asked to put this run's archive back, in their order."""
        return tuple(
            summary.run
            for summary in self.runs
            if isinstance(summary.started, RestoreStarted)
            and summary.started.restores[-1:] == (run,)
        )

    def open_attempts(self, store: StoreAddress) -> tuple[OpenAttempt, ...]:
        """What runs left open in a store, and no later run settled.

        Nor one of the same plan proved to be gone, which goes on with what it left.
        """
        proven_in = {
            (_plan_of(run), recorded.instance): place
            for place, run in enumerate(self.runs)
            for recorded in run.recorded
            if recorded.run == run.run and recorded.store == store and recorded.outcome.is_gone
        }
        settled = {
            (recorded.run, recorded.instance)
            for run in self.runs
            for recorded in run.recorded
            if recorded.run != run.run and recorded.store == store
        }
        return tuple(
            attempt
            for place, run in enumerate(self.runs)
            for attempt in run.open_attempts
            if attempt.store == store
            and (attempt.run, attempt.instance) not in settled
            and proven_in.get((_plan_of(run), attempt.instance), -1) <= place
        )

    def of_plan(self, plan_id: str) -> PlanHistory | None:
        """What became of a plan; None if no run of it ever started."""
        runs = [
            run
            for run in self.runs
            if isinstance(run.started, RunStarted) and run.started.plan_id == plan_id
        ]
        if not runs:
            return None
        names = {run.run for run in runs}
        ends = [run.ended for run in runs if run.ended]
        outcomes = {(r.store, r.instance): r.outcome for r in self._recorded() if r.run in names}
        return PlanHistory(
            tuple(run.run for run in runs),
            runs[-1].started.time,
            ends[-1] if ends else None,
            outcomes,
            any(run.met_operation for run in runs),
        )

    def unfinished(self, digest: str) -> str | None:
        """The id of the latest plan of this digest that a run began, if its end is still open."""
        for run in reversed(self.runs):
            if isinstance(run.started, RunStarted) and run.started.digest == digest:
                plan = self.of_plan(run.started.plan_id)
                is_open = plan is not None and (not plan.ended or plan.ended.state in _RESUMED)
                return run.started.plan_id if is_open else None
        return None

    def _recorded(self) -> Iterator[Recorded]:
        for run in self.runs:
            yield from run.recorded

    def _of_store(self, store: StoreAddress) -> Iterator[Recorded | RestoredRemoval]:
        for run in self.runs:
            yield from (record for record in run.recorded if record.store == store)
            yield from (record for record in run.restored if record.store == store)


def _plan_of(run: RunSummary) -> str | None:
    return run.started.plan_id if isinstance(run.started, RunStarted) else None


def _counter(paths: Iterable[Path], on_progress: ProgressCallback) -> Callable[[int], None]:
    """What adds up the bytes that are read."""
    total = sum(path.stat().st_size for path in paths if path.exists())
    done = 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        on_progress(done, max(done, total))

    return add


def has_runs(folder: Path) -> bool:
    """Whether a run ever started, by the first records alone.

    Raises:
        JournalError: as `History.read`, so far as it reads.
    """
    return any(next(iter(read_run(path)), None) is not None for path in _run_files(folder))


def _run_files(folder: Path) -> list[Path]:
    """The run files of a state folder; whatever else lies there is none of ours."""
    runs = runs_folder(folder)
    try:
        return sorted(path for path in runs.iterdir() if path.suffix == RUN_SUFFIX)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise JournalError(
            f"the journal {runs} cannot be read: {error.strerror or error}",
            hint="it may record deletions, so nothing is deleted before it can be read",
        ) from error
