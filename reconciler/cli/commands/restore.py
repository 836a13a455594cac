"""``reconciler restore``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click

from reconciler.applying.archived import ArchivedRun, read_archived
from reconciler.applying.pending import find_pending
from reconciler.applying.restore import Restore
from reconciler.applying.stopping import Stop
from reconciler.cli import environment
from reconciler.cli.ci import github
from reconciler.cli.options.formats import Writes
from reconciler.cli.options.path_type import PATH
from reconciler.cli.options.project import find_root, open_state
from reconciler.cli.options.shared import StateAddress, project_options
from reconciler.cli.output.console import say, say_last, write_document
from reconciler.cli.runs.recording import record_nothing_done
from reconciler.cli.runs.shared import RunOptions, finish, opened_run, reported_results, run_options
from reconciler.cli.signals import stopped_by_signals
from reconciler.errors import ExitCode, ReconcilerError, UsageError
from reconciler.journal.history import History
from reconciler.journal.inside import open_inside
from reconciler.live.http.endpoint import Endpoint
from reconciler.model.outcome import Operation, RunReport
from reconciler.model.past import ArchivedInstance
from reconciler.model.provenance import Provenance
from reconciler.model.service import is_one_service
from reconciler.reporting.events import start_event
from reconciler.reporting.run.text import pending_as_text
from reconciler.reporting.wording import plain, traffic_line


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options(RunOptions):
    """The command line of a restore."""

    dry_run: bool


@click.command(name="restore")
@click.argument("run")
@click.option(
    "--only",
    multiple=True,
    metavar="UID",
    help="Restore this SOP Instance UID only; repeatable.",
)
@click.option("--dry-run", is_flag=True, help="List what would be restored; ask no store.")
@click.option(
    "--archive",
    type=PATH,
    metavar="DIR",
    help="Where the run's bag is now, if the archive was moved: the folder that holds it.",
)
@run_options("Stop after so many unproven restores in a row.")
@project_options
def command(
    *,
    run: str,
    only: tuple[str, ...],
    archive: Path | None,
    report: Path | None,
    writes: Writes,
    events_file: Path | None,
    state: StateAddress | None,
    root: Path | None,
    **given: object,
) -> int:
    """Put back what a run archived before it deleted it.

    RUN is the name of a run, as apply reports it; what it resumed belongs to it. Each archived
    file is checked against its recorded sha256, stored, retrieved again and compared: identical
    (the same bytes), same_dataset (only preamble or File Meta Information differ) or conflict (the
    store holds other content, which is never replaced).

    Exit code 0 when every archived dataset is proven to be back, 4 when it is not, 5 when another
    run holds the lock. After an interruption the same command goes on. As long as a file still
    lists a restored instance for the reason that it was removed for, a plan is stopped by a gate.

    \b
    Examples:
      reconciler restore 20260301T090000Z-1f2e3d4c --dry-run
      reconciler restore 20260301T090000Z-1f2e3d4c
      reconciler restore 20260301T090000Z-1f2e3d4c --only 1.2.840.113619.2.1.1.1
    """
    with (
        github.annotated_errors(""),
        opened_run("restore", events_file, report, writes) as events,
    ):
        options = _Options(
            state=open_state(state, find_root(root)),
            report=report,
            writes=writes,
            events=events,
            **given,  # type: ignore[arg-type]  # click hands over exactly the options above
        )
        if options.dry_run and (options.format_name != "text" or options.writes or options.report):
            raise UsageError("--dry-run has no report", hint="leave --format, --write and --report")
        moved = None if archive is None else archive.absolute()
        read = partial(read_archived, options.state, run, only=only, archive=moved)
        archived = read()
        for missing in archived.missing:
            say(f"note: run {missing} is not on record here; what it archived is not restored")
        if options.dry_run:
            return _show(archived, options)
        result, exit_code = _restore_on_record(read, archived, options)
        return finish(result, options, exit_code)


def _restore_on_record(
    read: Callable[[], ArchivedRun], archived: ArchivedRun, options: _Options
) -> tuple[RunReport, int]:
    """Restore; one that does nothing is on record as such."""
    run = environment.new_run_name(environment.now())

    record_if_nothing = partial(
        record_nothing_done,
        "restore",
        state=options.state,
        run=run,
        stores=archived.stores,
        endpoint=archived.endpoint,
    )
    try:
        provider = environment.provider_of(archived.stores)
        endpoint = environment.endpoint(options.access.endpoint, provider)
        _require_endpoint(archived, endpoint)
        report, exit_code = _restore(read, archived, endpoint, options, run)
    except ReconcilerError as error:
        record_if_nothing(error.exit_code, str(error))
        raise
    record_if_nothing(exit_code, f"nothing of run {archived.runs[-1]} is left to restore")
    return report, exit_code


def _show(archived: ArchivedRun, options: _Options) -> int:
    pending = find_pending(archived, History.read(options.state))
    write_document(pending_as_text(pending.settled, pending.waiting))
    lost = [one for one in pending.waiting if not _is_there(one)]
    if lost:
        say("  hint: if the archive was moved, name the folder that holds the bag with --archive")
    return ExitCode.INCOMPLETE if lost else ExitCode.SUCCESS


def _is_there(archived: ArchivedInstance) -> bool:
    """Whether there is a file to restore from; where there is none, says why."""
    try:
        open_inside(archived.archive, archived.path).close()
    except FileNotFoundError:
        say(f"missing: {plain(str(archived.file))}")
    except OSError as error:
        say(f"not to be read: {plain(str(archived.file))}: {error.strerror}")
    else:
        return True
    return False


def _require_endpoint(archived: ArchivedRun, endpoint: Endpoint) -> None:
    if not is_one_service(archived.stores, archived.endpoint, str(endpoint)):
        raise UsageError(
            f"the run spoke to the service at {archived.endpoint}, this one is set to {endpoint}",
            hint="set --endpoint to the one that it was deleted from",
        )


def _restore(
    read: Callable[[], ArchivedRun],
    archived: ArchivedRun,
    endpoint: Endpoint,
    options: _Options,
    run: str,
) -> tuple[RunReport, int]:
    total = len(archived.instances)
    stop = Stop()
    with (
        stopped_by_signals(stop) as signals,
        environment.connect(
            endpoint,
            options.access,
            provider=environment.provider_of(archived.stores),
            read_only=False,
            stop=stop.event,
        ) as connection,
        reported_results("restoring", total, options.events) as on_result,
    ):
        options.events.emit([start_event(Operation.RESTORE, run, total, restores=archived.runs)])
        report, exit_code = Restore(
            read=read,
            stores={store: connection.store(store) for store in archived.stores},
            state=options.state,
            settings=options.settings(run),
            stop=stop,
            now=environment.now,
            on_result=on_result,
            on_wait=say,
            provenance=lambda: Provenance(connection.principal, environment.requester()),
        ).run()
        if report.journal_head:
            say_last(f"sent {traffic_line(connection.traffic)}")
            report = replace(report, traffic=connection.traffic)
    if signals.exit_code is not None and not report.is_success:
        return report, signals.exit_code
    return report, exit_code
