"""The record of runs that change no store: a plan, and what ended before it did anything.

A folder that cannot be written is no reason to refuse a read-only run: it is said, and the run goes
on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler import __version__
from reconciler.api import machine
from reconciler.api.listener import Listener
from reconciler.errors import JournalError
from reconciler.journal.latest import links_of_observation
from reconciler.journal.read_only import (
    GateSeen,
    KeptSeen,
    NothingDone,
    OverriddenSeen,
    PlanEnded,
    PlanMade,
    ReappearedSeen,
)
from reconciler.journal.state import RUNS, State
from reconciler.journal.writer import RunJournal
from reconciler.model.address import StoreAddress
from reconciler.model.plan import OverriddenInstances, SavedPlan, Why
from reconciler.model.provenance import Provenance, Requester
from reconciler.planning.gates import gates_of
from reconciler.planning.kept import missing_by_entry, overridden_by_entry


def record_plan(
    saved: SavedPlan,
    overridden: Iterable[OverriddenInstances],
    state: State,
    *,
    principal: str | None,
    requester: Requester | None,
    listener: Listener,
) -> None:
    """Leave the record of a plan, and say its head; a note where it cannot be written.

    ``overridden`` is what holds override in it.
    """
    provenance = Provenance(principal, requester, saved.plan.inputs, saved.git)
    try:
        journal = RunJournal.create(state, _plan_made(saved, state, provenance))
        with journal:
            for kept in _kept(saved):
                journal.append(kept)
            for held in (
                *_overridden(saved, overridden, is_free=False),
                *_overridden(saved, saved.freed, is_free=True),
            ):
                journal.append(held)
            for reappeared in _reappeared(saved):
                journal.append(reappeared)
            journal.commit(_plan_ended(saved))
            head = journal.finish()
    except JournalError as error:
        listener.note(f"note: this plan is not on record: {error}")
        return
    note_head(head, listener)


def note_head(head: str, listener: Listener) -> None:
    """Say by what the record of the run can be checked."""
    listener.note(
        f"journal head {head} (audit verify --head proves the record by it: keep it)", is_last=True
    )


def record_nothing_done(
    command: str,
    exit_code: int,
    detail: str,
    state: State,
    *,
    run: str | None = None,
    saved: SavedPlan | None = None,
    stores: Iterable[StoreAddress] = (),
    endpoint: str = "",
    principal: str | None = None,
    requester: Requester | None = None,
    listener: Listener,
) -> None:
    """Leave the record of an apply or a restore that ended before it did anything.

    ``run`` is the name that it goes by already, if it has one. Even a refused run has a record of
    its own where it settled what was left open; then there is none to leave.
    """
    try:
        if run is not None and state.run_file(RUNS, run):
            return
    except JournalError as error:
        listener.note(f"note: whether this run is on record is not known: {error}")
        return
    now = machine.now()
    inputs, git = (saved.plan.inputs, saved.git) if saved else ((), None)
    try:
        record = NothingDone(
            run=run or machine.new_run_name(now),
            time=now,
            tool_version=__version__,
            command=command,
            plan_id=saved.plan_id if saved else None,
            digest=saved.digest if saved else None,
            endpoint=saved.endpoint if saved else endpoint,
            stores=tuple(store.store for store in saved.plan.stores) if saved else tuple(stores),
            exit_code=exit_code,
            detail=detail,
            provenance=Provenance(principal, requester, inputs, git),
            **links_of_observation(state),
        )
        head = RunJournal.create(state, record).finish()
    except JournalError as error:
        listener.note(f"note: this run is not on record: {error}")
        return
    note_head(head, listener)


def _plan_made(saved: SavedPlan, state: State, provenance: Provenance) -> PlanMade:
    return PlanMade(
        run=machine.new_run_name(saved.created),
        time=saved.created,
        tool_version=__version__,
        plan_id=saved.plan_id,
        digest=saved.digest,
        paths=saved.plan.paths,
        endpoint=saved.endpoint,
        stores=tuple(store.store for store in saved.plan.stores),
        provenance=provenance,
        **links_of_observation(state),
    )


def _kept(saved: SavedPlan) -> Iterator[KeptSeen]:
    for index, store in enumerate(saved.plan.stores):
        missing, overridden = missing_by_entry(store), overridden_by_entry(store)
        for entry in store.kept:
            yield KeptSeen(
                saved.created,
                index,
                entry.study_uid,
                entry.series_uid,
                entry.instances,
                entry.source,
                entry.hold,
                missing[entry.source],
                overridden[entry.source, entry.study_uid],
            )


def _overridden(
    saved: SavedPlan, overridden: Iterable[OverriddenInstances], *, is_free: bool
) -> Iterator[OverriddenSeen]:
    order = _order(saved)
    for one in overridden:
        yield OverriddenSeen(
            saved.created,
            order[one.store],
            one.study_uid,
            one.series_uid,
            one.hold,
            one.instances,
            is_free,
        )


def _reappeared(saved: SavedPlan) -> Iterator[ReappearedSeen]:
    order = _order(saved)
    for one in saved.reappeared:
        yield ReappearedSeen(
            saved.created, order[one.store], one.instance, one.run, one.code, one.restored
        )


def _order(saved: SavedPlan) -> dict[StoreAddress, int]:
    """The places of the stores in the first record."""
    return {store.store: index for index, store in enumerate(saved.plan.stores)}


def _plan_ended(saved: SavedPlan) -> PlanEnded:
    order = _order(saved)
    return PlanEnded(
        machine.now(),
        {why: saved.plan.count(why) for why in Why},
        tuple(
            GateSeen(gate.name, order[gate.store], gate.actual, gate.allowed, gate.studies)
            for gate in gates_of(saved)
        ),
    )
