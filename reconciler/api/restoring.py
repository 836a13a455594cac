"""Put back what a run archived: connect, store, prove, leave a record whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from reconciler.api import machine
from reconciler.api.listener import SILENT, Listener
from reconciler.api.project import Project
from reconciler.api.recording import record_nothing_done
from reconciler.api.running import LEASE, STOP_AFTER, reported_results, run_settings
from reconciler.api.service import Service, connect, endpoint_of, provider_of
from reconciler.applying.archived import ArchivedRun, read_archived
from reconciler.applying.restore import Restore
from reconciler.applying.stopping import Breaker, Stop
from reconciler.errors import ExitCode, ReconcilerError, UsageError
from reconciler.model.outcome import Operation, RunReport
from reconciler.model.provenance import Provenance, Requester
from reconciler.model.service import is_one_service
from reconciler.reporting.wording import traffic_line

Archived = Callable[[], ArchivedRun]
"""Reads what a run archived, as the record has it now."""


def archived_by(
    run: str, project: Project, *, only: Sequence[str] = (), archive: Path | None = None
) -> Archived:
    """As `read_archived`; ``archive`` is where the archive's folder is now, if it was moved."""
    moved = None if archive is None else archive.absolute()
    return partial(read_archived, project.state, run, only=only, archive=moved)


def restore(
    read: Archived,
    archived: ArchivedRun,
    project: Project,
    service: Service,
    *,
    stop_after_failures: int = STOP_AFTER,
    lease: float = LEASE,
    stop: Stop | None = None,
    requester: Requester | None = None,
    listener: Listener = SILENT,
) -> tuple[RunReport, ExitCode]:
    """Store what a run archived, and prove that it is there; one that does nothing is on record.

    ``archived`` is what ``read`` gave before; it is read again under the lock. The others are as
    of `apply`.

    Raises:
        UsageError: the service is not the one that it was deleted from.
        LockHeld: another run works on one of the stores.
        LiveError: a store does not answer, or its caller may not store.
        JournalError: the journal cannot be read or begun.
    """
    run = machine.new_run_name(machine.now())
    stop = stop or Stop()
    settings = run_settings(run, parallelism=service.parallelism, lease=lease)
    record_if_nothing = partial(
        record_nothing_done,
        "restore",
        state=project.state,
        run=run,
        stores=archived.stores,
        endpoint=archived.endpoint,
        requester=requester,
        listener=listener,
    )
    total = len(archived.instances)
    provider = provider_of(archived.stores)
    try:
        _require_endpoint(archived, str(endpoint_of(service, provider)))
        with (
            connect(service, provider, read_only=False, stop=stop.event) as connection,
            reported_results("restoring", total, listener) as on_result,
        ):
            listener.started(Operation.RESTORE, run, total, restores=archived.runs)
            report, exit_code = Restore(
                read=read,
                stores={store: connection.store(store) for store in archived.stores},
                state=project.state,
                settings=settings,
                stop=stop,
                now=machine.now,
                on_result=on_result,
                on_wait=listener.note,
                tried=Breaker(stop_after_failures, stop, Operation.RESTORE).record,
                provenance=lambda: Provenance(connection.principal, requester),
            ).run()
            if report.journal_head:
                listener.note(f"sent {traffic_line(connection.traffic)}", is_last=True)
                report = replace(report, traffic=connection.traffic)
    except ReconcilerError as error:
        record_if_nothing(error.exit_code, str(error))
        raise
    record_if_nothing(exit_code, f"nothing of run {archived.runs[-1]} is left to restore")
    return report, exit_code


def _require_endpoint(archived: ArchivedRun, endpoint: str) -> None:
    if not is_one_service(archived.stores, archived.endpoint, endpoint):
        raise UsageError(
            f"the run spoke to the service at {archived.endpoint}, this one is set to {endpoint}",
            hint="set --endpoint to the one that it was deleted from",
        )
