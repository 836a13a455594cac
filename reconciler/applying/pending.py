"""What of an archive is not back, by the record alone: a plan asks this and restores nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reconciler.applying.archived import ArchivedRun, read_archived
from reconciler.errors import UsageError
from reconciler.journal.fold import Read
from reconciler.journal.history import History
from reconciler.journal.records import RestoreStarted
from reconciler.journal.state import State
from reconciler.model.outcome import InstanceResult, Outcome
from reconciler.model.past import ArchivedInstance, PutBack, Removed


@dataclass(frozen=True, slots=True)
class Pending:
    """How an archived run's instances stand before a restore does anything."""

    settled: tuple[InstanceResult, ...]
    """Put back by an earlier restore, or removed by a later run."""
    waiting: tuple[ArchivedInstance, ...]


def find_pending(archived: ArchivedRun, history: History) -> Pending:
    """Take out what is back already, and what was removed by a later attempt."""
    settled: list[InstanceResult] = []
    waiting: list[ArchivedInstance] = []
    for one, result in _one_by_one(archived, history):
        if result is None:
            waiting.append(one)
        else:
            settled.append(result)
    return Pending(tuple(settled), tuple(waiting))


def _one_by_one(
    archived: ArchivedRun, history: History
) -> Iterator[tuple[ArchivedInstance, InstanceResult | None]]:
    """Each instance with its result; None while it waits.

    A removal has the place of its attempt: one that was settled late is no later for that.
    """
    places = {one.run.name: one.run.place for one in history.runs}
    keys = [(one.store, one.instance) for one in archived.instances]
    words = history.last_words(keys, archived.endpoint)
    for one in archived.instances:
        match words.get((one.store, one.instance)):
            case PutBack(run=one.run, outcome=outcome, is_there=True):
                yield one, one.result(outcome)
            case Removed(run, place) if run not in archived.runs and place > places[one.run]:
                why = f"run {run} removed it later; it is not put back"
                yield one, one.result(Outcome.NOT_ATTEMPTED, why)
            case _:
                yield one, None


def unfinished_restores(
    history: History, state: State, concerns: Callable[[Read], bool]
) -> Iterator[Read]:
    """The latest restore of each archive and selection that has something left to do.

    Only of one that ``concerns`` the caller is the archive's record read. One that died before it
    did anything may not have all on record that it was asked for: to resume it could put back more.

    Raises:
        JournalError: the record of a run cannot be read.
    """
    latest = {
        (started.restores[-1], read.only): (read, started)
        for read in history.runs
        if isinstance(started := read.run.started, RestoreStarted) and read.has_begun
    }
    for read, started in latest.values():
        if concerns(read) and _may_go_on(read) and _is_left(read, started, history, state):
            yield read


def _may_go_on(read: Read) -> bool:
    """Whether the same restore could do more: it did not end, or something was not proven."""
    ended = read.ended
    if ended is None or not ended.state.is_final:
        return True
    return any(ended.counts.get(outcome) for outcome in (Outcome.FAILED, Outcome.UNCONFIRMED))


def _is_left(read: Read, started: RestoreStarted, history: History, state: State) -> bool:
    """Whether something that it was asked for is not back."""
    try:
        archived = read_archived(state, started.restores[-1], only=read.only)
    except UsageError:  # its record is gone; the command that resumes it says so
        return True
    return any(result is None for _, result in _one_by_one(archived, history))
