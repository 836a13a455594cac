"""Apply a plan that was reviewed: connect, delete, prove, leave a record whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial
from operator import index
from typing import TYPE_CHECKING

from reconciler.api import machine
from reconciler.api.archives import require_archives_outside
from reconciler.api.arguments import require_types
from reconciler.api.kept_plan import keep_plan
from reconciler.api.listener import SILENT, Listener
from reconciler.api.other_services import note_other_services
from reconciler.api.preconditions import (
    Reviewed,
    require_acceptable,
    require_acceptable_manifest,
)
from reconciler.api.project import Project
from reconciler.api.recording import record_nothing_done
from reconciler.api.running import LEASE, STOP_AFTER, Accept, Call, reported_results, run_settings
from reconciler.api.service import Service, connect, endpoint_of, provider_of
from reconciler.api.shards.whole import apply_shards, chosen_shards
from reconciler.api.unfinished import note_unfinished
from reconciler.applying.apply import Applied, Apply
from reconciler.applying.stopping import Breaker, Stop
from reconciler.errors import ReconcilerError, Refused, UsageError
from reconciler.journal.history import History
from reconciler.journal.state import State
from reconciler.model.outcome import Operation
from reconciler.model.patient import PatientKey
from reconciler.model.plan import SavedPlan, Why
from reconciler.model.provenance import Provenance, Requester
from reconciler.model.shards.manifest import Manifest
from reconciler.outside_memory import Database
from reconciler.planning.acceptance import require_digest, require_endpoint
from reconciler.planning.shards.keeps import Keeps
from reconciler.reporting.wording import traffic_line

if TYPE_CHECKING:
    from reconciler.api.showing import PlanInShards

_BEFORE = "the plan was applied before"
_NOTHING = "the plan deletes nothing"
_NO_SHARD = "there is no shard to apply"


def apply(
    plan: SavedPlan | PlanInShards,
    project: Project,
    service: Service,
    *,
    digest: str,
    shards: Collection[int] | None = None,
    processes: int = 1,
    refusal: Refused | None = None,
    require_clean: bool = False,
    patient_key: PatientKey | None = None,
    stop_after_failures: int = STOP_AFTER,
    lease: float = LEASE,
    stop: Stop | None = None,
    requester: Requester | None = None,
    listener: Listener = SILENT,
) -> Applied:
    """Delete what a plan lists, prove it and record it. A deletion cannot be undone.

    All checks of the command apply: the plan must have the digest, not be expired, match the
    current files, delete nothing that they keep, and pass its gates by the current record and
    store. A plan is applied once; called again after an interruption, `apply` resumes. An apply
    that does nothing is recorded too.

    Args:
        plan: What `plan` made or `read_plan` read.
        project: Where the record, the locks and the files of the plan are.
        service: How the stores are reached.
        digest: The digest that the reviewer approved.
        shards: The numbers of the shards of a plan in shards to apply, such as
            ``range(3, len(plan.plan.shards) + 1, 8)`` for task 3 of 8; by default all. All shards
            that are left are checked in any case.
        processes: How many shards of a plan in shards are applied at once, each in a process, which
            imports the main module: a script needs ``if __name__ == "__main__":``. ``parallelism``
            of the service applies to each process, its ``max_qps`` to all together.
        refusal: An existing reason to refuse, such as the reviewer's no. It is raised after what
            an earlier run left open is settled.
        require_clean: Continue only if the files are committed in git and unchanged since the plan.
        patient_key: Record the patient of each instance as a pseudonym, made with this key.
        stop_after_failures: Stop after so many unconfirmed deletions, or so many failed in a
            row; 10 by default. All shards and processes count together.
        lease: With state in a bucket: how many seconds the locks outlive the last sign of life;
            10 by default.
        stop: Stops the apply from another thread; see `Stop.interrupt`.
        requester: Who requested it, for the record.
        listener: Receives progress, notes and outcomes.

    Returns:
        The ``report`` with the outcome of every instance, and the ``exit_code`` of the command.
        A failed instance is in the report and raises no exception. An error that ends the apply of
        a plan in shards after it has begun is not raised either: it is the ``error``.

    Raises:
        UsageError: the project was opened with ``only_reads``, or the plan has no such shards.
        LockHeld: another run works on one of the stores.
        PlanRefused: the plan is not the reviewed one, or no longer acceptable.
        GatesBlocking: a gate is blocking.
        LiveError: a store does not answer, or its caller may not delete.
        JournalError: the journal cannot be read or begun.

    Example:
        >>> project = reconciler.Project.open(folder)
        >>> saved = reconciler.plan(reconciler.load(project=project), project, service)
        >>> applied = reconciler.apply(saved, project, service, digest=saved.digest)
        >>> applied.report.is_success, applied.report.planned
        (True, 2)
    """
    stop = Stop() if stop is None else stop
    require_types(
        plan=plan, project=project, service=service, digest=digest, stop=stop, listener=listener
    )
    if index(processes) < 1:
        raise ValueError(f"processes must be at least 1, and is {processes}")
    project.require_believed()
    settings = run_settings(
        machine.new_run_name(machine.now()), parallelism=service.parallelism, lease=lease
    )
    tried = Breaker(stop_after_failures, stop, Operation.APPLY).record
    call = Call(project.state, service, settings, stop, tried, patient_key, requester, listener)

    def begin(history: History) -> None:
        _note_what_is_known(plan, project.state, history, listener)
        if refusal is not None:
            raise refusal

    reviewed = Reviewed(digest, patient_key, must_be_clean=require_clean)
    if isinstance(plan, SavedPlan):
        require_in_shards(processes, shards)

        def accept(history: History) -> None:
            begin(history)
            require_acceptable(plan, project, reviewed, listener)

        return _on_record(plan, digest, call, lambda: _apply(plan, call, accept))
    chosen = chosen_shards(plan, shards)

    def accept_shards(history: History, left: Iterable[SavedPlan], database: Database) -> Keeps:
        begin(history)
        return require_acceptable_manifest(plan, left, project, database, reviewed, listener)

    if not chosen:
        listener.note(f"note: none of the plan's {len(plan.plan.shards)} shards is chosen")
    needed = min(processes, len(chosen))
    return _on_record(
        plan,
        digest,
        call,
        lambda: apply_shards(plan, plan.folder, chosen, needed, call, accept_shards),
    )


def require_in_shards(processes: int, shards: object) -> None:
    """Refuse, of any other plan, what only one in shards can be applied with.

    Raises:
        UsageError: one of them was given.
    """
    if processes > 1 or shards is not None:
        raise UsageError(
            "several processes and a choice of shards are for a plan in shards, and this is none",
            hint="make one with: reconciler plan --shard-size N --out DIR/",
        )


def _on_record(
    saved: SavedPlan | Manifest, digest: str, call: Call, apply_it: Callable[[], Applied]
) -> Applied:
    """Do it, and leave a record where nothing was done."""
    record_if_nothing = partial(
        record_nothing_done,
        "apply",
        state=call.state,
        run=call.settings.run,
        saved=saved,
        requester=call.requester,
        listener=call.listener,
    )
    try:
        applied = apply_it()
        if applied.report.journal_head is None:  # then it may not have been accepted
            require_digest(saved.digest, digest)
    except ReconcilerError as error:
        code, why = call.stop.ending or (error.exit_code, str(error))
        record_if_nothing(code, why, principal=call.principal)
        raise
    if applied.report.journal_head is None:
        nothing = _NO_SHARD if saved.plan.has_deletions else _NOTHING
        why = _BEFORE if applied.is_earlier else call.stop.reason or nothing
        record_if_nothing(applied.exit_code, why, principal=call.principal)
    return applied


def _apply(saved: SavedPlan, call: Call, accept: Accept) -> Applied:
    """Apply a plan in one file; it is kept in the state, so that it can be resumed."""
    state, listener = call.state, call.listener
    total = saved.plan.count(Why.LISTED)
    provider = provider_of(store.store for store in saved.plan.stores)
    require_endpoint(saved, str(endpoint_of(call.service, provider)))
    require_archives_outside(saved.plan, state)

    def accept_and_begin(history: History) -> None:
        accept(history)
        if saved.plan.has_deletions:
            keep_plan(saved, state)
        listener.started(Operation.APPLY, call.settings.run, total, saved=saved)

    with connect(call.service, provider, read_only=False, stop=call.stop.event) as connection:
        call.principal = connection.principal
        with reported_results("deleting", total, listener) as on_result:
            applied = Apply(
                saved=saved,
                stores={store.store: connection.store(store.store) for store in saved.plan.stores},
                state=state,
                settings=call.settings,
                nobody=connection.nobody(),
                accept=accept_and_begin,
                stop=call.stop,
                now=machine.now,
                on_result=on_result,
                on_wait=listener.note,
                tried=call.tried,
                provenance=lambda: Provenance(
                    connection.principal, call.requester, saved.plan.inputs, saved.git
                ),
                patient_key=call.patient_key,
            ).run()
        if applied.is_earlier:
            return applied
        listener.note(f"sent {traffic_line(connection.traffic)}", is_last=True)
        return replace(applied, report=replace(applied.report, traffic=connection.traffic))


def _note_what_is_known(
    saved: SavedPlan | Manifest, state: State, history: History, listener: Listener
) -> None:
    """Say where the record may be another one than that of earlier runs."""
    stores = [store.store for store in saved.plan.stores]
    note_other_services(stores, saved.endpoint, history.stores, listener)
    if saved.plan.has_deletions and not history.runs:
        listener.note(
            f"note: {state} holds no earlier run: if this was not the first one, give the state"
            " of the others (--state; in Python: state=); without their record a plan can be"
            " applied twice until it expires",
            is_last=True,
        )
    note_unfinished(saved, state, history, listener)
