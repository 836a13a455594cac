"""The record of runs that change no store: a plan, and what ended before it did anything.

A folder that cannot be written is no reason to refuse a read-only run: it is said, and the run goes
on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

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
from reconciler.journal.records import Record
from reconciler.journal.state import RUNS, State
from reconciler.journal.writer import RunJournal
from reconciler.model.address import StoreAddress
from reconciler.model.gate import Gate
from reconciler.model.plan import OverriddenInstances, SavedPlan, Why
from reconciler.model.provenance import Provenance, Requester
from reconciler.model.shards.manifest import Manifest
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
    stores = tuple(store.store for store in saved.plan.stores)
    counts = {why: saved.plan.count(why) for why in Why}
    records = records_of_plan(saved, overridden, stores)
    provenance = Provenance(principal, requester, saved.plan.inputs, saved.git)
    made = _plan_made(saved, stores, state, provenance)
    _record(made, records, counts, _gates(gates_of(saved), stores), state, listener)


def record_manifest(
    manifest: Manifest,
    records: Iterable[Record],
    state: State,
    *,
    principal: str | None,
    requester: Requester | None,
    listener: Listener,
) -> None:
    """As `record_plan`, of a plan in shards; ``records`` are the `records_of_plan` of each."""
    stores = tuple(store.store for store in manifest.plan.stores)
    counts = {why: manifest.summary.counts[why.value] for why in Why}
    provenance = Provenance(principal, requester, manifest.plan.inputs, manifest.git)
    made = _plan_made(manifest, stores, state, provenance)
    _record(made, records, counts, _gates(manifest.gates, stores), state, listener)


def records_of_plan(
    saved: SavedPlan, overridden: Iterable[OverriddenInstances], stores: Sequence[StoreAddress]
) -> Iterator[Record]:
    """What a plan kept, overrode and met again; ``stores`` are those of the first record."""
    order = {store: index for index, store in enumerate(stores)}
    yield from _kept(saved, order)
    yield from _overridden(saved, overridden, order, is_free=False)
    yield from _overridden(saved, saved.freed, order, is_free=True)
    yield from _reappeared(saved, order)


def _record(  # noqa: PLR0917 - all that a record has
    made: PlanMade,
    records: Iterable[Record],
    counts: Mapping[Why, int],
    gates: tuple[GateSeen, ...],
    state: State,
    listener: Listener,
) -> None:
    try:
        journal = RunJournal.create(state, made)
        with journal:
            for record in records:
                journal.append(record)
            journal.commit(PlanEnded(machine.now(), counts, gates))
            head = journal.finish()
    except JournalError as error:
        listener.note(f"note: this plan is not on record: {error}")
        return
    note_head(head, listener)


def note_head(head: str, listener: Listener) -> None:
    """Say by what the record of the run can be checked."""
    listener.note(f"journal head {head} (keep it for audit verify --head)", is_last=True)


def record_nothing_done(
    command: str,
    exit_code: int,
    detail: str,
    state: State,
    *,
    run: str | None = None,
    saved: SavedPlan | Manifest | None = None,
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


def _plan_made(
    saved: SavedPlan | Manifest,
    stores: tuple[StoreAddress, ...],
    state: State,
    provenance: Provenance,
) -> PlanMade:
    return PlanMade(
        run=machine.new_run_name(saved.created),
        time=saved.created,
        tool_version=__version__,
        plan_id=saved.plan_id,
        digest=saved.digest,
        paths=saved.plan.paths,
        endpoint=saved.endpoint,
        stores=stores,
        provenance=provenance,
        **links_of_observation(state),
    )


def _kept(saved: SavedPlan, order: Mapping[StoreAddress, int]) -> Iterator[KeptSeen]:
    for store in saved.plan.stores:
        missing, overridden = missing_by_entry(store), overridden_by_entry(store)
        for entry in store.kept:
            yield KeptSeen(
                saved.created,
                order[store.store],
                entry.study_uid,
                entry.series_uid,
                entry.instances,
                entry.source,
                entry.hold,
                missing[entry.source],
                overridden[entry.source, entry.study_uid],
            )


def _overridden(
    saved: SavedPlan,
    overridden: Iterable[OverriddenInstances],
    order: Mapping[StoreAddress, int],
    *,
    is_free: bool,
) -> Iterator[OverriddenSeen]:
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


def _reappeared(saved: SavedPlan, order: Mapping[StoreAddress, int]) -> Iterator[ReappearedSeen]:
    for one in saved.reappeared:
        yield ReappearedSeen(
            saved.created, order[one.store], one.instance, one.run, one.code, one.restored
        )


def _gates(gates: Iterable[Gate], stores: Sequence[StoreAddress]) -> tuple[GateSeen, ...]:
    return tuple(
        GateSeen(gate.name, stores.index(gate.store), gate.actual, gate.allowed, gate.studies)
        for gate in gates
    )
