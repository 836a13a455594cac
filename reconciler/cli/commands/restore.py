"""``reconciler restore``."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from reconciler import __version__
from reconciler.applying.archived import ArchivedRun, read_archived
from reconciler.applying.pending import Pending, find_pending
from reconciler.applying.restore import Restore, RestoreSettings
from reconciler.applying.stopping import Stop
from reconciler.cli import environment
from reconciler.cli.console import say, write_document
from reconciler.cli.destination import require_writable, write_file
from reconciler.cli.options import root_option, state_option, store_options
from reconciler.cli.path_type import PATH
from reconciler.cli.patience import make_patience
from reconciler.cli.progress import progress
from reconciler.cli.project import find_root, state_folder, status_command
from reconciler.cli.recording import record_nothing_done
from reconciler.cli.signals import stopped_by_signals
from reconciler.errors import ExitCode, ReconcilerError, UsageError
from reconciler.journal.folder import run_file
from reconciler.journal.history import History
from reconciler.journal.inside import open_inside
from reconciler.live.endpoint import Endpoint
from reconciler.model.outcome import RunState
from reconciler.model.provenance import Provenance
from reconciler.model.restore import ArchivedInstance, RestoreReport, RestoreResult
from reconciler.model.service import is_one_service
from reconciler.reporting.restore_json import restore_as_json
from reconciler.reporting.restore_text import pending_as_text, restore_as_text
from reconciler.reporting.wording import plain

REPROBE_SECONDS = 30.0
"""How long an instance that is not there after it was stored is looked for again."""


@dataclass(frozen=True, slots=True)
class _Options:
    """The command line, with the state folder found."""

    dry_run: bool
    report: Path | None
    stop_after_failures: int
    endpoint: str | None
    parallelism: int
    max_qps: float | None
    state: Path


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
@click.option(
    "--report",
    type=PATH,
    metavar="FILE",
    help="Write the result as JSON.",
)
@click.option(
    "--stop-after-failures",
    type=click.IntRange(min=1),
    default=10,
    envvar="RECONCILER_STOP_AFTER_FAILURES",
    show_envvar=True,
    show_default=True,
    metavar="N",
    help="Stop after so many unproven restores in a row.",
)
@store_options
@state_option
@root_option
def command(
    *,
    run: str,
    only: tuple[str, ...],
    archive: Path | None,
    state: Path | None,
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
    options = _Options(
        state=state_folder(state, find_root(root)),
        **given,  # type: ignore[arg-type]  # click hands over exactly the options above
    )
    require_writable(options.report)
    moved = None if archive is None else archive.absolute()
    read = partial(read_archived, options.state, run, only=only, archive=moved)
    archived = read()
    for missing in archived.missing:
        say(f"note: run {missing} is not on record here; what it archived is not restored")
    if options.dry_run:
        return _show(archived, options)
    report, exit_code = _restore_on_record(read, archived, options)
    write_document(restore_as_text(report))
    if report.state in {RunState.INTERRUPTED, RunState.STOPPED}:
        say(f"to resume it, see: {status_command(options.state)}")
    if options.report is not None:
        write_file(options.report, restore_as_json(report, exit_code))
    return exit_code


def _restore_on_record(
    read: Callable[[], ArchivedRun], archived: ArchivedRun, options: _Options
) -> tuple[RestoreReport, int]:
    """Restore; one that does nothing is on record as such."""
    run = environment.new_run_name(environment.now())

    def record_if_nothing(exit_code: int, detail: str) -> None:
        if not run_file(options.state, run).exists():
            record_nothing_done(
                "restore",
                exit_code,
                detail,
                options.state,
                run=run,
                stores=archived.stores,
                endpoint=archived.endpoint,
            )

    try:
        provider = environment.provider_of(archived.stores)
        endpoint = environment.endpoint(options.endpoint, provider)
        _require_endpoint(archived, endpoint)
        report, exit_code = _restore(read, archived, endpoint, options, run)
    except ReconcilerError as error:
        record_if_nothing(error.exit_code, str(error))
        raise
    record_if_nothing(exit_code, f"nothing of run {archived.runs[-1]} is left to restore")
    return report, exit_code


def _show(archived: ArchivedRun, options: _Options) -> int:
    pending = _pending(archived, options)
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


def _pending(archived: ArchivedRun, options: _Options) -> Pending:
    return find_pending(archived, History.read(options.state))


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
) -> tuple[RestoreReport, int]:
    stop = Stop()
    with (
        stopped_by_signals(stop) as signals,
        environment.connect(
            endpoint,
            provider=environment.provider_of(archived.stores),
            read_only=False,
            parallelism=options.parallelism,
            max_qps=options.max_qps,
            stop=stop.event,
        ) as connection,
        progress("restoring") as counter,
    ):
        done = itertools.count(1)

        def on_result(_result: RestoreResult) -> None:
            counter.update(next(done), len(archived.instances))

        report, exit_code = Restore(
            read=read,
            stores={store: connection.store(store) for store in archived.stores},
            state=options.state,
            settings=_settings(options, run),
            stop=stop,
            now=environment.now,
            on_result=on_result,
            provenance=lambda: Provenance(connection.principal, environment.requester()),
        ).run()
    if signals.exit_code is not None and not report.is_success:
        return report, signals.exit_code
    return report, exit_code


def _settings(options: _Options, run: str) -> RestoreSettings:
    return RestoreSettings(
        run=run,
        holder=environment.holder(run),
        tool_version=__version__,
        patience=make_patience(REPROBE_SECONDS),
        parallelism=options.parallelism,
        stop_after=options.stop_after_failures,
    )
