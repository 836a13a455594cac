"""``reconciler restore``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from reconciler.api.restoring import Archived, archived_by, restore
from reconciler.api.service import provider_of
from reconciler.applying.archived import ArchivedRun
from reconciler.applying.pending import find_pending
from reconciler.applying.stopping import Stop
from reconciler.cli import environment
from reconciler.cli.ci import github
from reconciler.cli.options.formats import Writes
from reconciler.cli.options.path_type import PATH
from reconciler.cli.options.project import find_root, open_project
from reconciler.cli.options.shared import StateAddress, project_options
from reconciler.cli.output.console import say, write_document
from reconciler.cli.runs.shared import RunOptions, finish, opened_run, run_options
from reconciler.cli.signals import stopped_by_signals
from reconciler.errors import ExitCode, UsageError
from reconciler.journal.history import History
from reconciler.journal.inside import open_inside
from reconciler.model.past import ArchivedInstance
from reconciler.reporting.run.text import pending_as_text
from reconciler.reporting.wording import plain


@dataclass(frozen=True, kw_only=True)
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
@click.option("--dry-run", is_flag=True, help="List what would be restored; contact no store.")
@click.option(
    "--archive",
    type=PATH,
    metavar="DIR",
    help="The folder that contains the run's bag, if the archive was moved.",
)
@run_options("Stop after N unproven restores in a row.")
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
    """Restore the instances that a run archived and deleted.

    RUN is the name of a run, as printed by apply; the runs that it resumed are included. Each
    archived file is checked against its recorded SHA-256, stored, retrieved and compared: identical
    (the same bytes), same_dataset (only the preamble or File Meta Information differs) or conflict
    (the store has other content, which is never replaced).

    Exit code 0 if every archived dataset is proven to be restored, 4 if not, 5 if another run holds
    the lock. After an interruption, run the same command to resume. While a file still asks to
    remove a restored instance for the same reason, a gate blocks the plan.

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
            project=open_project(state, find_root(root)),
            report=report,
            writes=writes,
            events=events,
            **given,  # type: ignore[arg-type]  # click hands over exactly the options above
        )
        if options.dry_run and (options.format_name != "text" or options.writes or options.report):
            raise UsageError("--dry-run has no report", hint="leave --format, --write and --report")
        read = archived_by(run, options.project, only=only, archive=archive)
        archived = read()
        for missing in archived.missing:
            say(f"note: run {missing} is not on record here; what it archived is not restored")
        if options.dry_run:
            return _show(archived, options)
        return _restore(read, archived, options)


def _restore(read: Archived, archived: ArchivedRun, options: _Options) -> int:
    stop = Stop()
    with stopped_by_signals(stop) as signals:
        report, exit_code = restore(
            read,
            archived,
            options.project,
            environment.service(options.access, provider_of(archived.stores)),
            stop_after_failures=options.stop_after_failures,
            lease=options.lease,
            stop=stop,
            requester=environment.requester(),
            listener=options.listener,
        )
    if signals.exit_code is not None and not report.is_success:
        exit_code = signals.exit_code
    return finish(report, options, exit_code)


def _show(archived: ArchivedRun, options: _Options) -> int:
    pending = find_pending(archived, History.read(options.project.state))
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
